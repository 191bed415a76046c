"""Which Pods go first when there are too many: the order in which a ReplicaSet deletes.

The replica engine calls this. It answers to `ActivePodsWithRanks` in `pkg/controller/controller_utils.go`. Upstream
compares pairs, and its rules go round in a circle when some Pods of one age bucket became ready in the same second;
here the order is total: such Pods stand together, at the place of the one with the smallest uid.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from understudy.kinds.core import Pod
from understudy.operators.common.pods import is_active, is_ready, ready_since
from understudy.values import timestamp

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""The annotation that says how much a Pod would be missed; the cheapest go first."""

_COST = re.compile("-?[0-9]{1,20}")
_PHASES = {"Unknown": 1, "Running": 2}
_MICROSECOND = timedelta(microseconds=1)
_Key = tuple[Any, ...]
_Place = tuple[_Key, datetime | None]
"""What the rules before readiness say, and since when the Pod is ready."""

_without_pod = itemgetter(slice(0, -1))


def deletion_order(pods: Sequence[Pod], related: Iterable[Pod], now: datetime) -> list[Pod]:
    """`pods`, the first to be deleted first; `related` count as neighbours, of which a node should not have many.

    Unassigned, not running, not ready, cheap and crowded Pods come before others; then younger ones, where ages count
    by powers of two and equals are ordered by uid, which is as good as random.
    """
    neighbours = Counter(pod.spec.nodeName for pod in related if is_active(pod))
    places = [(_head(pod, neighbours), ready_since(pod)) for pod in pods]
    leaders = _leaders(pods, places)
    rows = [
        (head, _readiness(since, leaders[head, since], now), _restarts(pod), _creation(pod, now), pod.uid, pod)
        for pod, (head, since) in zip(pods, places, strict=True)
    ]
    return [row[-1] for row in sorted(rows, key=_without_pod)]


def deletion_cost(pod: Pod) -> int:
    """The value of its deletion-cost annotation; 0 if there is none or it is not an int32 as the API spells it."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    if _COST.fullmatch(text) is None or (text[0] == "0" and text != "0"):
        return 0
    cost = int(text)
    return cost if -(2**31) <= cost < 2**31 else 0


def _head(pod: Pod, neighbours: Mapping[str, int]) -> _Key:
    """The rules before readiness is timed."""
    node = pod.spec.nodeName
    phase = _PHASES.get(pod.status.phase, 0)
    return bool(node), phase, is_ready(pod), deletion_cost(pod), -neighbours.get(node, 0)


def _leaders(pods: Iterable[Pod], places: Iterable[_Place]) -> dict[_Place, str]:
    """The smallest uid among Pods that became ready at the same time, by place."""
    leaders: dict[_Place, str] = {}
    for pod, place in zip(pods, places, strict=True):
        uid = pod.uid
        if uid < leaders.setdefault(place, uid):
            leaders[place] = uid
    return leaders


def _readiness(since: datetime | None, leader: str, now: datetime) -> _Key:
    """Ready for an unknown time, then shortly, then long; empty for all that are not ready."""
    return () if since is None else (_bucket(since, now), leader)


def _restarts(pod: Pod) -> tuple[int, int]:
    """The most restarts of a container and of a sidecar, many before few."""
    most = max((each.restartCount for each in pod.status.containerStatuses), default=0)
    sidecars = {each.name for each in pod.spec.initContainers if each.restartPolicy == "Always"}
    counts = [each.restartCount for each in pod.status.initContainerStatuses if each.name in sidecars]
    return -most, -max(counts, default=0)


def _creation(pod: Pod, now: datetime) -> _Key:
    created = pod.metadata.creationTimestamp
    return (_bucket(timestamp.parse(created), now),) if created else (-2,)


def _bucket(moment: datetime, now: datetime) -> int:
    """How long ago it was, as a power of two of nanoseconds; -1 for what has not happened yet."""
    age = (now - moment) // _MICROSECOND * 1000
    return age.bit_length() - 1 if age > 0 else -1
