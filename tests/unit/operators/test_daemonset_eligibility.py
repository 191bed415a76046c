"""Which nodes a DaemonSet's pods belong on, which taints they tolerate, and how long failed ones rest."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.daemonsets import node, pod, template
from tests.unit.operators.decisions import NOW
from understudy.operators.daemonset.backoff import FAILURES, FORGOTTEN, LONGEST, failures_before, mark, rest
from understudy.operators.daemonset.eligibility import EVERYWHERE, NOWHERE, Eligibility, Place, with_daemon_tolerations
from understudy.values import timestamp

DISK = {"disk": "ssd"}
STAY = Place(start=False, stay=True)


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def named(*names: str, operator: str = "In") -> dict[str, Any]:
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(names)}]}


def labelled(key: str, operator: str = "Exists", *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def taint(key: str, effect: str, value: str = "") -> dict[str, str]:
    return {"key": key, "effect": effect, "value": value}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, EVERYWHERE),
        ({"nodeName": "a"}, EVERYWHERE),
        ({"nodeName": "b"}, NOWHERE),
        ({"nodeSelector": DISK}, EVERYWHERE),
        ({"nodeSelector": {"disk": "hdd"}}, NOWHERE),
        ({"nodeSelector": None, "affinity": {"nodeAffinity": {}}}, EVERYWHERE),
        (affinity(named("a")), EVERYWHERE),
        (affinity(named("b")), NOWHERE),
        (affinity(named("a", operator="NotIn")), NOWHERE),
        (affinity(named("b"), labelled("disk")), EVERYWHERE),
        (affinity(labelled("disk", "In", "hdd", "ssd")), EVERYWHERE),
        (affinity({**labelled("none"), **named("a")}), NOWHERE),
        (affinity(), NOWHERE),
        (affinity({}), NOWHERE),
        (affinity(labelled("disk", "Wrong")), NOWHERE),
        ({"nodeSelector": {"disk": "hdd"}, **affinity(named("a"))}, NOWHERE),
    ],
)
def test_names_labels_and_affinity(spec: dict[str, Any], expected: Place) -> None:
    assert Eligibility(template(**spec)).of(node("a", DISK)) == expected


@pytest.mark.parametrize(
    ("taints", "spec", "expected"),
    [
        ([taint("own", "NoSchedule")], {}, STAY),
        ([taint("own", "NoExecute")], {}, NOWHERE),
        ([taint("own", "PreferNoSchedule")], {}, EVERYWHERE),
        ([taint("node.kubernetes.io/not-ready", "NoExecute")], {}, EVERYWHERE),
        ([taint("node.kubernetes.io/not-ready", "NoSchedule")], {}, STAY),
        ([taint("node.kubernetes.io/unschedulable", "NoSchedule")], {}, EVERYWHERE),
        ([taint("node.kubernetes.io/network-unavailable", "NoSchedule")], {}, STAY),
        ([taint("node.kubernetes.io/network-unavailable", "NoSchedule")], {"hostNetwork": True}, EVERYWHERE),
        ([taint("own", "NoSchedule", "x")], {"tolerations": [{"key": "own", "value": "x"}]}, EVERYWHERE),
        ([taint("own", "NoSchedule", "x")], {"tolerations": [{"key": "own", "value": "y"}]}, STAY),
        ([taint("own", "NoSchedule")], {"tolerations": [{"key": "own", "operator": "Wrong"}]}, STAY),
        ([taint("own", "NoExecute")], {"tolerations": [{"operator": "Exists"}]}, EVERYWHERE),
        ([taint("own", "NoExecute")], {"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]}, NOWHERE),
    ],
)
def test_taints(taints: list[dict[str, str]], spec: dict[str, Any], expected: Place) -> None:
    assert Eligibility(template(**spec)).of(node("a", taints=taints)) == expected


def test_a_toleration_for_a_while_becomes_one_for_ever() -> None:
    brief = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}
    own = {"key": "own"}
    made = with_daemon_tolerations({"tolerations": [brief, own]})
    assert made[0] == {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    assert made[1] == own
    assert len(made) == 7
    assert with_daemon_tolerations({"tolerations": made}) == made


# Failed pods


def failed(mark_: dict[str, str], seconds: float) -> Any:
    created = timestamp.format(NOW - timedelta(seconds=seconds))
    return pod("a", "n0", phase="Failed", annotations=mark_, created=created)


@pytest.mark.parametrize(
    ("failures", "age", "expected"),
    [(0, 0, 0.0), (1, 0, 1.0), (2, 0, 2.0), (3, 1, 3.0), (10, 0, 512.0), (11, 0, LONGEST), (30, 100, LONGEST - 100)],
)
def test_each_failed_pod_rests_twice_as_long_as_the_one_before(failures: int, age: int, expected: float) -> None:
    assert rest(failed(mark(1, failures), age), 1, NOW) == expected


def test_failures_are_forgotten_by_a_change_and_in_time() -> None:
    assert failures_before(failed(mark(1, 5), 0), 2, NOW) == 0
    assert failures_before(failed(mark(1, 5), FORGOTTEN), 1, NOW) == 5
    assert failures_before(failed(mark(1, 5), FORGOTTEN + 1), 1, NOW) == 0


@given(st.text())
def test_what_others_write_there_does_no_harm(text: str) -> None:
    for each in (text, f"1/{text}"):
        assert 0 <= failures_before(failed({FAILURES: each}, 0), 1, NOW) <= 30
