"""How fast the NoExecute taints may spread through a zone: evictions slow down where much fails at once.

A zone with a few unready nodes gets a taint each ten seconds; one in which most are unready each hundred seconds, or
none if it is small: then the fault is rather the network's than the nodes'. While no node of the whole cluster is
ready nobody is evicted at all. Answers to ComputeZoneState, handleDisruption and setLimiterInZone in
node_lifecycle_controller.go.

Upstream keeps a queue and a token bucket for each zone in the process. Here the bucket is what the nodes tell, the
`timeAdded` of the zone's latest taint, so that the pace survives a restart; and the taint that is being written, which
no node tells yet: that is remembered beside the view, or two decisions at once would spend one token.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import inf
from weakref import WeakKeyDictionary

from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import conditions, timestamp

RATE = ("node-eviction-rate", "0.1")
SECONDARY_RATE = ("secondary-node-eviction-rate", "0.01")
LARGE = ("large-cluster-size-threshold", "50")
UNHEALTHY = ("unhealthy-zone-threshold", "0.55")
"""Settings and their defaults: upstream's flags of these names."""
EXCLUDED = "node.kubernetes.io/exclude-disruption"
EVICTING = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
_ZONE = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
_REGION = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")

_turns: WeakKeyDictionary[View, dict[str, datetime]] = WeakKeyDictionary()
"""When a process last gave each zone a turn."""


def is_ready(node: Node) -> bool:
    """Whether its condition Ready is True."""
    return conditions.is_true(node.status.conditions, "Ready")


def zone_of(node: Node) -> str:
    """A name for its failure zone, region included; "" if it is in none."""
    labels = node.metadata.labels
    region, zone = (labels.get(old, labels.get(new, "")) for old, new in (_REGION, _ZONE))
    return f"{region}:{zone}" if region or zone else ""


def _filed(node: Node) -> tuple[str, ...]:
    health = "ready" if is_ready(node) else "unready"
    return () if EXCLUDED in node.metadata.labels else (health, f"{health} in {zone_of(node)}")


HEALTH: Index[Node] = Index("health", _filed)
"""The nodes that count for disruption, by health, and by health and zone."""
WAITING: Index[Node] = Index("waiting", lambda node: (zone_of(node),) if _waits(node) else ())
"""The unready nodes that have no NoExecute taint for it, by zone."""


def _waits(node: Node) -> bool:
    ready = conditions.find(node.status.conditions, "Ready")
    return ready is not None and ready.status != "True" and tainted_at(node) is None


def tainted_at(node: Node) -> str | None:
    """When it got a NoExecute taint for not being ready, "" if that is not told; None if it has none."""
    evicting = (each for each in node.spec.taints if each.effect == "NoExecute" and each.key in EVICTING)
    return next((taint.timeAdded or "" for taint in evicting), None)


# The state of a zone, and the rate it allows


def rate(ready: int, unready: int, view: View) -> float:
    """Taints a second in a zone of so many nodes; 0 is none at all."""
    size = ready + unready
    share = unready / size if size else 0.0
    if ready == 0 or unready <= 2 or share < _setting(UNHEALTHY, view):
        return _setting(RATE, view)
    return _setting(SECONDARY_RATE, view) if size > _setting(LARGE, view) else 0.0


def is_blackout(view: View) -> bool:
    """Whether no node that counts is ready, in the whole cluster (upstream's master disruption mode)."""
    return _count(view, "ready") == 0 and _count(view, "unready") > 0


def _setting(setting: tuple[str, str], view: View) -> float:
    name, default = setting
    return float(view.settings.get(name) or default)


def _count(view: View, value: str) -> int:
    return len(view.by(NODES, HEALTH, value))


def wait(node: Node, view: View, now: datetime) -> float:
    """Seconds until the unready node may be tainted NoExecute; infinite while its zone is halted.

    0 is for now, and takes the zone's turn: nobody else of it gets one before an interval is over.
    """
    if is_blackout(view):
        return inf
    if tainted_at(node) is not None:
        return 0.0
    zone = zone_of(node)
    per_second = rate(_count(view, f"ready in {zone}"), _count(view, f"unready in {zone}"), view)
    if per_second <= 0:
        return inf
    interval = timedelta(seconds=1 / per_second)
    left = _last(view, zone, now, interval) + interval - now
    if left > timedelta():
        return (left + _before(node, view) * interval).total_seconds()
    _turns.setdefault(view, {})[zone] = now
    return 0.0


def _before(node: Node, view: View) -> int:
    """How many of its zone have waited longer: they are asked first."""
    waiting = view.by(NODES, WAITING, zone_of(node))
    return next((place for place, each in enumerate(waiting) if each.name == node.name), 0)


def _last(view: View, zone: str, now: datetime, interval: timedelta) -> datetime:
    """When the zone's last turn was; the end of a blackout counts as one, so that all may come back first.

    The nodes are read only if this process does not know: in an outage many ask.
    """
    taken = _turns.get(view, {}).get(zone)
    if taken is not None and now - taken < interval:
        return taken
    told = (timestamp.parse(each) for each in (*_tainted(view, zone), *_blackout_ended(view)))
    return max((each for each in told if each <= now), default=now - interval)


def _tainted(view: View, zone: str) -> Iterable[str]:
    """When the tainted nodes of the zone were tainted."""
    return [at for each in view.by(NODES, HEALTH, f"unready in {zone}") if (at := tainted_at(each))]


def _blackout_ended(view: View) -> Iterable[str]:
    """When the first of the ready nodes became ready: after a blackout the others get their time too."""
    since = (conditions.find(each.status.conditions, "Ready") for each in view.by(NODES, HEALTH, "ready"))
    return sorted(each.lastTransitionTime for each in since if each is not None and each.lastTransitionTime)[:1]


# What wakes those who wait


def health_changed(new: Node | None, old: Node | None) -> bool:
    """Whether a node counts otherwise for its zone than before."""
    return (_filed(new) if new is not None else ()) != (_filed(old) if old is not None else ())


def woken(node: Node, view: View) -> Iterable[Key]:
    """Those whom a change of this node's health may concern, if its zone may have another rate since."""
    if _count(view, "ready") <= 1:
        return [each.key for each in view.by(NODES, HEALTH, "unready")]
    zone = zone_of(node)
    ready, unready = (_count(view, f"{health} in {zone}") for health in ("ready", "unready"))
    near = ((0, 0), (1, -1), (-1, 1), (1, 0), (-1, 0), (0, 1), (0, -1))
    rates = {rate(max(0, ready + more), max(0, unready + worse), view) for more, worse in near}
    return [each.key for each in view.by(NODES, WAITING, zone)] if len(rates) > 1 else ()
