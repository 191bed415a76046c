"""The words the generated sequences are made of: what a user may do next, and what is there afterwards.

Called by `generated` and the models beside it, which hold to these limits. How often something is told is limited
because client-go's event correlator (tools/record/events_cache.go) joins or drops what comes often.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tests.oracle.acts import Act, Create, Kubectl

MOST_PODS = 18
"""Created and deleted by one owner: an Event each, and of more than 25 upstream drops some."""
MOST_TEXTS = 9
"""Of one reason about one object: the tenth is joined with others."""
CASCADES = ("background", "foreground", "orphan")


@dataclass(frozen=True, slots=True)
class Move:
    """What a user may do next, and what is there afterwards."""

    says: str
    acts: tuple[Act, ...]
    then: "Model"
    still: float = 2.0


class Model(Protocol):
    """What is there, as far as it decides what may be done."""

    def created(self) -> Create:
        """The first step of all."""

    def offers(self) -> Iterator[list[Move]]:
        """What may be done now, like beside like; any may be empty."""


def deletion(of: str, cascade: str) -> tuple[Kubectl]:
    """Delete one object; nobody waits for what hangs on it."""
    return (Kubectl(f"delete {of} --cascade={cascade} --wait=false"),)
