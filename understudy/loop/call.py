"""On call: a candidate that leads only while the Lease itself asks for it, by annotations.

The custom resource ControlPlane and `understudy takeover` write the annotations; `loop.lease` heeds them at every
attempt and every renewal. client-go's LeaseLock writes the Lease back as it read it, so upstream's renewals keep them
(client-go tools/leaderelection/resourcelock/leaselock.go). Pure: annotations in, a verdict out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LEADER = "understudy.dev/leader"
"""Who is to lead: `understudy`, or anything else for upstream."""
CHOICE = "understudy.dev/controllers"
"""Which controllers, in the syntax of `--controllers`."""
UNDERSTUDY, UPSTREAM = "understudy", "upstream"
PREFIX = "understudy:"
"""Of our holders' identities. Upstream's begin with a host name, and no host name has a colon."""
RELAY = PREFIX + "relay"
"""Holds a Lease that one of ours gave back for the next of ours: free for us at once, for upstream when it runs out."""


class CalledOff(Exception):
    """The Lease does not ask for this process as it is: give it back, then run `choice` and be on call again."""

    def __init__(self, text: str, choice: str) -> None:
        super().__init__(text)
        self.choice = choice


class Recast(CalledOff):
    """We are asked for, but with other controllers."""


@dataclass(frozen=True, slots=True)
class OnCall:
    """A process that runs the controllers `choice`; `otherwise` are those it runs if the Lease names none."""

    choice: str = "*"
    otherwise: str = "*"

    def wanted(self, annotations: Mapping[str, str]) -> bool:
        """Whether we are to lead. Raises Recast if that would be with other controllers than we run."""
        choice = self._choice(annotations)
        if choice != self.choice:
            raise Recast(f"the controllers to run are {choice} now, no longer {self.choice}", choice)
        return annotations.get(LEADER) == UNDERSTUDY

    def heed(self, annotations: Mapping[str, str]) -> None:
        """For a leader. Raises CalledOff if it is not to lead any more, Recast if not like this."""
        if annotations.get(LEADER) != UNDERSTUDY:
            raise CalledOff("upstream is to lead", self._choice(annotations))
        self.wanted(annotations)

    def _choice(self, annotations: Mapping[str, str]) -> str:
        return annotations.get(CHOICE) or self.otherwise


def is_ours(holder: str) -> bool:
    """Whether a holderIdentity is one of our processes'."""
    return holder.startswith(PREFIX)
