"""Facts about Pods, by table: phases, readiness, availability on the very second, and the body made from a template."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import EARLIER, NOW, make, make_pod
from understudy.kinds.apps import REPLICA_SETS
from understudy.kinds.core import PODS, Pod
from understudy.operators.common import pods
from understudy.values import timestamp


@pytest.mark.parametrize(
    ("phase", "deleting", "active", "terminating", "terminal"),
    [
        ("Pending", False, True, False, False),
        ("Running", False, True, False, False),
        ("Unknown", False, True, False, False),
        ("Succeeded", False, False, False, True),
        ("Failed", False, False, False, True),
        ("Running", True, False, True, False),
        ("Failed", True, False, False, True),
    ],
)
def test_phases(phase: str, deleting: bool, active: bool, terminating: bool, terminal: bool) -> None:
    pod = make_pod(phase=phase, deleting=deleting)
    assert (pods.is_active(pod), pods.is_terminating(pod), pods.is_terminal(pod)) == (active, terminating, terminal)


def test_readiness() -> None:
    bare = make(PODS, "bare")
    assert (pods.is_ready(bare), pods.ready_since(bare), pods.ready_condition(bare)) == (False, None, None)
    waiting = make_pod(ready=False)
    assert (pods.is_ready(waiting), pods.ready_since(waiting)) == (False, None)
    ready = make_pod(ready=True)
    assert (pods.is_ready(ready), pods.ready_since(ready)) == (True, timestamp.parse(EARLIER))
    assert pods.ready_since(make_pod(ready=True, since=None)) is None


def ready_for(seconds: int) -> Pod:
    return make_pod(ready=True, since=timestamp.format(NOW - timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("pod", "min_ready", "available"),
    [
        (ready_for(0), 0, True),
        (ready_for(9), 10, False),
        (ready_for(10), 10, True),
        (make_pod(ready=False), 0, False),
        (make_pod(ready=True, since=None), 0, True),
        (make_pod(ready=True, since=None), 10, False),
    ],
)
def test_availability(pod: Pod, min_ready: int, available: bool) -> None:
    assert pods.is_available(pod, min_ready, NOW) is available


def test_the_next_pod_to_become_available_sets_the_alarm() -> None:
    several = [ready_for(3), ready_for(7), ready_for(99), make_pod(ready=False), make_pod(ready=True, since=None)]
    assert pods.until_available(several, 10, NOW) == 3
    assert pods.until_available(several, 0, NOW) is None
    assert pods.until_available([ready_for(10)], 10, NOW) is None


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(1, 60))
def test_the_alarm_rings_when_one_more_is_available_and_not_before(ages: list[int], min_ready: int) -> None:
    several = [ready_for(age) for age in ages]

    def count(seconds: float) -> int:
        moment = NOW + timedelta(seconds=seconds)
        return sum(pods.is_available(pod, min_ready, moment) for pod in several)

    wait = pods.until_available(several, min_ready, NOW)
    if wait is None:
        assert count(0) == len(ages)
    else:
        assert count(wait - 0.001) == count(0) < count(wait)


def test_a_pod_from_a_template_has_its_metadata_its_owner_and_a_generated_name() -> None:
    template = {
        "metadata": {"name": "ignored", "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["e/f"]},
        "spec": {"containers": [{"name": "c"}]},
    }
    rs = make(REPLICA_SETS, "web")
    assert pods.pod_from_template(template, rs, REPLICA_SETS) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-",
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "finalizers": ["e/f"],
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web",
                    "uid": "uid-web",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {"containers": [{"name": "c"}]},
    }


def test_an_empty_template_makes_a_body_that_decodes() -> None:
    body = pods.pod_from_template({"metadata": None}, make(REPLICA_SETS, "web"), REPLICA_SETS)
    assert msgspec.convert(body, Pod).metadata.labels == {}
