"""Old revisions: which are forgotten, and the old way to bring one back by an annotation."""

from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, of, run, writes
from tests.unit.operators.deployments import current, decided, deployment, replica_set, rollout, seen, template
from understudy.errors import Conflict
from understudy.kinds.apps import DEPLOYMENTS, ReplicaSet
from understudy.operators.deployment import decide
from understudy.operators.deployment.annotations import REVISION, ROLLBACK_TO
from understudy.operators.deployment.cleanup import forgettable
from understudy.operators.deployment.rollback import rollback_to
from understudy.plan.steps import Delete, Patch, Replace

DONE = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
NEW = replica_set("new", 1, image="web:2", revision="9", desired=1)


def old(*revisions: str, **options: Any) -> list[ReplicaSet]:
    return [replica_set(f"r{each}", 0, image=f"web:r{each}", revision=each, **options) for each in revisions]


# Forgetting


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0, ["r1", "r2", "r10"]), (1, ["r1", "r2"]), (2, ["r1"]), (3, []), (None, []), (2**31 - 1, [])],
)
def test_the_lowest_revisions_beyond_the_limit_go(limit: int | None, expected: list[str]) -> None:
    state = rollout(deployment(1, revisionHistoryLimit=limit), NEW, *old("10", "2", "1"))
    assert [each.name for each in forgettable(state)] == expected


def test_of_equal_revisions_the_oldest_goes() -> None:
    first = replica_set("b", revision="x", created="2026-01-01T00:00:00Z")
    second = replica_set("a", revision=None, image="web:0", created="2026-01-01T01:00:00Z")
    state = rollout(deployment(1, revisionHistoryLimit=1), NEW, second, first)
    assert [each.name for each in forgettable(state)] == ["b"]


@pytest.mark.parametrize("state", [{"replicas": 1, "actual": 0}, {"actual": 1}, {"generation": 2}, {"deleting": True}])
def test_what_has_pods_or_may_have_stays(state: dict[str, Any]) -> None:
    kept = replica_set("r1", **{"replicas": 0, **state}, finalizers=["keep"])
    assert forgettable(rollout(deployment(1, revisionHistoryLimit=0), NEW, kept)) == []


def test_history_is_tidied_after_the_rollout_not_during_it() -> None:
    web = deployment(1, revisionHistoryLimit=0)
    view = seen(web, NEW, *old("1"))
    assert not of(decided(view), Delete)
    assert [delete.obj.name for delete in of(decided(view), Delete)] == ["r1"]


@pytest.mark.parametrize(("annotations", "tidied"), [({}, True), ({ROLLBACK_TO: "1"}, False)])
def test_a_paused_deployment_is_tidied_unless_it_is_to_be_rolled_back(
    annotations: dict[str, str], tidied: bool
) -> None:
    view = seen(deployment(1, paused=True, revisionHistoryLimit=0, annotations=annotations), NEW, *old("1"))
    assert bool(of(decided(view), Delete)) == tidied


# Rolling back


@pytest.mark.parametrize(("text", "revision"), [("3", 3), ("0", 0), ("", None), ("last", None)])
def test_the_request(text: str, revision: int | None) -> None:
    assert rollback_to(deployment(annotations={ROLLBACK_TO: text})) == revision


@pytest.mark.parametrize(("asked_for", "revision"), [("3", 3), ("0", 8)])
def test_template_and_annotations_come_back(asked_for: str, revision: int) -> None:
    annotations = {ROLLBACK_TO: asked_for, "cause": "edit", REVISION: "9"}
    earlier = old("3", "8", annotations={"cause": "create"})
    new = replica_set("new", 1, image="web:2", revision="9", desired=1, annotations={"cause": "edit"})
    view = seen(deployment(1, annotations=annotations), new, *earlier)
    steps = decided(view)
    assert events(steps) == [("Normal", "DeploymentRollback", f'Rolled back deployment "web" to revision {revision}')]
    web = current(view)
    assert web.spec.template == template(f"web:r{revision}")
    assert web.metadata.annotations == {REVISION: "9", "cause": "create"}


def test_a_deployment_changed_meanwhile_is_not_rolled_back() -> None:
    """The request may have been withdrawn: the server must refuse what was decided about an older state."""
    view = seen(deployment(1, annotations={ROLLBACK_TO: "3"}), NEW, *old("3"))
    known = current(view)
    view.store(DEPLOYMENTS).listed(deployment(1))
    with pytest.raises(Conflict):
        run(decide(known, view, NOW), view)


@pytest.mark.parametrize(
    ("asked_for", "sets", "reason", "message"),
    [
        ("0", [NEW], "DeploymentRollbackRevisionNotFound", "Unable to find last revision."),
        ("5", [NEW, *old("3")], "DeploymentRollbackRevisionNotFound", "Unable to find the revision to rollback to."),
        (
            "9",
            [NEW, *old("3")],
            "DeploymentRollbackTemplateUnchanged",
            'The rollback revision contains the same template as current deployment "web"',
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_the_request_taken_away(
    asked_for: str, sets: list[ReplicaSet], reason: str, message: str
) -> None:
    view = seen(deployment(1, annotations={ROLLBACK_TO: asked_for, "mine": "x"}), *sets)
    steps = decided(view)
    assert events(steps) == [("Warning", reason, message)]
    assert current(view).metadata.annotations == {"mine": "x"}
    assert not of(steps, Replace)
    assert of(writes(steps), Patch)[-1].obj.name == "web"
