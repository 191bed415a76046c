"""How many Pods, which, and what they are made of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, events, of, run, writes
from tests.unit.operators.jobs import INDEXED, make_job, make_job_pod, world
from understudy.errors import Forbidden
from understudy.kinds.batch import Job
from understudy.kinds.core import Pod
from understudy.operators.job import bodies
from understudy.operators.job.census import Census
from understudy.operators.job.facts import FAILURES, FINALIZER, IGNORED_FAILURES, INDEX, index_of
from understudy.operators.job.scaling import BURST, scale, stop
from understudy.operators.job.surplus import victims
from understudy.plan.steps import Create, Delete, Patch, Requeue, Step
from understudy.values import timestamp


def scaled(job: Job, *pods: Pod, answer: Any = None) -> list[Step]:
    return run(scale(Census.of(job, list(pods), NOW), view := world(job, pods)), view, answer)


def running(job: Job, count: int, **more: Any) -> list[Pod]:
    return [make_job_pod(job, f"pod-{number}", **more) for number in range(count)]


def numbers(steps: Sequence[Step]) -> list[int]:
    return [int(create.body["metadata"]["annotations"][INDEX]) for create in of(steps, Create)]


class TestNumber:
    """Never more than parallelism, never more than completions that are missing."""

    @given(
        allowed=st.integers(0, 6),
        completions=st.one_of(st.none(), st.integers(0, 6)),
        active=st.integers(0, 6),
        succeeded=st.integers(0, 6),
    )
    def test_it_is_what_is_allowed(self, allowed: int, completions: int | None, active: int, succeeded: int) -> None:
        job = make_job({"succeeded": succeeded}, parallelism=allowed, completions=completions)
        steps = scaled(job, *running(job, active))
        left = active + len(of(steps, Create)) - len(of(steps, Delete))
        if completions is None:
            assert left == (active if succeeded else allowed)
        else:
            assert left == max(0, min(allowed, completions - succeeded))
        assert not of(steps, Create) or not of(steps, Delete)

    def test_five_hundred_at_a_time(self) -> None:
        job = make_job(parallelism=2 * BURST, completions=3 * BURST)
        assert len(of(scaled(job), Create)) == BURST

    def test_a_suspended_job_has_none(self) -> None:
        job = make_job(parallelism=3, completions=3, suspend=True)
        assert len(of(scaled(job, *running(job, 3)), Delete)) == 3

    def test_those_that_stop_keep_their_places_if_only_failed_ones_are_replaced(self) -> None:
        job = make_job(parallelism=3, completions=3, podReplacementPolicy="Failed")
        going = make_job_pod(job, "going", deleting=True)
        assert len(of(scaled(job, *running(job, 1), going), Create)) == 1

    def test_after_a_failure_it_waits(self) -> None:
        job = make_job(parallelism=1, completions=1)
        lost = make_job_pod(job, "lost", "Failed", code=1, ended=timestamp.format(NOW - timedelta(seconds=3)))
        steps = scaled(job, lost)
        assert [step.after for step in of(steps, Requeue)] == [7]
        assert not of(steps, Create)


class TestIndexes:
    """The first ones nobody works on."""

    def test_done_failed_and_active_ones_are_passed_over(self) -> None:
        status = {"completedIndexes": "0,3", "failedIndexes": "1"}
        job = make_job(status, completions=8, parallelism=4, backoffLimitPerIndex=0, **INDEXED)
        assert numbers(scaled(job, make_job_pod(job, "a", index=4))) == [2, 5, 6]

    def test_one_that_stops_is_busy_if_only_failed_ones_are_replaced(self) -> None:
        job = make_job(completions=3, parallelism=3, podReplacementPolicy="Failed", **INDEXED)
        assert numbers(scaled(job, make_job_pod(job, "a", index=0, deleting=True))) == [1, 2]

    def test_one_that_failed_waits_while_the_others_go_on(self) -> None:
        job = make_job(completions=3, parallelism=3, backoffLimitPerIndex=2, **INDEXED)
        lost = make_job_pod(job, "lost", "Failed", index=1, code=1, ended=timestamp.format(NOW))
        steps = scaled(job, lost)
        assert numbers(steps) == [0, 2]
        assert [step.after for step in of(steps, Requeue)] == [10]


class TestSurplus:
    """Doubles first, then those that have come least far."""

    def test_strange_and_doubled_indexes_go(self) -> None:
        job = make_job(completions=2, parallelism=2, **INDEXED)
        pods = [
            make_job_pod(job, "none"),
            make_job_pod(job, "high", index=2),
            make_job_pod(job, "pending", "Pending", index=0),
            make_job_pod(job, "good", index=0),
            make_job_pod(job, "other", index=1),
        ]
        assert {pod.name for pod in victims(job, pods, 0)} == {"none", "high", "pending"}

    def test_the_order(self) -> None:
        job = make_job()
        recent, old = timestamp.format(NOW - timedelta(seconds=9)), timestamp.format(NOW - timedelta(seconds=99))
        restarted = make_job_pod(job, "restarted")
        restarted.status.containerStatuses[0].restartCount = 3
        shortly, long = (make_job_pod(job, name, ready=True) for name in ("shortly", "long"))
        shortly.status.conditions[0].lastTransitionTime = recent
        long.status.conditions[0].lastTransitionTime = old
        expected = [
            make_job_pod(job, "untracked", tracked=False),
            make_job_pod(job, "unassigned", "Pending", node=""),
            make_job_pod(job, "pending", "Pending"),
            restarted,
            make_job_pod(job, "young", created=recent),
            make_job_pod(job, "old", created=old),
            shortly,
            long,
        ]
        for count in range(len(expected) + 1):
            found = victims(job, expected[::-1], count)
            assert [pod.name for pod in found] == [pod.name for pod in expected[:count]]

    def test_they_lose_the_finalizer_before_they_are_deleted(self) -> None:
        job = make_job(parallelism=0, completions=1)
        steps = scaled(job, *running(job, 1))
        patch, delete = of(steps, Patch)[0], of(steps, Delete)[0]
        assert patch.body == {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        assert writes(steps) == [patch, delete]
        assert events(steps) == [("Normal", "SuccessfulDelete", "Deleted pod: pod-0")]

    def test_those_that_keep_it_are_not_deleted(self) -> None:
        job = make_job(parallelism=0, completions=1)
        steps = scaled(job, *running(job, 1), answer=_refuse(Patch))
        assert not of(steps, Delete)

    def test_a_refused_deletion_is_told(self) -> None:
        job = make_job()
        pods = running(job, 1)
        view = world(job, pods)
        steps = run(stop(Census.of(job, pods, NOW), view), view, _refuse(Delete))
        assert events(steps) == [("Warning", "FailedDelete", "Error deleting: no")]


class TestBodies:
    """What the Pods are made of."""

    def test_an_ordinary_pod_is_its_template_and_the_finalizer(self) -> None:
        job = make_job()
        job.spec.template["metadata"]["finalizers"] = ["own/finalizer"]
        body = bodies.pod_of(job)
        assert body["metadata"]["finalizers"] == ["own/finalizer", FINALIZER]
        assert body["metadata"]["generateName"] == "work-"
        assert body["spec"] == job.spec.template["spec"]
        assert job.spec.template["metadata"]["finalizers"] == ["own/finalizer"]

    def test_a_numbered_one_knows_its_index(self) -> None:
        job = make_job(completions=3, **INDEXED)
        containers: list[dict[str, Any]] = [
            {"name": "c"},
            {"name": "d", "env": [{"name": bodies.VARIABLE, "value": "own"}]},
        ]
        job.spec.template["spec"] |= {"containers": containers, "initContainers": [{"name": "i"}]}
        body = bodies.numbered(bodies.indexed_pod_of(job), job, 2, None)
        assert body["metadata"]["annotations"] == {INDEX: "2"}
        assert body["metadata"]["labels"][INDEX] == "2"
        assert (body["metadata"]["generateName"], body["spec"]["hostname"]) == ("work-2-", "work-2")
        told = {"name": bodies.VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}}
        assert [each["env"] for each in (*body["spec"]["initContainers"], *body["spec"]["containers"])] == [
            [told],
            [told],
            containers[1]["env"],
        ]
        assert "env" not in job.spec.template["spec"]["containers"][0]

    def test_long_names_keep_the_index(self) -> None:
        job = make_job(name="n" * 70, completions=3, **INDEXED)
        prefix = bodies.numbered(bodies.indexed_pod_of(job), job, 12, None)["metadata"]["generateName"]
        assert prefix == "n" * 54 + "-12-"

    def test_failures_of_an_index_are_handed_on(self) -> None:
        rules = [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}]
        job = make_job(completions=3, backoffLimitPerIndex=2, podFailurePolicy={"rules": rules}, **INDEXED)
        before = {FAILURES: "1", IGNORED_FAILURES: "1"}
        counted = make_job_pod(job, "a", "Failed", index=0, code=1, annotations=before)
        ignored = make_job_pod(job, "b", "Failed", index=0, code=7)
        found = [_annotations(job, replaced) for replaced in (None, counted, ignored)]
        assert found == [
            {FAILURES: "0"},
            {FAILURES: "2", IGNORED_FAILURES: "1"},
            {FAILURES: "0", IGNORED_FAILURES: "1"},
        ]

    def test_the_first_of_many_is_refused(self) -> None:
        job = make_job(parallelism=3, completions=3)
        steps = scaled(job, answer=_refuse(Create))
        assert events(steps) == [("Warning", "FailedCreate", "Error creating: no")]

    def test_in_a_namespace_that_goes_nothing_is_told(self) -> None:
        job = make_job()
        going = Forbidden(403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating"}]})
        assert events(scaled(job, answer=_refuse(Create, going))) == []


def test_the_index_of_a_pod_is_a_number_or_nothing() -> None:
    job = make_job(**INDEXED)
    texts = {"3": 3, "0": 0, "-1": None, "x": None, "": None}
    assert {text: index_of(make_job_pod(job, "a", annotations={INDEX: text})) for text in texts} == texts


def _annotations(job: Job, replaced: Pod | None) -> dict[str, str]:
    metadata = bodies.numbered(bodies.indexed_pod_of(job), job, 0, replaced)["metadata"]
    return {name: value for name, value in metadata["annotations"].items() if name != INDEX}


def _refuse(kind: type[Step], error: Exception | None = None) -> Any:
    def answer(step: Step) -> None:
        if isinstance(step, kind):
            raise error or Forbidden(403, "Forbidden", "no")

    return answer
