"""Jobs over an API server in virtual time: what users see of runs, failures, policies, suspension and deletion."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from tests.scenarios.job_weather import FINALIZER, INDEX, NAME, a_job, has
from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY, Controller
from understudy.operators import garbage, job, ttlafterfinished  # noqa: F401 - registers them
from understudy.testing.kubelet import Delay, Kubelet

pytestmark = VIRTUAL_TIME

JOB, TTL = REGISTRY["job-controller"], REGISTRY["ttl-after-finished-controller"]
COLLECTOR = REGISTRY["garbage-collector-controller"]
Json = dict[str, Any]


def _never(_: Json) -> None:
    """When the stage's own kubelet does something: there is another."""


@asynccontextmanager
async def running(
    *controllers: Controller,
    takes: Delay | None = 2.0,
    stops: float = 1.0,
    code: Callable[[Json], int] = lambda _: 0,
    **spec: Any,
) -> AsyncIterator[Stage]:
    """The Job controller and a Job of that spec, whose Pods end `takes` seconds after they began, with that code."""
    async with stage(JOB, *controllers, ready_after=_never, stop_after=_never) as play:
        with Kubelet(play.api, ready_after=0.5, stop_after=stops, complete_after=takes, exit_code=code):
            play.api.apply(a_job(**spec))
            yield play


def the_job(play: Stage) -> Json:
    found = play.api.get("jobs.batch", NAME)
    assert found is not None
    return found


def counts(play: Stage) -> tuple[int, ...]:
    """Active, ready, terminating, succeeded, failed."""
    status = play.status("jobs.batch", NAME)
    return tuple(status.get(each, 0) for each in ("active", "ready", "terminating", "succeeded", "failed"))


def why(play: Stage, condition: str) -> tuple[str, str]:
    """Reason and message of a condition that must be there."""
    found = [each for each in play.status("jobs.batch", NAME)["conditions"] if each["type"] == condition]
    assert [each["status"] for each in found] == ["True"]
    return found[0]["reason"], found[0]["message"]


def active(play: Stage) -> list[Json]:
    return [each for each in play.api.objects("pods") if each["status"]["phase"] in ("Pending", "Running")]


def index_of(pod: Json) -> int:
    return int(pod["metadata"]["annotations"][INDEX])


def held(play: Stage) -> list[Json]:
    return [each for each in play.api.objects("pods") if FINALIZER in each["metadata"].get("finalizers", ())]


async def test_pods_run_until_enough_have_succeeded() -> None:
    async with running(completions=5, parallelism=2) as play:
        await play.on(2)
        assert counts(play) == (2, 2, 0, 0, 0)
        await play.on(20)
        assert counts(play) == (0, 0, 0, 5, 0)
        assert why(play, "Complete") == ("CompletionsReached", "Reached expected number of succeeded pods")
        assert why(play, "SuccessCriteriaMet") == why(play, "Complete")
        assert play.status("jobs.batch", NAME)["uncountedTerminatedPods"] == {}
        assert Counter(reason for reason, _ in play.events()) == {"SuccessfulCreate": 5, "Completed": 1}
        assert held(play) == []


async def test_a_finished_job_costs_nothing() -> None:
    async with running(completions=2) as play:
        await play.on(20)
        revision = play.api.revision
        await play.on(7200)
        assert play.api.revision == revision


async def test_a_work_queue_is_over_when_one_succeeded_and_none_runs() -> None:
    def takes(pod: Json) -> int:
        return 1 if pod["metadata"]["name"] != first[0] else 0

    first: list[str] = [""]
    async with running(parallelism=3, code=takes) as play:
        await play.on(1)
        first[0] = active(play)[0]["metadata"]["name"]
        await play.on(20)
        assert counts(play) == (0, 0, 0, 1, 2)
        assert has(the_job(play), "Complete")


async def test_failures_are_tried_again_after_ten_twenty_forty_seconds() -> None:
    async with running(backoffLimit=3, code=lambda _: 1, takes=0.0) as play:
        ends: list[int] = []
        for second in range(120):
            if len(play.api.objects("pods")) > len(ends):
                ends.append(second)
            await play.on(1)
        gaps = [after - before for before, after in pairwise(ends)]
        assert [round(gap, -1) for gap in gaps] == [10, 20, 40]
        assert counts(play) == (0, 0, 0, 0, 4)
        assert why(play, "Failed") == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        assert ("BackoffLimitExceeded", "Job has reached the specified backoff limit") in play.events()


async def test_a_deleted_pod_is_a_failure_and_replaced_after_a_pause() -> None:
    async with running(takes=None) as play:
        await play.on(2)
        play.api.delete("pods", active(play)[0]["metadata"]["name"])
        await play.on(5)
        assert counts(play) == (0, 0, 0, 0, 1)
        await play.on(10)
        assert counts(play) == (1, 1, 0, 0, 1)


async def test_every_index_gets_a_pod_of_its_own() -> None:
    async with running(completions=4, parallelism=4, completionMode="Indexed") as play:
        await play.on(1)
        pods = sorted(play.api.objects("pods"), key=index_of)
        for index, pod in enumerate(pods):
            assert index_of(pod) == index
            assert pod["metadata"]["labels"][INDEX] == str(index)
            assert pod["spec"]["hostname"] == f"{NAME}-{index}"
            assert pod["metadata"]["name"].startswith(f"{NAME}-{index}-")
            assert [each["name"] for each in pod["spec"]["containers"][0]["env"]] == ["JOB_COMPLETION_INDEX"]
        await play.on(20)
        assert play.status("jobs.batch", NAME)["completedIndexes"] == "0-3"
        assert has(the_job(play), "Complete")


async def test_an_index_fails_alone() -> None:
    spec: Json = {"completions": 4, "parallelism": 4, "completionMode": "Indexed", "backoffLimitPerIndex": 1}
    async with running(code=lambda pod: index_of(pod) % 2, **spec) as play:
        await play.on(60)
        status = play.status("jobs.batch", NAME)
        assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1,3")
        assert counts(play) == (0, 0, 0, 2, 4)
        assert why(play, "Failed") == ("FailedIndexes", "Job has failed indexes")
        failures = Counter(
            each["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"]
            for each in play.api.objects("pods")
        )
        assert failures == {"0": 4, "1": 2}


async def test_too_many_failed_indexes_end_the_job() -> None:
    spec: Json = {"completions": 6, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0}
    async with running(code=lambda _: 1, maxFailedIndexes=1, **spec) as play:
        await play.on(60)
        reason, message = why(play, "Failed")
        assert reason == "MaxFailedIndexesExceeded"
        assert message == "Job has exceeded the specified maximal number of failed indexes"
        assert play.status("jobs.batch", NAME)["failedIndexes"] == "0,1"


async def test_an_exit_code_fails_the_job_at_once() -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    async with running(code=lambda _: 42, parallelism=2, completions=2, podFailurePolicy={"rules": [rule]}) as play:
        await play.on(30)
        reason, message = why(play, "FailureTarget")
        names = [each["metadata"]["name"] for each in play.api.objects("pods")]
        said = "Container c for pod default/{} failed with exit code 42 matching FailJob rule at index 0"
        assert reason == "PodFailurePolicy"
        assert message in [said.format(name) for name in names]
        assert why(play, "Failed") == (reason, message)
        assert len(names) == 2


async def test_ignored_failures_do_not_count() -> None:
    rule = {"action": "Ignore", "onExitCodes": {"operator": "NotIn", "values": [1]}}
    codes = iter([7, 7, 7, 0])
    async with running(code=lambda _: next(codes), backoffLimit=0, podFailurePolicy={"rules": [rule]}) as play:
        await play.on(200)
        assert counts(play) == (0, 0, 0, 1, 0)
        assert has(the_job(play), "Complete")


async def test_the_success_policy_ends_a_job_early() -> None:
    rules = [{"succeededIndexes": "0", "succeededCount": 1}]
    spec: Json = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "successPolicy": {"rules": rules}}
    async with running(takes=lambda pod: None if index_of(pod) else 1.0, stops=4.0, **spec) as play:
        await play.on(3)
        assert why(play, "SuccessCriteriaMet") == ("SuccessPolicy", "Matched rules at index 0")
        assert not has(the_job(play), "Complete")  # two are still stopping
        assert counts(play) == (0, 0, 2, 1, 0)
        await play.on(10)
        assert why(play, "Complete") == ("SuccessPolicy", "Matched rules at index 0")
        assert counts(play) == (0, 0, 0, 1, 0)


async def test_a_job_is_suspended_and_resumed() -> None:
    async with running(takes=None, completions=2, parallelism=2, activeDeadlineSeconds=30) as play:
        await play.on(10)
        play.patch("jobs.batch", NAME, {"spec": {"suspend": True}})
        await play.on(100)
        assert (counts(play), play.api.objects("pods")) == ((0, 0, 0, 0, 0), [])
        assert why(play, "Suspended") == ("JobSuspended", "Job suspended")
        before = play.status("jobs.batch", NAME)["startTime"]
        play.patch("jobs.batch", NAME, {"spec": {"suspend": False}})
        await play.on(10)
        assert counts(play) == (2, 2, 0, 0, 0)
        assert play.status("jobs.batch", NAME)["startTime"] > before
        assert {("Suspended", "Job suspended"), ("Resumed", "Job resumed")} < set(play.events())
        await play.on(30)
        assert why(play, "Failed") == ("DeadlineExceeded", "Job was active longer than specified deadline")


async def test_an_indexed_job_shrinks_and_grows() -> None:
    async with running(takes=None, completions=5, parallelism=5, completionMode="Indexed") as play:
        await play.on(5)
        play.patch("jobs.batch", NAME, {"spec": {"completions": 2, "parallelism": 2}})
        await play.on(5)
        assert sorted(map(index_of, active(play))) == [0, 1]
        play.patch("jobs.batch", NAME, {"spec": {"completions": 3, "parallelism": 3}})
        await play.on(5)
        assert sorted(map(index_of, active(play))) == [0, 1, 2]
        assert counts(play) == (3, 3, 0, 0, 0)


async def test_only_what_has_stopped_is_replaced() -> None:
    async with running(takes=None, stops=20.0, podReplacementPolicy="Failed") as play:
        await play.on(5)
        play.api.delete("pods", active(play)[0]["metadata"]["name"])
        await play.on(5)
        assert counts(play) == (0, 0, 1, 0, 0)
        await play.on(40)
        assert counts(play) == (1, 1, 0, 0, 1)


async def test_another_controllers_job_is_left_alone() -> None:
    async with running(managedBy="example.com/queue") as play:
        await play.on(20)
        assert play.status("jobs.batch", NAME) == {}
        assert play.api.objects("pods") == []


async def test_orphans_are_adopted_and_strangers_released() -> None:
    async with running(takes=None, parallelism=2) as play:
        await play.on(5)
        first, second = (each["metadata"]["name"] for each in active(play))
        play.patch("pods", first, {"metadata": {"ownerReferences": None}})
        await play.on(5)
        adopted = play.api.get("pods", first)
        assert adopted is not None
        assert [each["name"] for each in adopted["metadata"]["ownerReferences"]] == [NAME]
        assert adopted["metadata"]["finalizers"] == [FINALIZER]
        play.patch("pods", second, {"metadata": {"labels": None}})
        await play.on(5)
        released = play.api.get("pods", second)
        assert released is not None
        assert not released["metadata"].get("ownerReferences")
        assert not released["metadata"].get("finalizers")
        assert counts(play)[0] == 2


async def test_with_its_job_every_pod_goes() -> None:
    for propagation in ("Background", "Foreground"):
        async with running(COLLECTOR, takes=None, parallelism=3) as play:
            await play.on(5)
            play.api.delete("jobs.batch", NAME, propagationPolicy=propagation)
            await play.on(30)
            assert play.api.get("jobs.batch", NAME) is None
            assert play.api.objects("pods") == [], propagation


async def test_orphaned_pods_are_not_held() -> None:
    async with running(COLLECTOR, takes=None, parallelism=3) as play:
        await play.on(5)
        play.api.delete("jobs.batch", NAME, propagationPolicy="Orphan")
        await play.on(30)
        assert len(active(play)) == 3
        assert held(play) == []


async def test_pods_orphaned_while_nobody_looked_are_not_held() -> None:
    async with stage() as before:
        pod = {"name": "left", "finalizers": [FINALIZER]}
        before.api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": {"containers": [{"name": "c"}]}})
        async with stage(JOB, api=before.api) as play:
            await play.on(5)
            assert held(play) == []


async def test_a_finished_job_goes_when_its_time_is_over() -> None:
    async with running(TTL, COLLECTOR, ttlSecondsAfterFinished=60) as play:
        await play.on(50)
        assert has(the_job(play), "Complete")
        await play.on(30)
        assert play.api.get("jobs.batch", NAME) is None
        assert play.api.objects("pods") == []
