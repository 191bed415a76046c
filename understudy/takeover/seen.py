"""What one of upstream's Leases tells: who leads, since when, what it asks for, who of ours is on call. Pure.

`takeover.leases` reads the objects, `operators.custom.stage` and the command line decide by this. Answers to client-go
tools/leaderelection for what the fields of a Lease mean.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from understudy.loop.call import CHOICE, LEADER, RELAY, UNDERSTUDY, is_ours
from understudy.loop.roster import LEADING, Candidate
from understudy.values import timestamp

CLUSTER = "cluster"
"""The one name a ControlPlane can have."""
NAMESPACE = "kube-system"
LEASE_OF: Mapping[str, str] = {"controllers": "kube-controller-manager", "scheduler": "kube-scheduler"}
"""What can be taken over, and upstream's Lease for it."""
SKEW = 5.0
"""Seconds a holder's clock may be behind ours before we think its Lease has run out."""

Leader = Literal["understudy", "upstream", "none"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease at one moment. `wanted`: its annotations ask for us; `choice` "": they name no controllers."""

    lease: str
    exists: bool = False
    leader: Leader = "none"
    holder: str = ""
    since: str = ""
    transitions: int = 0
    duration: int = 0
    wanted: bool = False
    choice: str = ""
    annotations: Mapping[str, str] | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def on_call(self) -> tuple[Candidate, ...]:
        """Our processes that could lead or do."""
        return tuple(each for each in self.candidates if each.alive)

    @property
    def acting(self) -> bool:
        """Whether ours leads, with the controllers asked for, and no longer waits for the one it robbed.

        A process that is not on call does not say.
        """
        holders = [each for each in self.candidates if each.identity == self.holder]
        as_asked = [each for each in holders if each.state == LEADING and self.choice in ("", each.choice)]
        return self.leader == "understudy" and bool(as_asked or not holders)


def see(name: str, lease: Mapping[str, Any] | None, candidates: Iterable[Candidate], now: datetime) -> Seen:
    """The Lease `name`, None if there is none, as it is at `now`."""
    if lease is None:
        return Seen(name, candidates=tuple(candidates))
    spec = lease.get("spec") or {}
    annotations = lease["metadata"].get("annotations") or {}
    return Seen(
        lease=name,
        exists=True,
        leader=_leader(spec, now),
        holder=spec.get("holderIdentity") or "",
        since=spec.get("acquireTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        duration=spec.get("leaseDurationSeconds") or 0,
        wanted=annotations.get(LEADER) == UNDERSTUDY,
        choice=annotations.get(CHOICE, ""),
        annotations=annotations,
        candidates=tuple(candidates),
    )


def _leader(spec: Mapping[str, Any], now: datetime) -> Leader:
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime")
    if not holder or holder == RELAY or not renewed:
        return "none"
    if now.timestamp() > timestamp.seconds(renewed) + (spec.get("leaseDurationSeconds") or 0) + SKEW:
        return "none"
    return "understudy" if is_ours(holder) else "upstream"
