"""The pauses after failures: how long, since when, and what makes them end."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, stores
from tests.unit.operators.jobs import INDEXED, make_job, make_job_pod, world
from understudy.kinds.batch import JOBS, Job
from understudy.kinds.core import PODS, Container, ContainerState, ContainerStatus, Pod, TerminatedState
from understudy.operators.job.backoff import failures_told, index_pause, job_pause, pause
from understudy.operators.job.census import Census
from understudy.operators.job.facts import FAILURES, IGNORED_FAILURES, finished_at
from understudy.state.view import View
from understudy.values import timestamp


def ago(seconds: float) -> str:
    return timestamp.format(NOW - timedelta(seconds=seconds))


def wait(job: Job, *pods: Pod, view: View | None = None) -> float:
    return job_pause(Census.of(job, list(pods), NOW), view or world(job, pods))


def failed(job: Job, name: str, seconds: float, **more: Any) -> Pod:
    return make_job_pod(job, name, "Failed", ended=ago(seconds), code=1, **more)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (8, 600), (10**9, 600)]
)
def test_they_double_up_to_ten_minutes(failures: int, seconds: float) -> None:
    assert pause(failures, NOW, NOW) == seconds
    assert pause(failures, NOW - timedelta(seconds=4), NOW) == max(0, seconds - 4)
    assert pause(failures, NOW - timedelta(seconds=601), NOW) == 0


def test_failures_in_a_row_count_from_the_last_one() -> None:
    job = make_job()
    assert wait(job) == 0
    assert wait(job, failed(job, "a", 3)) == 7
    assert wait(job, failed(job, "a", 30), failed(job, "b", 3)) == 17


def test_counted_failures_are_remembered_as_long_as_their_pods_are_there() -> None:
    job = make_job({"failed": 1})
    assert wait(job, failed(job, "a", 30, tracked=False), failed(job, "b", 3)) == 17


def test_a_success_ends_the_row() -> None:
    job = make_job({"failed": 2})
    good = make_job_pod(job, "good", "Succeeded", ended=ago(20), tracked=False)
    assert wait(job, failed(job, "a", 30, tracked=False), failed(job, "b", 25, tracked=False), good) == 0
    assert wait(job, failed(job, "a", 30, tracked=False), failed(job, "b", 5, tracked=False), good) == 5


def test_pods_that_were_too_many_are_no_failures() -> None:
    job = make_job()
    assert wait(job, make_job_pod(job, "dismissed", deleting=True, tracked=False)) == 0
    assert wait(job, make_job_pod(job, "taken", deleting=True)) == 10


def test_of_a_failed_pod_that_is_gone_one_knows_when_it_was_counted() -> None:
    job = make_job({"failed": 1})
    times = {"counted": NOW - timedelta(seconds=4)}
    view = View(stores({JOBS: [job], PODS: []}, clock=lambda: times["counted"]))
    assert wait(job, view=view) == 6
    assert wait(make_job(), view=view) == 0  # nothing failed, so it is another change that was seen
    good = make_job_pod(job, "good", "Succeeded", ended=ago(1), tracked=False)
    assert wait(job, good, view=view) == 0


def test_what_is_noted_is_told_as_well() -> None:
    assert failures_told(make_job({"failed": 2, "uncountedTerminatedPods": {"failed": ["a", "b"]}})) == 4


def test_an_index_waits_for_its_own_failures() -> None:
    job = make_job(completions=3, backoffLimitPerIndex=5, **INDEXED)
    last = make_job_pod(job, "a", "Failed", index=1, ended=ago(5), annotations={FAILURES: "1", IGNORED_FAILURES: "1"})
    assert index_pause(last, NOW) == 35
    assert index_pause(None, NOW) == 0


class TestWhenAPodEnded:
    """By the best witness there is."""

    def test_its_containers(self) -> None:
        job = make_job()
        pod = failed(job, "a", 50)
        pod.status.containerStatuses.append(_ended("d", ago(30)))
        assert finished_at(pod) == _time(30)

    def test_its_sidecars_too(self) -> None:
        job = make_job()
        pod = failed(job, "a", 50)
        pod.spec.initContainers = [Container(name="side", restartPolicy="Always"), Container(name="init")]
        pod.status.initContainerStatuses = [_ended("init", ago(60)), _ended("side", ago(20))]
        assert finished_at(pod) == _time(20)

    def test_its_condition_if_a_container_never_ended(self) -> None:
        job = make_job()
        pod = make_job_pod(job, "a", "Failed", deleting=True)
        pod.status.conditions[0].lastTransitionTime = ago(40)
        assert finished_at(pod) == _time(40)

    def test_its_deletion(self) -> None:
        pod = make_job_pod(make_job(), "a", deleting=True)
        pod.metadata.deletionGracePeriodSeconds = 30
        assert finished_at(pod) == _time(30)

    def test_its_creation_if_nothing_else_is_known(self) -> None:
        assert finished_at(make_job_pod(make_job(), "a", "Failed", created=ago(70))) == _time(70)


def _time(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def _ended(name: str, moment: str) -> ContainerStatus:
    return ContainerStatus(name=name, state=ContainerState(terminated=TerminatedState(finishedAt=moment)))
