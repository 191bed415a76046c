"""RollingUpdate: which old pods go, and where a new pod comes before its old one goes.

Called by `decide` after `placing`, which makes the pods that are missing. Without surge enough old pods are deleted to
stay within maxUnavailable; with surge a new pod is started beside an old one, and the old one goes when the new one is
available. Answers to `rollingUpdate` in pkg/controller/daemon/update.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from understudy.kinds.core import Pod
from understudy.operators.daemonset.daemons import Daemons, Plan, surge, unavailable


@dataclass(slots=True)
class _Tally:
    """What the nodes have told so far."""

    surge: int = 0
    available: int = 0
    outdated: list[Pod] = field(default_factory=list)
    strays: list[Pod] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)


def plan(daemons: Daemons) -> Plan:
    """The next step of the update; nothing if there is none. ValueError if its limits cannot be read."""
    wanted = [node for node, place in daemons.places.items() if place.start]
    most = surge(daemons.ds, len(wanted))
    if most:
        return _surging(daemons, most, len(wanted))
    # A strategy that allows neither, which validation refuses, would stand still for ever.
    spare = unavailable(daemons.ds, len(wanted)) or 1
    return _replacing(daemons, spare, sum(node not in daemons.pods for node in wanted))


def _replacing(daemons: Daemons, limit: int, missing: int) -> Plan:
    """Old pods that are not available go at once, others as far as the limit allows; `missing` nodes have no pod."""
    down, doomed, candidates = missing, [], []
    for pods in daemons.pods.values():
        pair = _pair(daemons, pods)
        if pair is None or (pair[0] is None) == (pair[1] is None):
            down += 1  # `placing` has something to put right here
            continue
        new, old = pair
        if new is not None:
            down += not daemons.is_available(new)
        elif old is not None and daemons.is_available(old):
            candidates.append(old)
        elif old is not None:
            doomed.append(old)
            down += 1
    return Plan(delete=[*doomed, *candidates[: max(0, limit - down)]])


def _surging(daemons: Daemons, limit: int, wanted: int) -> Plan:
    tally = _Tally()
    for node, pods in daemons.pods.items():
        _look(daemons, node, pods, tally)
    # Who surges expects that something is available always: a pod on a node that is wanted no more stays until then.
    spare = max(0, tally.available - wanted)
    room = max(0, limit - tally.surge)
    return Plan(create=[*tally.allowed, *tally.candidates[:room]], delete=[*tally.outdated, *tally.strays[:spare]])


def _look(daemons: Daemons, node: str, pods: Iterable[Pod], tally: _Tally) -> None:
    pair = _pair(daemons, pods)
    if pair is None:
        tally.surge += 1  # `placing` has something to put right here
        return
    new, old = pair
    standing = old or new
    tally.available += standing is not None and daemons.is_available(standing)
    if old is None:
        return
    if new is None:
        _look_at_old(daemons, node, old, tally)
    elif daemons.is_available(new):
        tally.outdated.append(old)
    else:
        tally.surge += 1


def _look_at_old(daemons: Daemons, node: str, old: Pod, tally: _Tally) -> None:
    """A node with an old pod only: may a new one come, or must the old one go? One on a node that is gone is let be."""
    place, available = daemons.places.get(node), daemons.is_available(old)
    if place is None:
        return
    if place.start:
        (tally.candidates if available else tally.allowed).append(node)
    else:
        (tally.strays if available else tally.outdated).append(old)


def _pair(daemons: Daemons, pods: Iterable[Pod]) -> tuple[Pod | None, Pod | None] | None:
    """The new and the old pod of a node that are to stay; None if there are several of a sort."""
    new: Pod | None = None
    old: Pod | None = None
    for pod in pods:
        if pod.deleting:
            continue
        if daemons.is_updated(pod):
            if new is not None:
                return None
            new = pod
        else:
            if old is not None:
                return None
            old = pod
    return new, old
