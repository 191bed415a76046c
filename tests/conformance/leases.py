"""Whose work a run has judged: the Leases of the control plane, looked at again and again, and what that proves.

Pure. A run is void if the other side led at any time, or may have while nobody looked: each change of holder
counts up the Lease's transitions, so one that was not seen shows. Called by `watching` and `record`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from understudy.loop.call import RELAY, is_ours

Side = Literal["ours", "upstream", "nobody"]
LEASES = ("kube-controller-manager", "kube-scheduler")
NAMESPACE = "kube-system"


@dataclass(frozen=True, slots=True)
class Held:
    """One Lease as it was: its holder's identity ("" for nobody) and how often it has changed hands."""

    holder: str
    transitions: int


@dataclass(frozen=True, slots=True)
class Look:
    """All Leases at one moment, in seconds since the run began."""

    at: float
    held: Mapping[str, Held]


def side_of(holder: str) -> Side:
    """Whose process `holder` is."""
    if holder in ("", RELAY):
        return "nobody"
    return "ours" if is_ours(holder) else "upstream"


def leading(look: Look, side: Side) -> bool:
    """Whether `side` holds every Lease."""
    return all(side_of(held.holder) == side for held in look.held.values())


def describe(look: Look) -> str:
    """Who holds what, in a line."""
    holders = {name: held.holder for name, held in look.held.items()}
    return ", ".join(f"{name}: {holder or 'nobody'} ({side_of(holder)})" for name, holder in holders.items())


def changes(looks: Sequence[Look]) -> list[Look]:
    """The first look, each that differs from the one before, and the last."""
    kept = [looks[0]] if looks else []
    kept += [after for before, after in pairwise(looks) if after.held != before.held]
    return kept if not looks or kept[-1] is looks[-1] else [*kept, looks[-1]]


def voids(looks: Sequence[Look], lead: Side) -> list[str]:
    """Why the run proves nothing about `lead`; empty if it does."""
    if len(looks) < 2:
        return ["the Leases were not read before and after"]
    ends = (("when it began", looks[0]), ("when it ended", looks[-1]))
    found = [f"{lead} did not lead {when} ({describe(look)})" for when, look in ends if not leading(look, lead)]
    return [*dict.fromkeys([*found, *_intruders(looks, lead), *_unseen(looks)])]


def _intruders(looks: Sequence[Look], lead: Side) -> Iterator[str]:
    """Each holder of the other side, once."""
    told = set()
    for look in looks:
        for name, held in look.held.items():
            side = side_of(held.holder)
            if side not in (lead, "nobody") and (name, held.holder) not in told:
                told.add((name, held.holder))
                yield f"{name} was led by {side} ({held.holder}) {look.at:.0f} s into the run"


def _unseen(looks: Sequence[Look]) -> Iterator[str]:
    for before, after in pairwise(looks):
        for name, held in after.held.items():
            was = before.held.get(name)
            if was is not None and held.transitions - was.transitions != _counted(was, held):
                yield f"{name} changed hands unseen between {before.at:.0f} s and {after.at:.0f} s into the run"


def _counted(was: Held, held: Held) -> int:
    """How many transitions the change from `was` to `held` explains: giving back is none, taking is one."""
    return int(held.holder != was.holder and side_of(held.holder) != "nobody")
