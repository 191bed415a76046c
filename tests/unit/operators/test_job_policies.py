"""The podFailurePolicy and the successPolicy, rule by rule, with upstream's words."""

from typing import Any

import pytest

from tests.unit.operators.jobs import INDEXED, make_job, make_job_pod
from understudy.kinds.batch import Job
from understudy.kinds.meta import Condition
from understudy.operators.job import failure, indexes, success

Rule = dict[str, Any]


def codes(action: str, operator: str, *values: int, **more: str) -> Rule:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


def disruption(action: str, status: str = "True") -> Rule:
    return {"action": action, "onPodConditions": [{"type": "DisruptionTarget", "status": status}]}


def with_rules(*rules: Rule) -> Job:
    return make_job(podFailurePolicy={"rules": list(rules)})


@pytest.mark.parametrize(
    ("rule", "code", "action"),
    [
        (codes("Ignore", "In", 1, 2), 2, "Ignore"),
        (codes("Ignore", "In", 1, 2), 3, ""),
        (codes("Count", "NotIn", 1), 2, "Count"),
        (codes("Count", "NotIn", 1), 1, ""),
        (codes("Count", "NotIn", 1), 0, ""),  # what ended well matches nothing
        (codes("FailIndex", "In", 1, containerName="c"), 1, "FailIndex"),
        (codes("FailIndex", "In", 1, containerName="other"), 1, ""),
        (codes("FailJob", "Like", 1), 1, ""),  # an operator of a later version
        (codes("Panic", "In", 1), 1, ""),
    ],
)
def test_exit_codes(rule: Rule, code: int, action: str) -> None:
    job = with_rules(rule)
    judgement = failure.judge(job, make_job_pod(job, "a", "Failed", code=code))
    assert judgement.action == action
    assert judgement.counts == (action != "Ignore")


@pytest.mark.parametrize(("status", "action"), [("True", "Ignore"), ("False", "")])
def test_conditions(status: str, action: str) -> None:
    job = with_rules(disruption("Ignore"))
    pod = make_job_pod(job, "a", "Failed")
    pod.status.conditions = [Condition(type="DisruptionTarget", status=status)]
    assert failure.judge(job, pod).action == action


def test_the_first_rule_that_matches_decides() -> None:
    job = with_rules(codes("Count", "In", 7), codes("Ignore", "In", 7, 8), codes("FailJob", "In", 8))
    assert [failure.judge(job, make_job_pod(job, "a", "Failed", code=code)).action for code in (7, 8)] == [
        "Count",
        "Ignore",
    ]


def test_a_job_that_fails_says_why() -> None:
    job = with_rules(codes("Ignore", "In", 1), codes("FailJob", "In", 42), disruption("FailJob"))
    by_code = failure.judge(job, make_job_pod(job, "a", "Failed", code=42)).message
    assert by_code == "Container c for pod default/a failed with exit code 42 matching FailJob rule at index 1"
    pod = make_job_pod(job, "b", "Failed")
    pod.status.conditions = [Condition(type="DisruptionTarget", status="True")]
    assert (
        failure.judge(job, pod).message
        == "Pod default/b has condition DisruptionTarget matching FailJob rule at index 2"
    )


def test_without_a_policy_every_failure_counts() -> None:
    job = make_job()
    assert failure.judge(job, make_job_pod(job, "a", "Failed", code=1)) == failure.COUNTED


@pytest.mark.parametrize(
    ("rules", "done", "met"),
    [
        ([{"succeededIndexes": "0,2"}], {0}, None),
        ([{"succeededIndexes": "0,2"}], {0, 2}, 0),
        ([{"succeededIndexes": "0-4", "succeededCount": 2}], {1, 3}, 0),
        ([{"succeededIndexes": "0-4", "succeededCount": 2}], {1, 7}, None),
        ([{"succeededCount": 3}], {1, 7, 9}, 0),
        ([{"succeededCount": 3}], {1, 7}, None),
        ([{"succeededIndexes": "0"}, {"succeededCount": 1}], {4}, 1),
        ([{"succeededIndexes": "10-12"}], {9}, None),  # none of them is left: the Job has shrunk
        ([{"succeededCount": 0}], set(), None),
    ],
)
def test_success_policies(rules: list[Rule], done: set[int], met: int | None) -> None:
    job = make_job(completions=10, successPolicy={"rules": rules}, **INDEXED)
    message = None if met is None else f"Matched rules at index {met}"
    assert success.met(job, indexes.of(done)) == message


def test_without_a_success_policy_nothing_is_met_early() -> None:
    assert success.met(make_job(completions=2, **INDEXED), indexes.of({0})) is None
