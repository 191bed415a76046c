"""From usage to replicas: who counts, what is assumed of those not measured, and how the arithmetic rounds."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.autoscalers import pod
from tests.unit.operators.decisions import NOW
from understudy.kinds.core import Pod
from understudy.operators.hpa import counting
from understudy.operators.hpa.counting import INT32, INT64, Scene
from understudy.operators.hpa.errors import NotComputable
from understudy.operators.hpa.grouping import group
from understudy.operators.hpa.requests import requests_of
from understudy.operators.hpa.served import Sample
from understudy.operators.hpa.settings import Settings
from understudy.values import timestamp

SETTINGS = Settings()
WINDOW = timedelta(seconds=30)


def ago(seconds: float) -> str:
    return timestamp.format(NOW - timedelta(seconds=seconds))


def scene(pods: Sequence[Pod], wanted: int | None = None) -> Scene:
    return Scene(pods, len(pods) if wanted is None else wanted, len(pods), SETTINGS, NOW)


def samples(*values: int | None) -> dict[str, Sample]:
    return {f"p{number}": Sample(value, NOW, WINDOW) for number, value in enumerate(values) if value is not None}


def fleet(count: int, unready: int = 0, **more: Any) -> list[Pod]:
    """`unready` of them, the last ones, are Pending."""
    phases = ["Running"] * (count - unready) + ["Pending"] * unready
    return [pod(f"p{number}", phase=phase, **more) for number, phase in enumerate(phases)]


@pytest.mark.parametrize(
    ("used", "target", "replicas", "utilization"),
    [
        ([100, 100], 50, 4, 100),
        ([54, 55], 50, 2, 54),  # within the tolerance
        ([57, 57], 50, 3, 57),
        ([10, 10], 50, 1, 10),
        ([33, 34], 50, 2, 33),
        ([300, None], 50, 6, 300),  # the other is taken to use nothing
        ([40, None], 50, 2, 40),  # the other is taken to use all it requests
        ([10, 10, 10, None], 120, 2, 10),  # or as much as the target if that is more
        ([60, None], 50, 2, 60),  # it would turn the direction
    ],
)
def test_utilization(used: Sequence[int | None], target: int, replicas: int, utilization: int) -> None:
    count = counting.by_utilization(scene(fleet(len(used))), samples(*used), "cpu", "", target)
    assert (count.replicas, count.utilization) == (replicas, utilization)


@pytest.mark.parametrize(
    ("used", "unready", "replicas", "usage"),
    [
        ([100, 100], 0, 4, 100),
        ([100, 100, None], 0, 4, 100),  # two thirds of 100
        ([100, 100, 999], 1, 4, 100),  # a Pod that is not ready counts as one that uses nothing
        ([20, 20, 999], 1, 1, 20),  # but not when there are to be fewer
        ([20, 20, None], 0, 2, 20),  # without a sample: uses its target
    ],
)
def test_averages(used: Sequence[int | None], unready: int, replicas: int, usage: int) -> None:
    count = counting.by_average(scene(fleet(len(used), unready)), samples(*used), "", 50)
    assert (count.replicas, count.usage) == (replicas, usage)


@given(
    values=st.lists(st.one_of(st.none(), st.integers(0, 400)), min_size=1, max_size=8),
    unready=st.integers(0, 4),
    target=st.integers(1, 200),
)
@settings(max_examples=100, deadline=None)
def test_what_is_not_known_never_turns_the_direction(values: Sequence[int | None], unready: int, target: int) -> None:
    pods = fleet(len(values) + unready, unready)
    known = [value for value in values if value is not None]
    if not known:
        with pytest.raises(NotComputable, match="did not receive metrics"):
            counting.by_average(scene(pods), samples(*values), "", target)
        return
    count = counting.by_average(scene(pods), samples(*values), "", target)
    everyone = counting.by_average(scene(fleet(len(known))), samples(*known), "", target)
    assert count.usage == everyone.usage == sum(known) // len(known)
    if count.usage > target:
        assert count.replicas >= len(pods)
    elif count.usage < target:
        assert count.replicas <= len(pods)


@pytest.mark.parametrize(
    ("wanted", "usage", "target", "replicas"),
    [(2, 30_000, 10_000, 6), (2, 10_900, 10_000, 2), (0, 30_000, 10_000, 3), (0, 0, 10_000, 0), (2, 1, 10_000, 1)],
)
def test_values(wanted: int, usage: int, target: int, replicas: int) -> None:
    assert counting.by_value(scene(fleet(2), wanted), usage, target) == (replicas, usage, 0)


def test_a_value_needs_pods_to_multiply() -> None:
    with pytest.raises(NotComputable, match=r"^unable to calculate ready pods: no pods returned by selector"):
        counting.by_value(scene([], 2), 30_000, 10_000)
    assert counting.by_value(scene([pod("p0"), pod("p1", ready=False)]), 30_000, 10_000).replicas == 3


@pytest.mark.parametrize(
    ("present", "usage", "target", "expected"),
    [
        (2, 30_001, 10_000, (4, 15_001, 0)),
        (2, 21_000, 10_000, (2, 10_500, 0)),
        (0, 5_000, 10_000, (1, 5_000, 0)),
        (1, INT64, 1, (INT32, INT64, 0)),
    ],
)
def test_shares(present: int, usage: int, target: int, expected: tuple[int, int, int]) -> None:
    assert counting.by_share(scene(fleet(present)), usage, target) == expected


def test_sums_stop_at_the_limit() -> None:
    assert counting.total([INT64, 1]) == INT64
    assert counting.total([3, -1]) == 2


def test_no_pods() -> None:
    with pytest.raises(NotComputable, match=r"^no pods returned by selector while calculating replica count$"):
        counting.by_average(scene([], 2), samples(1), "", 1)


def test_samples_of_strangers() -> None:
    stranger = {"x": Sample(5, NOW, WINDOW)}
    with pytest.raises(NotComputable, match=r"^no metrics returned matched known pods$"):
        counting.by_utilization(scene(fleet(1)), stranger, "cpu", "", 50)


@pytest.mark.parametrize(
    ("made", "taken", "where"),
    [
        ({}, 0, "ready"),
        ({"phase": "Failed"}, 0, "ignored"),
        ({"deleting": True}, 0, "ignored"),
        ({"phase": "Pending"}, 0, "unready"),
        ({"started": ago(60)}, 0, "ready"),
        ({"started": ago(60)}, 31, "unready"),  # what was measured began before it was ready
        ({"started": ago(60), "ready": False}, 0, "unready"),
        ({"started": ago(600), "ready": False}, 0, "unready"),  # it never was ready
        ({"started": ago(600)}, 599, "ready"),
    ],
)
def test_groups_for_cpu(made: dict[str, Any], taken: float, where: str) -> None:
    held = {"p0": Sample(1, NOW - timedelta(seconds=taken), WINDOW)}
    groups = group([pod("p0", **made)], held, "cpu", SETTINGS, NOW)
    found = {"ready": groups.ready, "unready": len(groups.unready), "ignored": len(groups.ignored)}
    assert [name for name, count in found.items() if count] == [where]


def test_a_pod_that_was_ready_once_counts_later() -> None:
    lapsed = pod("p0", ready=False, started=ago(600))
    lapsed.status.conditions[0].lastTransitionTime = ago(100)
    assert group([lapsed], samples(1), "cpu", SETTINGS, NOW).ready == 1
    lapsed.status.startTime = None
    assert group([lapsed], samples(1), "cpu", SETTINGS, NOW).unready == {"p0"}
    assert group([lapsed], samples(1), "memory", SETTINGS, NOW).ready == 1
    assert group([lapsed], {}, "memory", SETTINGS, NOW).missing == {"p0"}


def test_requests() -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "10m"}}}
    setup = {"name": "i", "resources": {"requests": {"cpu": "9"}}}
    one = pod("p0", spec={"initContainers": [sidecar, setup]})
    assert requests_of([one], "", "cpu") == {"p0": 110}
    assert requests_of([one], "s", "cpu") == {"p0": 10}
    with pytest.raises(NotComputable, match=r"^missing request for gpu in container c of Pod p0$"):
        requests_of([one], "", "gpu")


def test_requests_of_the_pod_as_a_whole() -> None:
    whole = pod("p0", spec={"resources": {"requests": {"cpu": "2"}}, "overhead": {"cpu": "250m"}})
    assert requests_of([whole], "", "cpu") == {"p0": 2250}
    assert requests_of([whole], "c", "cpu") == {"p0": 100}
    assert requests_of([whole], "", "memory") == {"p0": 1024 * 1024 * 1000}
    with pytest.raises(NotComputable, match=r"^missing pod-level request for gpu in Pod p0$"):
        requests_of([whole], "", "gpu")
