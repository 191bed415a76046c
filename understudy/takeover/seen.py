"""What one of upstream's Leases tells: who leads, since when, what it asks for, who of ours is on call. Pure.

`takeover.leases` reads the objects, `operators.custom.stage` and the command line decide by this. Answers to client-go
tools/leaderelection for what the fields of a Lease mean.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    restarting: str = ""
    """Upstream's pod if there is one and none runs: nobody could take the Lease from us now."""

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


def see(
    name: str,
    lease: Mapping[str, Any] | None,
    candidates: Iterable[Candidate],
    now: datetime,
    pods: Sequence[Mapping[str, Any]] = (),
) -> Seen:
    """The Lease `name`, None if there is none, as it is at `now`; `pods` are upstream's."""
    if lease is None:
        return Seen(name, candidates=tuple(candidates), restarting=restarting(pods))
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
        restarting=restarting(pods),
    )


def restarting(pods: Sequence[Mapping[str, Any]]) -> str:
    """The first of upstream's pods if no container of any runs, else "".

    A process of upstream's ends when it loses its Lease, and the kubelet starts it again with a back-off that grows to
    five minutes. Not every control plane shows its pods.
    """
    return str(pods[0]["metadata"]["name"]) if pods and not any(map(_runs, pods)) else ""


def _runs(pod: Mapping[str, Any]) -> bool:
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    return any("running" in (each.get("state") or {}) for each in containers)


def _leader(spec: Mapping[str, Any], now: datetime) -> Leader:
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime")
    if not holder or holder == RELAY or not renewed:
        return "none"
    if now.timestamp() > timestamp.seconds(renewed) + (spec.get("leaseDurationSeconds") or 0) + SKEW:
        return "none"
    return "understudy" if is_ours(holder) else "upstream"
