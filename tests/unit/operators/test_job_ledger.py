"""Which Pods are noted, let go and counted, and what becomes of the status."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW
from tests.unit.operators.jobs import INDEXED, make_job, make_job_pod
from understudy.kinds.batch import Job, JobStatus, UncountedTerminatedPods
from understudy.kinds.core import Pod
from understudy.kinds.meta import Condition
from understudy.operators.job import ledger
from understudy.operators.job.census import Census
from understudy.operators.job.facts import FAILURES
from understudy.operators.job.verdict import COMPLETED, Verdict

FAILURE = Verdict(False, "BackoffLimitExceeded", "too often")


def notes(job: Job, *pods: Pod, verdict: Verdict | None = None) -> ledger.Notes:
    return ledger.take_notes(Census.of(job, list(pods), NOW), verdict)


def names(found: ledger.Notes) -> list[str]:
    return [pod.name for pod in found.release]


def five(job: Job) -> list[Pod]:
    return [
        make_job_pod(job, "running"),
        make_job_pod(job, "good", "Succeeded"),
        make_job_pod(job, "bad", "Failed"),
        make_job_pod(job, "going", deleting=True),
        make_job_pod(job, "done", "Succeeded", tracked=False),
    ]


def test_pods_that_ended_are_noted_and_may_go() -> None:
    job = make_job()
    found = notes(job, *five(job))
    assert (found.succeeded, found.failed) == (["uid-good"], ["uid-bad", "uid-going"])
    assert names(found) == ["good", "bad", "going"]


def test_of_a_failed_job_all_others_count_as_failed() -> None:
    job = make_job()
    found = notes(job, *five(job), verdict=FAILURE)
    assert (found.succeeded, found.failed) == (["uid-good"], ["uid-running", "uid-bad", "uid-going"])


def test_of_a_successful_job_they_just_go() -> None:
    job = make_job(podReplacementPolicy="Failed")
    found = notes(job, *five(job), verdict=COMPLETED)
    assert (found.succeeded, found.failed) == (["uid-good"], ["uid-bad"])
    assert names(found) == ["running", "good", "bad", "going"]


def test_of_a_deleted_job_all_go() -> None:
    job = make_job(deleting=True)
    found = notes(job, *five(job))
    assert names(found) == ["running", "good", "bad", "going"]
    assert (found.succeeded, found.failed) == (["uid-good"], ["uid-bad", "uid-going"])


def test_what_is_noted_is_not_noted_again() -> None:
    job = make_job({"uncountedTerminatedPods": {"succeeded": ["uid-good"], "failed": ["uid-turned", "uid-gone"]}})
    found = notes(job, make_job_pod(job, "good", "Succeeded"), make_job_pod(job, "turned", "Succeeded"))
    assert (found.succeeded, found.failed) == (["uid-good"], ["uid-turned"])
    assert names(found) == ["good", "turned"]


def test_ignored_failures_go_without_a_note() -> None:
    rules = [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}]
    job = make_job(podFailurePolicy={"rules": rules})
    found = notes(job, make_job_pod(job, "a", "Failed", code=7), make_job_pod(job, "b", "Failed", code=8))
    assert (found.failed, names(found)) == (["uid-b"], ["a", "b"])


def test_no_more_than_five_hundred_at_a_time() -> None:
    job = make_job(completions=700, backoffLimit=700)
    found = notes(job, *(make_job_pod(job, f"p{number}", "Succeeded") for number in range(600)))
    assert (len(found.succeeded), len(found.release)) == (500, 500)
    job = make_job({"completedIndexes": "0-99"}, completions=700, **INDEXED)
    found = notes(job, *(make_job_pod(job, f"p{number}", "Succeeded", index=number) for number in range(700)))
    assert (found.indexes, len(found.release)) == (500, 600)


def test_a_failed_pod_stays_until_its_index_goes_on() -> None:
    job = make_job(completions=3, backoffLimitPerIndex=2, **INDEXED)
    old = make_job_pod(job, "old", "Failed", index=1, annotations={FAILURES: "0"})
    last = make_job_pod(job, "last", "Failed", index=1, annotations={FAILURES: "1"})
    assert names(notes(job, old, last)) == ["old"]
    assert names(notes(job, old, last, make_job_pod(job, "next", index=1))) == ["old", "last"]
    spent = make_job_pod(job, "spent", "Failed", index=1, annotations={FAILURES: "2"})
    assert names(notes(job, spent)) == ["spent"]


def test_pods_of_indexes_the_job_no_longer_has_do_not_count() -> None:
    job = make_job(completions=1, **INDEXED)
    found = notes(job, make_job_pod(job, "a", "Failed", index=1), make_job_pod(job, "b", "Failed"))
    assert (found.failed, names(found)) == ([], ["b", "a"])


class TestStatus:
    """What is written."""

    def test_before_the_finalizers_go(self) -> None:
        job = make_job({"uncountedTerminatedPods": {"succeeded": ["uid-gone"]}, "succeeded": 1}, completions=9)
        pods = five(job)
        census = Census.of(job, pods, NOW)
        status = ledger.noted(census, ledger.take_notes(census, None), pods[:1], 1)
        assert (status.active, status.ready, status.terminating) == (1, 0, 1)
        assert status.succeeded == 2  # the one that was noted has gone
        assert status.uncountedTerminatedPods == UncountedTerminatedPods(["uid-good"], ["uid-bad", "uid-going"])
        assert status.startTime == "2026-01-02T12:00:00Z"

    def test_of_indexes(self) -> None:
        job = make_job(
            {"completedIndexes": "0,5", "failedIndexes": ""}, completions=4, backoffLimitPerIndex=0, **INDEXED
        )
        pods = [make_job_pod(job, "a", "Succeeded", index=1), make_job_pod(job, "b", "Failed", index=3)]
        census = Census.of(job, pods, NOW)
        status = ledger.noted(census, ledger.take_notes(census, None), [], 0)
        assert (status.completedIndexes, status.failedIndexes, status.succeeded) == ("0,1", "3", 2)

    def test_a_suspended_job_has_no_start(self) -> None:
        census = Census.of(make_job(suspend=True), [], NOW)
        assert ledger.noted(census, ledger.take_notes(census, None), [], 0).startTime is None

    @given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("ghijkl")), st.sets(st.sampled_from("abcghiz")))
    def test_counting_loses_nothing(self, good: set[str], bad: set[str], held: set[str]) -> None:
        succeeded, failed = sorted(good), sorted(bad)
        status = JobStatus(succeeded=3, failed=4, uncountedTerminatedPods=UncountedTerminatedPods(succeeded, failed))
        after = ledger.counted(status, held, indexed=False)
        left = after.uncountedTerminatedPods
        assert left is not None
        assert after.succeeded + len(left.succeeded) == 3 + len(succeeded)
        assert after.failed + len(left.failed) == 4 + len(failed)
        assert {*left.succeeded, *left.failed} == held & (good | bad)
        assert ledger.counted(status, held, indexed=True).succeeded == 3

    def test_suspension_is_told_once_it_is_true(self) -> None:
        fresh = ledger.suspended(make_job(), JobStatus(startTime="then"), NOW)
        assert (fresh.conditions, fresh.startTime) == ([], "then")
        asleep = ledger.suspended(make_job(suspend=True), JobStatus(startTime="then"), NOW)
        assert [(each.type, each.status, each.reason) for each in asleep.conditions] == [
            ("Suspended", "True", "JobSuspended")
        ]
        awake = ledger.suspended(make_job(), asleep, NOW)
        assert [(each.status, each.message) for each in awake.conditions] == [("False", "Job resumed")]
        assert awake.startTime == "2026-01-02T12:00:00Z"
        assert ledger.suspended(make_job(), awake, NOW) == awake

    @pytest.mark.parametrize("verdict", [COMPLETED, FAILURE])
    def test_the_end(self, verdict: Verdict) -> None:
        own = Condition(type="Own", status="True")
        status = ledger.announced(JobStatus(conditions=[own]), verdict, NOW)
        assert ledger.announced(status, verdict, NOW) == status
        over = ledger.ended(status, verdict, NOW)
        assert [each.type for each in over.conditions] == ["Own", verdict.interim, verdict.final]
        assert over.completionTime == ("2026-01-02T12:00:00Z" if verdict.succeeds else None)

    def test_what_ended_has_begun(self) -> None:
        """It was suspended before its start could be told."""
        for status in (JobStatus(succeeded=1), JobStatus(failed=1)):
            assert ledger.ended(status, COMPLETED, NOW).startTime == "2026-01-02T12:00:00Z"
        assert ledger.ended(JobStatus(startTime="then", succeeded=1), COMPLETED, NOW).startTime == "then"
        assert ledger.ended(JobStatus(), COMPLETED, NOW).startTime is None  # suspended, with nothing to do


@pytest.mark.parametrize(
    ("change", "patch"),
    [
        ({}, {}),
        ({"active": 2, "ready": 0}, {"active": 2, "ready": 0}),
        ({"conditions": [Condition(type="A", status="True")]}, {"conditions": [{"type": "A", "status": "True"}]}),
    ],
)
def test_only_what_changed_is_sent(change: dict[str, Any], patch: dict[str, Any]) -> None:
    new = JobStatus(startTime="then", **change)
    assert ledger.difference(JobStatus(startTime="then"), new) == patch
