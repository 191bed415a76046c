"""The history of a DaemonSet: snapshots, numbers, duplicates, collisions, and what is forgotten."""

from tests.unit.operators.daemonsets import APP, daemon_set, decided, hash_of, nodes, pod, revision, template, world
from tests.unit.operators.decisions import of, only, writes
from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS
from understudy.kinds.core import PODS
from understudy.operators.common import history
from understudy.operators.common.history import REVISION_LABEL
from understudy.plan.steps import Create, Delete, Patch
from understudy.state.view import View
from understudy.values import gojson


def numbers(view: View) -> dict[str, int]:
    """Every revision's number, by name."""
    return {each.name: each.number for each in view.all(CONTROLLER_REVISIONS)}


def test_the_template_is_recorded_byte_for_byte() -> None:
    ds = daemon_set(pods={"nodeSelector": {"<&>": "x"}}, annotations={"why": "because"})
    view = world(ds, revisions=[])
    create = only(decided(view), Create)
    value = hash_of(nodeSelector={"<&>": "x"})
    metadata = create.body["metadata"]
    assert metadata["name"] == f"agent-{value}"
    assert metadata["labels"] == {**APP, REVISION_LABEL: value}
    assert metadata["annotations"] == {"why": "because"}
    assert create.body["revision"] == 1
    assert bytes(create.body["data"]) == (
        b'{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"agent"}},'
        b'"spec":{"containers":[{"image":"agent:2","name":"agent"}],"nodeSelector":{"\\u003c\\u0026\\u003e":"x"}}}}}'
    )


def test_a_known_template_is_recorded_once() -> None:
    view = world(daemon_set())
    decided(view)
    assert numbers(view) == {f"agent-{hash_of()}": 1}


def test_a_template_that_comes_back_gets_the_highest_number() -> None:
    view = world(daemon_set(), revisions=[revision(1), revision(5, "agent:1")])
    patch = of(decided(view), Patch)[0]
    assert patch.body == {"revision": 6}
    assert numbers(view) == {f"agent-{hash_of()}": 6, f"agent-{hash_of('agent:1')}": 5}
    assert not of(decided(view), Patch)


def test_a_new_template_is_numbered_after_the_old_ones() -> None:
    view = world(daemon_set(), revisions=[revision(3, "agent:0"), revision(7, "agent:1")])
    decided(view)
    assert numbers(view)[f"agent-{hash_of()}"] == 8


def test_of_duplicates_the_newest_stays_and_takes_the_pods_over() -> None:
    double = revision(2, name="agent-copy", labels={**APP, REVISION_LABEL: "copy"})
    pods = [pod("a", "n0"), pod("b", "n1", labels={**APP, REVISION_LABEL: "copy"}), pod("c", "n2", image="agent:1")]
    view = world(daemon_set(strategy="OnDelete"), nodes(3), pods, [revision(1), double])
    decided(view)
    assert numbers(view) == {"agent-copy": 2}
    assert [each.metadata.labels[REVISION_LABEL] for each in view.all(PODS)] == ["copy", "copy", hash_of("agent:1")]


def test_a_duplicate_with_the_same_hash_leaves_the_pods_alone() -> None:
    view = world(daemon_set(), nodes(1), [pod("a", "n0")], [revision(1), revision(2, name="agent-copy")])
    steps = decided(view)
    assert [delete.obj.name for delete in of(steps, Delete)] == [f"agent-{hash_of()}"]
    assert PODS not in [patch.kind for patch in of(steps, Patch)]


def test_a_revision_without_a_hash_is_labelled_with_its_name() -> None:
    view = world(daemon_set(), nodes(1), revisions=[revision(1, name="by-hand", labels=APP)])
    decided(view)
    assert [each.metadata.labels[REVISION_LABEL] for each in view.all(PODS)] == ["by-hand"]


def test_orphaned_revisions_are_adopted_and_strays_released() -> None:
    orphan, stray = revision(1, owner=None), revision(4, "agent:1", labels={"app": "other", REVISION_LABEL: "x"})
    view = world(daemon_set(), revisions=[orphan, stray])
    decided(view)
    owners = {each.number: bool(each.metadata.ownerReferences) for each in view.all(CONTROLLER_REVISIONS)}
    assert owners == {1: True, 4: False}


def test_a_name_that_is_taken_raises_the_collision_count() -> None:
    taken = revision(1, "agent:1", name=f"agent-{hash_of()}", owner=None, labels={"app": "other"})
    view = world(daemon_set(), revisions=[taken])
    steps = decided(view)
    collided = next(each for each in of(steps, Patch) if each.kind is DAEMON_SETS)
    assert (collided.body, collided.guard) == ({"status": {"collisionCount": 1}}, "revision")
    data = gojson.encode(history.patch_of(template()))
    assert f"agent-{history.hash_of(data, 1)}" in numbers(view)


def test_the_oldest_revisions_go_unless_pods_still_have_them() -> None:
    known = [revision(number, f"agent:{number + 2}") for number in range(1, 6)]
    kept = pod("a", "n0", image="agent:3")  # of revision 1
    ds = daemon_set(strategy="OnDelete", revisionHistoryLimit=3)
    view = world(ds, nodes(1), [kept], [*known, revision(6)])
    steps = decided(view)
    assert [delete.obj.metadata.labels[REVISION_LABEL] for delete in of(steps, Delete)] == [
        hash_of("agent:4"),
        hash_of("agent:5"),
    ]
    assert sorted(numbers(view).values()) == [1, 4, 5, 6]
    assert not writes(decided(view))


def test_without_a_limit_nothing_is_forgotten() -> None:
    known = [revision(number, f"agent:{number + 2}") for number in range(1, 6)]
    view = world(daemon_set(revisionHistoryLimit=None), revisions=[*known, revision(6)])
    assert not of(decided(view), Delete)
