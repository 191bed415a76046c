"""The date of the change that is about to be told."""

import pytest

from tests.unit.operators.decisions import EARLIER
from tests.unit.operators.services import backend, service
from understudy.kinds.core import Pod
from understudy.operators.common.trigger_time import trigger_time

FIRST, SECOND, THIRD = "2026-01-02T11:10:00Z", "2026-01-02T11:20:00Z", "2026-01-02T11:30:00Z"


def when(told: dict[str, bool] | None, *pods: Pod, terminating: bool = True) -> str | None:
    return trigger_time(service(), pods, told, terminating=terminating)


def test_a_new_service_dates_its_own_beginning() -> None:
    assert when(None, backend(1, since=SECOND)) == EARLIER


def test_the_oldest_of_the_changes_counts() -> None:
    pods = [backend(1, since=THIRD), backend(2, since=SECOND), backend(3, since=FIRST)]
    assert when({"web-1": False, "web-2": False, "web-3": True}, *pods) == SECOND


def test_a_pod_that_was_not_shown_is_a_change() -> None:
    assert when({"web-2": True}, backend(1, since=SECOND), backend(2, since=FIRST)) == SECOND


@pytest.mark.parametrize(
    "pod",
    [
        backend(1, since=FIRST, ips=[], ready=False),
        backend(1, since=FIRST, phase="Failed", ready=False),
        backend(1, since=None),
    ],
    ids=["no address yet", "finished before it was shown", "no date"],
)
def test_what_cannot_be_told_has_no_date(pod: Pod) -> None:
    assert when({}, pod) is None


def test_a_pod_that_ends_is_dated_by_its_readiness() -> None:
    assert when({"web-1": True}, backend(1, since=FIRST, phase="Failed", ready=False)) == FIRST


def test_nothing_changed_or_only_labels_is_no_date() -> None:
    assert when({"web-1": True}, backend(1)) is None
    assert when({"web-1": True, "gone": True}, backend(1, deleting=True)) is None


def test_a_terminating_pod_counts_only_where_it_is_shown() -> None:
    pod = backend(1, since=FIRST, deleting=True)
    assert when({}, pod) == FIRST
    assert when({}, pod, terminating=False) is None
