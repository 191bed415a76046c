"""What an add-on of the control plane is: something that serves the cluster from pods and is taken over by a hand-over.

Loops are led by whoever holds a Lease; the service proxy and DNS have none. Each is one `Addon`: what its decision
reads, the decision, and the rights it takes. `addons.keeper` reads, asks and writes; `stage` puts the verdicts into
the status of the ControlPlane. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from understudy.loop.rights import Rule
from understudy.takeover.seen import Leader

Object = dict[str, Any]
Found = Mapping[str, Object | None]
"""What was read, by the names in `Addon.reads`; None: it is not there."""
SETTLED = ("", "")


@dataclass(frozen=True, slots=True)
class Write:
    """One request; a PATCH is a merge patch, and `why` goes into the log."""

    method: Literal["PATCH", "POST", "DELETE"]
    path: str
    body: Object | None
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an add-on is, and what is to be written for it now, in order; the next look sees what came of it.

    `blocked` and `moving` are (reason, message) for the conditions: why it cannot come to be as asked, what is under
    way. `ready` of `desired` pods of ours serve.
    """

    leader: Leader
    ready: int = 0
    desired: int = 0
    writes: tuple[Write, ...] = ()
    blocked: tuple[str, str] = SETTLED
    moving: tuple[str, str] = SETTLED

    @property
    def status(self) -> Object:
        """Its part of the ControlPlane's status."""
        return {"leader": self.leader, "ready": self.ready, "desired": self.desired}


@dataclass(frozen=True, slots=True)
class Addon:
    """`name` is its field in spec and status. `reads`: paths of objects or lists, by name. `decide(wanted, found)`."""

    name: str
    reads: Mapping[str, str]
    decide: Callable[[bool, Found], Verdict]
    rights: tuple[Rule, ...] = field(default=())
