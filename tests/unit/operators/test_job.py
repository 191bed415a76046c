"""The Job controller as a whole: the order of things, what it leaves alone, and Pods without a Job."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, of, owned_by, run, settle, view_of, writes
from tests.unit.operators.jobs import INDEXED, UID, make_job, make_job_pod, world
from understudy.errors import ApiError, Conflict, NotFound, PartlyDone
from understudy.kinds.batch import JOBS, Job, UncountedTerminatedPods
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key
from understudy.operators.job import decide, gone, strays
from understudy.operators.job.facts import FINALIZER
from understudy.plan.steps import Create, Delete, Patch, Requeue, Step
from understudy.state.view import View

KEY = Key("default", "work")
OVER = {"conditions": [{"type": "Complete", "status": "True"}]}


def decided(job: Job, *pods: Pod, answer: Any = None) -> list[Step]:
    view = world(job, pods)
    return run(decide(job, view, NOW), view, answer)


def the_job(view: View) -> Job:
    found = view.get(JOBS, *KEY)
    assert found is not None
    return found


def status_writes(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [dict(step.body["status"]) for step in of(steps, Patch) if step.kind is JOBS]


def freed(steps: Sequence[Step]) -> list[str]:
    return [step.obj.name for step in of(steps, Patch) if step.kind is PODS]


def test_it_comes_to_rest() -> None:
    job = make_job(parallelism=3, completions=3)
    view = world(job)
    rounds = settle(decide, JOBS, KEY, view)
    assert len(rounds) == 1
    status = the_job(view).status
    assert (status.active, status.ready, status.terminating, status.startTime) == (3, 0, 0, "2026-01-02T12:00:00Z")


def test_a_pod_is_noted_before_it_may_go_and_counted_after_that() -> None:
    job = make_job(completions=2, parallelism=1)
    steps = decided(job, make_job_pod(job, "good", "Succeeded"))
    assert [type(step) for step in writes(steps)] == [Create, Patch, Patch, Patch]
    assert freed(steps) == ["good"]
    first, last = status_writes(steps)
    assert first["uncountedTerminatedPods"] == {"succeeded": ["uid-good"], "failed": None}
    assert last == {"succeeded": 1, "uncountedTerminatedPods": {"succeeded": None, "failed": None}}


def test_a_finalizer_that_stays_is_tried_again_and_not_counted() -> None:
    job = make_job(completions=2)
    view = world(job, [make_job_pod(job, "good", "Succeeded")])
    with pytest.raises(PartlyDone):
        run(decide(job, view, NOW), view, _hold(ApiError(500, "InternalError", "no")))
    status = the_job(view).status
    assert (status.succeeded, status.uncountedTerminatedPods) == (0, UncountedTerminatedPods(["uid-good"]))


def test_a_pod_that_is_gone_is_counted_when_the_watch_has_told() -> None:
    job = make_job({"uncountedTerminatedPods": {"succeeded": ["uid-good"]}}, completions=2)
    pod = make_job_pod(job, "good", "Succeeded")
    steps = decided(job, pod, answer=_hold(NotFound(404, "NotFound", "gone")))
    assert all("succeeded" not in body for body in status_writes(steps))
    assert 1.0 in [step.after for step in of(steps, Requeue)]
    assert status_writes(decided(job))[-1]["succeeded"] == 1


def test_the_end_is_announced_and_told_when_all_are_gone() -> None:
    job = make_job({"failed": 1}, backoffLimit=0, parallelism=2, completions=2)
    pods = [make_job_pod(job, "a"), make_job_pod(job, "b", node="")]
    view = world(job, pods)
    steps = run(decide(job, view, NOW), view)
    assert sorted(step.obj.name for step in of(steps, Delete)) == ["a", "b"]
    announced, counted = status_writes(steps)
    assert [each["type"] for each in announced["conditions"]] == ["FailureTarget"]
    assert counted["failed"] == 3
    assert counted["terminating"] == 1  # a node has to stop it
    view.store(PODS).removed(pods[0].key, pods[0].uid)
    steps = run(decide(the_job(view), view, NOW), view)
    assert [each["type"] for each in status_writes(steps)[0]["conditions"]] == ["FailureTarget", "Failed"]
    assert events(steps) == [("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]


def test_while_pods_cannot_be_deleted_nothing_is_announced() -> None:
    job = make_job({"failed": 9})
    view = world(job, [make_job_pod(job, "a")])
    seen: list[Step] = []

    def refuse(step: Step) -> None:
        seen.append(step)
        if isinstance(step, Delete):
            raise ApiError(500, "InternalError", "no")

    with pytest.raises(PartlyDone):
        run(decide(job, view, NOW), view, refuse)
    assert of(seen, Delete)
    assert all("conditions" not in body for body in status_writes(seen))


def test_a_pod_that_is_too_many_goes_only_as_it_was_seen() -> None:
    """If it ended meanwhile, its end counts."""
    job = make_job(suspend=True)
    steps = decided(job, make_job_pod(job, "a"))
    assert [step.guard for step in of(steps, Patch) if step.kind is PODS] == ["revision"]


@pytest.mark.parametrize(("phase", "at_once", "succeeded", "failed"), [("Succeeded", 1, 2, 0), ("Failed", 2, 1, 0)])
def test_what_a_success_left_over_is_no_failure_but_may_succeed(
    phase: str, at_once: int, succeeded: int, failed: int
) -> None:
    job = make_job(completions=2, parallelism=2, successPolicy={"rules": [{"succeededCount": 1}]}, **INDEXED)
    pods = [make_job_pod(job, "good", "Succeeded", index=0), make_job_pod(job, "late", index=1)]
    view = world(job, pods)

    def ends(step: Step) -> None:
        if isinstance(step, Patch) and step.kind is JOBS and view.get(PODS, "default", "late"):
            view.store(PODS).seen(make_job_pod(job, "late", phase, index=1, deleting=True))

    assert len(freed(run(decide(job, view, NOW), view, ends))) == at_once
    run(decide(the_job(view), view, NOW), view)
    assert (the_job(view).status.succeeded, the_job(view).status.failed) == (succeeded, failed)
    assert not [pod for pod in view.all(PODS) if FINALIZER in pod.metadata.finalizers]


def test_too_many_successes_are_told() -> None:
    job = make_job({"succeeded": 3, "startTime": "2026-01-02T11:59:00Z"}, completions=2)
    assert events(decided(job)) == [
        ("Warning", "TooManySucceededPods", "Too many succeeded pods running after completion count reached"),
        ("Normal", "Completed", "Job completed"),
    ]


def test_an_unknown_mode_is_told_and_left_alone() -> None:
    steps = decided(make_job(completionMode="Sideways"))
    assert events(steps) == [
        ("Warning", "UnknownCompletionMode", "Skipped Job sync because completion mode is unknown")
    ]
    assert not writes(steps)


@pytest.mark.parametrize("job", [make_job(OVER), make_job(managedBy="example.com/queue")], ids=["over", "managed"])
def test_it_does_nothing_about_jobs_that_are_over_or_anothers(job: Job) -> None:
    assert not decided(job)


def test_a_job_that_says_it_is_ours_is_ours() -> None:
    assert of(decided(make_job(managedBy="kubernetes.io/job-controller")), Create)


def test_a_deleted_job_lets_its_pods_go_and_creates_none() -> None:
    job = make_job(deleting=True, parallelism=3, completions=3)
    steps = decided(job, make_job_pod(job, "a"), make_job_pod(job, "b", "Succeeded"))
    assert freed(steps) == ["a", "b"]
    assert not of(steps, Create)
    assert status_writes(steps)[-1]["succeeded"] == 1


def test_an_orphan_is_adopted_with_the_finalizer() -> None:
    job = make_job(parallelism=1, completions=1)
    orphan = make(PODS, "orphan", labels=UID, status={"phase": "Running"})
    steps = decided(job, orphan)
    adoption = next(step for step in of(steps, Patch) if step.kind is PODS)
    assert adoption.body["metadata"]["finalizers"] == [FINALIZER]
    assert not of(steps, Create)


def test_the_decision_is_guarded_by_the_jobs_revision() -> None:
    job = make_job(completions=1)
    view = world(make_job({"active": 7}, completions=1))
    with pytest.raises(Conflict):
        run(decide(job, view, NOW), view)


class TestStrays:
    """Pods with the finalizer that no Job will count."""

    def test_of_a_job_that_is_gone(self) -> None:
        job = make_job()
        other = make_job(name="other", uid="uid-other")
        pods = [make_job_pod(job, "a"), make_job_pod(job, "b", tracked=False), make_job_pod(other, "c")]
        view = view_of({JOBS: [other], PODS: pods})
        assert freed(run(gone(KEY, view, NOW), view)) == ["a"]
        assert not run(gone(KEY, view, NOW), view)

    def test_of_a_namesake(self) -> None:
        stray = make_job_pod(make_job(uid="uid-before"), "a")
        assert "a" in freed(decided(make_job(suspend=True), stray))

    def test_of_a_job_that_is_over(self) -> None:
        job = make_job(OVER)
        assert freed(decided(job, make_job_pod(job, "a"))) == ["a"]

    def test_not_of_a_job_that_is_managed_elsewhere(self) -> None:
        job = make_job(OVER, managedBy="example.com/queue")
        assert not decided(job, make_job_pod(job, "a"))

    def test_nobodys(self) -> None:
        pod = make(PODS, "left", finalizers=[FINALIZER])
        view = view_of({JOBS: [], PODS: [pod]})
        assert list(strays.own_key(pod, view)) == [pod.key]
        assert freed(run(gone(pod.key, view, NOW), view)) == ["left"]

    def test_not_anothers(self) -> None:
        job = make_job()
        owner = owned_by(job, JOBS) | {"kind": "Queue", "apiVersion": "example.com/v1"}
        pod = make(PODS, "work", owner=owner, finalizers=[FINALIZER])
        view = view_of({JOBS: [], PODS: [pod]})
        assert not list(strays.own_key(pod, view))
        assert not run(gone(KEY, view, NOW), view)

    def test_one_that_is_gone_already_is_no_failure(self) -> None:
        view = view_of({JOBS: [], PODS: [make_job_pod(make_job(), "a")]})
        run(gone(KEY, view, NOW), view, _hold(NotFound(404, "NotFound", "gone")))


def test_failed_indexes_and_completed_ones_are_told() -> None:
    job = make_job(completions=4, parallelism=4, backoffLimitPerIndex=0, **INDEXED)
    pods = [make_job_pod(job, f"p{index}", "Failed" if index % 2 else "Succeeded", index=index) for index in range(4)]
    first, last = status_writes(decided(job, *pods))
    assert (first["completedIndexes"], first["failedIndexes"], first["succeeded"]) == ("0,2", "1,3", 2)
    assert last["failed"] == 2
    assert [each["reason"] for each in last["conditions"]] == ["FailedIndexes", "FailedIndexes"]


def _hold(error: Exception) -> Callable[[Step], None]:
    """Meets every finalizer that is to go."""

    def answer(step: Step) -> None:
        if isinstance(step, Patch) and step.kind is PODS:
            raise error

    return answer
