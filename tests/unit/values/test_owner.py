"""Owner references."""

from understudy.values import owner


def test_a_controller_reference_has_both_flags() -> None:
    assert owner.reference("apps/v1", "Deployment", "web", "u1") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
        "uid": "u1",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_flags_that_are_not_set_are_left_out() -> None:
    plain = owner.reference("v1", "Pod", "p", "u2", controller=False, block=False)
    assert plain == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u2"}
    assert "controller" not in owner.reference("v1", "Pod", "p", "u2", controller=False)
    assert "blockOwnerDeletion" not in owner.reference("v1", "Pod", "p", "u2", block=False)
