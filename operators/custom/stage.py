"""What a ControlPlane asks for against what the Leases show: annotations to write, and the status. Pure.

`operators.custom.controlplane` reads, calls `decide` and writes what it says. Conditions follow the API conventions
(sig-architecture/api-conventions.md, metav1.Condition).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from understudy.loop.call import CHOICE, LEADER, UNDERSTUDY, UPSTREAM
from understudy.operators.custom import upstream
from understudy.operators.custom.addons.addon import SETTLED, Verdict
from understudy.takeover.seen import CLUSTER, LEASE_OF, Seen
from understudy.values import timestamp

Object = dict[str, Any]
Why = list[tuple[str, str]]
"""Reasons and messages."""
Choose = Callable[[Sequence[str]], Sequence[str]]
"""From the entries of `run` to the names of our controllers. Raises ValueError for one we do not have."""
PATIENCE = 330.0
"""Seconds a deletion waits for upstream's process to be there: more than the kubelet's longest back-off."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one component. `run`: which controllers; `error`: why that cannot be done."""

    take_over: bool = False
    run: tuple[str, ...] = ()
    error: str = ""

    @property
    def annotations(self) -> dict[str, str | None]:
        """What the Lease is to say; None: nothing."""
        if not self.take_over:
            return {LEADER: UPSTREAM, CHOICE: None}
        return {LEADER: UNDERSTUDY, CHOICE: ",".join(self.run) or None}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write: per component the annotations that differ, and the whole status."""

    annotations: Mapping[str, Mapping[str, str | None]]
    status: Object


def wishes(spec: Mapping[str, Any], choose: Choose, *, leaving: bool = False) -> dict[str, Wish]:
    """What a spec asks for each component; nothing once the object is being deleted."""
    if leaving:
        return {component: Wish() for component in LEASE_OF}
    return {component: _wish(spec.get(component) or {}, component, choose) for component in LEASE_OF}


def _wish(part: Mapping[str, Any], component: str, choose: Choose) -> Wish:
    take_over = bool(part.get("takeOver"))
    if component != "controllers":
        return Wish(take_over)
    run = tuple(part.get("run") or ("*",))
    try:
        chosen = choose(run)
    except ValueError as error:
        return Wish(take_over, run, str(error))
    return Wish(take_over, run, "" if chosen else f"{','.join(run)} leaves no controller to run")


def wanted(body: Mapping[str, Any]) -> dict[str, bool]:
    """Which parts of the ControlPlane `body` ours are to take over; none once it is being deleted."""
    leaving = "deletionTimestamp" in body["metadata"]
    spec: Mapping[str, Any] = body.get("spec") or {}
    return {name: bool((part or {}).get("takeOver")) and not leaving for name, part in spec.items()}


def decide(
    body: Mapping[str, Any],
    seen: Mapping[str, Seen],
    now: datetime,
    choose: Choose,
    addons: Mapping[str, Verdict] | None = None,
) -> Plan:
    """What is to be written for the ControlPlane `body`, given the Leases as they are and what the add-ons said."""
    addons = addons or {}
    metadata, old = body["metadata"], body.get("status") or {}
    asked = wishes(body.get("spec") or {}, choose, leaving="deletionTimestamp" in metadata)
    patient = _waited(metadata, now) < PATIENCE
    changes = {
        component: {} if patient and held_back(wish, seen[component]) else differing(wish, seen[component])
        for component, wish in asked.items()
    }
    parts = {component: _part(asked[component], seen[component], choose) for component in asked}
    status = {
        "observedGeneration": metadata.get("generation", 0),
        **parts,
        **{name: verdict.status for name, verdict in addons.items()},
        "lastHandover": _handover(old, seen, now),
        "conditions": _conditions(_why(asked, seen, addons), parts, old.get("conditions") or (), now),
    }
    return Plan({component: change for component, change in changes.items() if change}, status)


def held_back(wish: Wish, seen: Seen) -> bool:
    """Whether ours go on leading although they are called off, since upstream's process is not there to lead."""
    return not wish.take_over and seen.leader == UNDERSTUDY and bool(seen.restarting)


def _waited(metadata: Mapping[str, Any], now: datetime) -> float:
    """Seconds since the object was deleted; 0 if it is not."""
    deleted = metadata.get("deletionTimestamp")
    return now.timestamp() - timestamp.seconds(deleted) if deleted else 0.0


def differing(wish: Wish, seen: Seen) -> dict[str, str | None]:
    """The annotations to write: none for what cannot be done, nor to a Lease that nobody asked anything of."""
    if wish.error and wish.take_over:
        return {}
    has = seen.annotations or {}
    if not wish.take_over and LEADER not in has and CHOICE not in has:
        return {}
    return {key: text for key, text in wish.annotations.items() if has.get(key) != text}


def _part(wish: Wish, seen: Seen, choose: Choose) -> Object:
    part: Object = {
        "leader": seen.leader,
        "holder": seen.holder if seen.leader != "none" else "",
        "since": seen.since if seen.leader != "none" else None,
        "transitions": seen.transitions,
        "onCall": len(seen.on_call),
    }
    if seen.lease == LEASE_OF["controllers"]:
        part["unattended"] = unattended(wish, choose) if seen.leader == UNDERSTUDY else []
    return part


def unattended(wish: Wish, choose: Choose) -> list[str]:
    """Upstream's controllers that run by default and that nobody runs while ours leads as asked."""
    ours = set(choose(wish.run or ("*",))) if not wish.error else set()
    return [name for name in upstream.DEFAULT if name not in ours]


def _handover(old: Mapping[str, Any], seen: Mapping[str, Seen], now: datetime) -> Object | None:
    """The last time that a component came to another leader, as far as anybody looked."""
    for component, each in seen.items():
        before = (old.get(component) or {}).get("leader")
        if before and each.leader not in ("none", before):
            return {"component": component, "from": before, "to": each.leader, "time": each.since or _time(now)}
    last: Object | None = old.get("lastHandover")
    return last


def blocked(wish: Wish, seen: Seen) -> tuple[str, str]:
    """Why a component is not as asked for, as (reason, message), and cannot come to be; SETTLED if it is or can."""
    if wish.take_over and wish.error:
        return "UnknownController", wish.error
    if wish.take_over and seen.leader != UNDERSTUDY and not seen.on_call:
        return "NoCandidate", f"no replica of Understudy is on call for {seen.lease}"
    if not wish.take_over and seen.leader == "none":
        return "NobodyLeads", f"nobody holds lease {seen.lease}: does upstream run?"
    return SETTLED


def moving(wish: Wish, seen: Seen) -> tuple[str, str]:
    """What is under way for a component, as (reason, message); SETTLED if it is as asked for."""
    if held_back(wish, seen):
        return "AwaitingUpstream", f"{seen.restarting} is being restarted; ours lead until it runs"
    if not wish.take_over and seen.leader == UNDERSTUDY:
        return "Releasing", f"{seen.holder} is to give lease {seen.lease} back"
    if wish.take_over and seen.leader != UNDERSTUDY:
        return "TakingOver", f"{len(seen.on_call)} on call for lease {seen.lease}, held by {seen.holder or 'nobody'}"
    if wish.take_over and not seen.acting:
        return "Waiting", f"{seen.holder} has lease {seen.lease} and waits until its last holder can no longer write"
    return SETTLED


def _why(asked: Mapping[str, Wish], seen: Mapping[str, Seen], addons: Mapping[str, Verdict]) -> tuple[Why, Why]:
    """What keeps any part from being as asked for, and what is under way."""
    stuck = [blocked(wish, seen[component]) for component, wish in asked.items()]
    under_way = [moving(wish, seen[component]) for component, wish in asked.items()]
    stuck += [verdict.blocked for verdict in addons.values()]
    under_way += [verdict.moving for verdict in addons.values()]
    return [why for why in stuck if why != SETTLED], [why for why in under_way if why != SETTLED]


def _conditions(
    why: tuple[Why, Why], parts: Mapping[str, Object], old: Iterable[Mapping[str, Any]], now: datetime
) -> list[Object]:
    stuck, open_ = why
    under_way = [] if stuck else open_
    missing = parts["controllers"]["unattended"]
    found = [
        _condition("Ready", stuck + under_way, "AsAsked", "every component is led as asked for", good="True"),
        _condition("Progressing", under_way, "Settled", "nothing is under way", good="False"),
        _condition(
            "AllControllersRun",
            [("NotRun", f"nobody runs {', '.join(missing)}")] if missing else [],
            "UpstreamLeads" if parts["controllers"]["leader"] != UNDERSTUDY else "AllRun",
            "no controller is without somebody who runs it",
            good="True",
        ),
    ]
    before = {each["type"]: each for each in old}
    return [each | {"lastTransitionTime": _changed(each, before.get(each["type"]), now)} for each in found]


def _condition(kind: str, why: Sequence[tuple[str, str]], reason: str, message: str, *, good: str) -> Object:
    """`good` is its status when there is nothing to say."""
    if not why:
        return {"type": kind, "status": good, "reason": reason, "message": message}
    status = "False" if good == "True" else "True"
    return {"type": kind, "status": status, "reason": why[0][0], "message": "; ".join(each[1] for each in why)}


def _changed(condition: Object, before: Mapping[str, Any] | None, now: datetime) -> str:
    if before is not None and before["status"] == condition["status"]:
        return str(before["lastTransitionTime"])
    return _time(now)


def _time(now: datetime) -> str:
    return timestamp.format(now)


def trimmed(status: Mapping[str, Any]) -> Object:
    """A status as the server keeps it: without what is None."""
    kept = {key: value for key, value in status.items() if value is not None}
    return {key: trimmed(value) if isinstance(value, Mapping) else value for key, value in kept.items()}


def refusal(name: str, spec: Mapping[str, Any], choose: Choose) -> str:
    """Why a ControlPlane must not be, "" if it may: what the CRD's own rules refuse, and controllers we do not have."""
    if name != CLUSTER:
        return f"a cluster has one control plane: name it {CLUSTER!r}, not {name!r}"
    error = wishes(spec, choose)["controllers"].error
    return f"spec.controllers.run: {error}" if error else ""
