"""Why a Job ends: each reason, and which comes first if several hold."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW
from tests.unit.operators.jobs import INDEXED, make_job, make_job_pod
from understudy.kinds.batch import Job
from understudy.kinds.core import Pod
from understudy.operators.job.census import Census
from understudy.operators.job.facts import FAILURES
from understudy.operators.job.verdict import Verdict, is_complete, judge, until_deadline
from understudy.values import timestamp

LIMIT = Verdict(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = Verdict(False, "DeadlineExceeded", "Job was active longer than specified deadline")
FAIL = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
BY_POLICY = "Container c for pod default/a failed with exit code 42 matching FailJob rule at index 0"


def judged(job: Job, *pods: Pod) -> Verdict | None:
    return judge(Census.of(job, list(pods), NOW))


def started(seconds: float, **status: Any) -> dict[str, Any]:
    return {"startTime": timestamp.format(NOW - timedelta(seconds=seconds)), **status}


def told(type_: str, reason: str = "Because", status: str = "True") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": "so"}


def test_a_job_in_order_goes_on() -> None:
    job = make_job(started(5))
    assert judged(job, make_job_pod(job, "a")) is None


@pytest.mark.parametrize(("limit", "ends"), [(3, False), (2, True)])
def test_all_failures_count_against_the_limit(limit: int, ends: bool) -> None:
    job = make_job({"failed": 1, "uncountedTerminatedPods": {"failed": ["uid-noted"]}}, backoffLimit=limit)
    pods = [make_job_pod(job, "noted", "Failed"), make_job_pod(job, "new", "Failed"), make_job_pod(job, "a")]
    counted = make_job_pod(job, "counted", "Failed", tracked=False)
    assert judged(job, *pods, counted) == (LIMIT if ends else None)


@pytest.mark.parametrize(
    ("phase", "deleting", "policy", "fails"),
    [
        ("Running", True, "TerminatingOrFailed", True),
        ("Running", True, "Failed", False),
        ("Succeeded", True, "TerminatingOrFailed", False),
        ("Failed", True, "Failed", True),
    ],
)
def test_when_a_deleted_pod_is_a_failure(phase: str, deleting: bool, policy: str, fails: bool) -> None:
    job = make_job(backoffLimit=0, podReplacementPolicy=policy)
    assert (judged(job, make_job_pod(job, "a", phase, deleting=deleting)) == LIMIT) == fails


@pytest.mark.parametrize(("limit", "restarts", "ends"), [(0, 0, False), (0, 1, True), (3, 2, False), (3, 3, True)])
def test_restarts_in_place_count_where_pods_restart_in_place(limit: int, restarts: int, ends: bool) -> None:
    for restart in ("OnFailure", "Never"):
        job = make_job(restart=restart, backoffLimit=limit)
        pod = make_job_pod(job, "a")
        pod.status.containerStatuses[0].restartCount = restarts
        assert (judged(job, pod) == LIMIT) == (ends and restart == "OnFailure")


@pytest.mark.parametrize(("seconds", "verdict"), [(29, None), (30, DEADLINE)])
def test_the_deadline(seconds: float, verdict: Verdict | None) -> None:
    job = make_job(started(seconds), activeDeadlineSeconds=30)
    assert judged(job) == verdict
    assert until_deadline(job, NOW) == 30 - seconds


def test_a_suspended_job_has_no_deadline_and_a_resumed_one_the_whole_of_it() -> None:
    suspended = started(99, conditions=[told("Suspended")])
    assert until_deadline(make_job(suspended, activeDeadlineSeconds=30, suspend=True), NOW) is None
    assert until_deadline(make_job(suspended, activeDeadlineSeconds=30), NOW) == 30


def test_too_many_failed_indexes() -> None:
    job = make_job(completions=9, backoffLimitPerIndex=1, maxFailedIndexes=1, **INDEXED)
    pods = [make_job_pod(job, f"p{index}", "Failed", index=index, annotations={FAILURES: "1"}) for index in range(2)]
    assert judged(job, *pods[:1]) is None
    message = "Job has exceeded the specified maximal number of failed indexes"
    assert judged(job, *pods) == Verdict(False, "MaxFailedIndexesExceeded", message)


def test_nothing_is_left_but_failed_indexes() -> None:
    job = make_job({"completedIndexes": "0", "failedIndexes": "1"}, completions=3, backoffLimitPerIndex=0, **INDEXED)
    assert judged(job) is None
    verdict = judged(job, make_job_pod(job, "a", "Succeeded", index=2))
    assert verdict == Verdict(False, "FailedIndexes", "Job has failed indexes")


def test_the_success_policy() -> None:
    job = make_job(completions=3, successPolicy={"rules": [{"succeededIndexes": "1"}]}, **INDEXED)
    verdict = judged(job, make_job_pod(job, "a", "Succeeded", index=1))
    assert verdict == Verdict(True, "SuccessPolicy", "Matched rules at index 0")


class TestOrder:
    """What is said first stays said, and the most telling reason is given."""

    def test_what_was_announced(self) -> None:
        job = make_job({"conditions": [told("FailureTarget")], "failed": 9})
        assert judged(job) == Verdict(False, "Because", "so")
        job = make_job({"conditions": [told("FailureTarget"), told("SuccessCriteriaMet", "Enough")], "failed": 9})
        assert judged(job) == Verdict(True, "Enough", "so")
        assert judged(make_job({"conditions": [told("FailureTarget", status="False")]})) is None

    def test_the_policy_before_the_limit_before_the_deadline(self) -> None:
        spec: dict[str, Any] = {"activeDeadlineSeconds": 1, "backoffLimit": 0}
        job = make_job(started(9), podFailurePolicy=FAIL, **spec)
        failed = make_job_pod(job, "a", "Failed", code=42)
        assert judged(job, failed) == Verdict(False, "PodFailurePolicy", BY_POLICY)
        job = make_job(started(9), **spec)
        assert judged(job, failed) == LIMIT
        assert judged(job) == DEADLINE

    def test_a_failure_before_a_success(self) -> None:
        job = make_job(
            completions=2,
            backoffLimitPerIndex=0,
            successPolicy={"rules": [{"succeededCount": 1}]},
            **INDEXED,
        )
        pods = [make_job_pod(job, "a", "Succeeded", index=0), make_job_pod(job, "b", "Failed", index=1)]
        verdict = judged(job, *pods)
        assert verdict is not None
        assert verdict.reason == "FailedIndexes"


@pytest.mark.parametrize(
    ("completions", "succeeded", "active", "complete"),
    [(None, 0, 0, False), (None, 1, 1, False), (None, 1, 0, True), (2, 1, 0, False), (2, 2, 1, False), (2, 3, 0, True)],
)
def test_completions(completions: int | None, succeeded: int, active: int, complete: bool) -> None:
    census = Census.of(make_job({"succeeded": succeeded}, completions=completions), [], NOW)
    assert is_complete(census, active) == complete
