"""claim and adopters: every row of ControllerRefManager's table, and that one failure does not stop the others."""

from collections.abc import Generator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import make, make_pod, of, owned_by, run, view_of, writes
from understudy.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from understudy.kinds.apps import REPLICA_SETS, ReplicaSet
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key, controller_of
from understudy.operators.common.adoption import adopters, claim
from understudy.plan.steps import Decision, Get, Patch, Step
from understudy.state.view import View
from understudy.values import selector as selectors

WEB = selectors.from_map({"app": "web"})
RS = make(REPLICA_SETS, "web", labels={"app": "web"}, spec={"selector": {"matchLabels": {"app": "web"}}})
OTHER = make(REPLICA_SETS, "other")
MINE = owned_by(RS, REPLICA_SETS)
DB = {"app": "db"}


def play(view: View, owner: ReplicaSet = RS, answer: Any = None, **options: Any) -> tuple[list[str], list[Step]]:
    """The names claimed, and the steps it took."""
    names: list[str] = []

    def decision() -> Decision:
        claimed: Sequence[Pod] = yield from claim(owner, REPLICA_SETS, WEB, PODS, view, **options)
        names.extend(pod.name for pod in claimed)

    return names, run(decision(), view, answer)


def seen(*pods: Pod, owner: ReplicaSet | None = RS) -> View:
    return view_of({PODS: pods, REPLICA_SETS: [owner] if owner else []})


def test_what_is_owned_and_matches_is_claimed_without_a_word() -> None:
    assert play(seen(make_pod("a", owner=MINE), make_pod("b", owner=MINE, deleting=True))) == (["a", "b"], [])


def test_a_matching_orphan_is_adopted_after_one_live_look_at_the_owner() -> None:
    view = seen(make_pod("a"), make_pod("b"), make_pod("c", owner=MINE))
    names, steps = play(view)
    assert names == ["c", "a", "b"]
    assert [type(step) for step in steps] == [Get, Patch, Patch]
    adopted = view.get(PODS, "default", "a")
    assert adopted is not None
    assert controller_of(adopted) == controller_of(make_pod(owner=MINE))


def test_adoption_keeps_the_other_owners() -> None:
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}
    view = seen(make_pod("a", owner=plain))
    play(view)
    adopted = view.get(PODS, "default", "a")
    assert adopted is not None
    assert [reference.name for reference in adopted.metadata.ownerReferences] == ["c", "web"]


@pytest.mark.parametrize(
    "pod",
    [
        make_pod("of-another", owner=owned_by(OTHER, REPLICA_SETS)),
        make_pod("other-labels", labels=DB),
        make_pod("on-its-way-out", deleting=True),
        make_pod("elsewhere", namespace="elsewhere"),
    ],
    ids=lambda pod: pod.name,
)
def test_what_is_left_alone(pod: Pod) -> None:
    assert play(seen(pod), candidates=[pod]) == ([], [])


def test_an_owned_object_that_matches_no_more_is_released() -> None:
    view = seen(make_pod("a", owner=MINE, labels=DB))
    names, steps = play(view)
    assert (names, len(of(steps, Patch))) == ([], 1)
    released = view.get(PODS, "default", "a")
    assert released is not None
    assert controller_of(released) is None


def test_an_owner_on_its_way_out_keeps_what_it_has_and_writes_nothing() -> None:
    going = make(REPLICA_SETS, "web", deleting=True)
    view = seen(make_pod("a", owner=MINE), make_pod("b"), make_pod("c", owner=MINE, labels=DB))
    assert play(view, owner=going) == (["a"], [])


@pytest.mark.parametrize(
    ("fresh", "error", "message"),
    [
        (make(REPLICA_SETS, "web", uid="new"), Conflict, "is gone: got uid new, wanted uid-web"),
        (
            make(REPLICA_SETS, "web", deleting=True),
            Conflict,
            "web has just been deleted at 2026-01-02T12:00:00Z",
        ),
        (None, NotFound, "not found"),
    ],
)
def test_nothing_is_adopted_by_an_owner_that_is_gone(
    fresh: ReplicaSet | None, error: type[ApiError], message: str
) -> None:
    view = seen(make_pod("a"), owner=fresh)
    with pytest.raises(error, match=message):
        play(view)
    pod = view.get(PODS, "default", "a")
    assert pod is not None
    assert controller_of(pod) is None


def test_a_pod_that_is_gone_is_no_error() -> None:
    def answer(step: Step) -> None:
        if isinstance(step, Patch) and step.obj.name in ("a", "s"):
            raise NotFound(404) if step.obj.name == "a" else Invalid(422)

    view = seen(make_pod("a"), make_pod("b"), make_pod("s", owner=MINE, labels=DB))
    assert play(view, answer=answer)[0] == ["b"]


def test_one_refusal_does_not_stop_the_others_but_is_told() -> None:
    def answer(step: Step) -> None:
        if isinstance(step, Patch) and step.obj.name in ("a", "s"):
            raise Forbidden(403, message=f"no {step.obj.name}")

    view = seen(
        make_pod("s", owner=MINE, labels=DB), make_pod("t", owner=MINE, labels=DB), make_pod("a"), make_pod("b")
    )
    with pytest.raises(Forbidden, match="no s"):
        play(view, answer=answer)
    owners = {pod.name: controller_of(pod) is not None for pod in view.all(PODS)}
    assert owners == {"s": True, "t": False, "a": False, "b": True}


def test_belongs_must_hold_too() -> None:
    view = seen(make_pod("web-0", owner=MINE), make_pod("stray", owner=MINE), make_pod("web-1"), make_pod("x"))
    names, steps = play(view, belongs=lambda pod: pod.name.startswith("web-"))
    assert names == ["web-0", "web-1"]
    assert [patch.obj.name for patch in of(steps, Patch)] == ["stray", "web-1"]


def test_finalizers_come_with_adoption_and_go_with_release() -> None:
    view = seen(make_pod("a"), make_pod("b", owner=MINE, labels=DB, finalizers=["f", "kept"]))
    play(view, finalizers=["f"])
    assert {pod.name: pod.metadata.finalizers for pod in view.all(PODS)} == {"a": ["f"], "b": ["kept"]}


@given(st.lists(st.tuples(st.sampled_from(["mine", "other", ""]), st.booleans(), st.booleans()), max_size=12))
def test_afterwards_what_matches_is_ours_and_nothing_more_is_to_do(pods: list[tuple[str, bool, bool]]) -> None:
    references = {"mine": MINE, "other": owned_by(OTHER, REPLICA_SETS), "": None}
    view = seen(
        *(
            make_pod(f"p{n}", owner=references[who], labels={"app": "web" if match else "db"}, deleting=deleting)
            for n, (who, match, deleting) in enumerate(pods)
        )
    )
    names, _ = play(view)
    for n, (who, match, deleting) in enumerate(pods):
        ours = match and (who == "mine" or (who == "" and not deleting))
        assert (f"p{n}" in names) is ours
        pod = view.get(PODS, "default", f"p{n}")
        assert pod is not None
        reference = controller_of(pod)
        assert (reference is not None and reference.uid == RS.uid) is ours
        assert (reference is not None and reference.uid == OTHER.uid) is (who == "other")
    assert writes(play(view)[1]) == []


# Waking

ON = adopters(PODS, REPLICA_SETS, lambda rs: selectors.from_spec(rs.spec.selector))


def replica_set(name: str, namespace: str = "default", **selector: Any) -> ReplicaSet:
    return make(REPLICA_SETS, name, namespace, spec={"selector": selector})


def wakes(pod: Pod, *sets: ReplicaSet) -> list[str]:
    keys: Generator[Key] | Any = ON.keys(pod, view_of({REPLICA_SETS: sets}))
    return sorted(key.name for key in keys)


def test_an_orphan_wakes_every_owner_in_its_namespace_that_selects_it() -> None:
    sets = [
        replica_set("one", matchLabels={"app": "web"}),
        replica_set("two", matchLabels={"app": "web", "tier": "front"}),
        replica_set("in", matchExpressions=[{"key": "app", "operator": "In", "values": ["web", "db"]}]),
        replica_set("exists", matchExpressions=[{"key": "app", "operator": "Exists"}]),
        replica_set("elsewhere", "elsewhere", matchLabels={"app": "web"}),
        replica_set("db", matchLabels=DB),
        replica_set("everything"),
    ]
    assert wakes(make_pod(), *sets) == ["exists", "in", "one"]
    assert wakes(make_pod(labels={}), *sets) == []


def test_a_pod_with_a_controller_wakes_nobody_else() -> None:
    assert wakes(make_pod(owner=MINE), replica_set("one", matchLabels={"app": "web"})) == []


def test_an_unusable_selector_is_never_woken() -> None:
    on = adopters(PODS, REPLICA_SETS, lambda _: None)
    assert list(on.keys(make_pod(), view_of({REPLICA_SETS: [RS]}))) == []


@pytest.mark.parametrize(
    ("new", "old", "wanted"),
    [
        (make_pod(), None, True),
        (make_pod(), make_pod(phase="Pending"), False),
        (make_pod(), make_pod(labels=DB), True),
        (make_pod(), make_pod(owner=MINE), True),
        (make_pod(owner=MINE), make_pod(), False),
        (make_pod(deleting=True), None, False),
        (None, make_pod(), False),
    ],
)
def test_only_a_new_orphan_or_one_with_other_labels_or_owners_matters(
    new: Pod | None, old: Pod | None, wanted: bool
) -> None:
    assert ON.when is not None
    assert ON.when(new, old) is wanted
