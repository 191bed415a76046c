"""`helm test`: what is missing is named, what is well ends the wait at once."""

import asyncio

import pytest

from understudy.loop.roster import LEADING, STANDING_BY, Candidate
from understudy.onstage import missing, wait
from understudy.takeover.seen import Leader, Seen

pytestmark = pytest.mark.looptime

OURS, THEIRS = "understudy:a_1", "control-plane_1"


def seen(leader: Leader, *silent: float, state: str = LEADING) -> Seen:
    """A Lease with one candidate for each of `silent` (seconds since its sign of life), the first one in `state`."""
    holder = {"understudy": OURS, "upstream": THEIRS, "none": ""}[leader]
    states = [state, *[STANDING_BY] * len(silent)]
    every = [Candidate(f"c{n}", OURS if n == 0 else f"o{n}", states[n], "*", each) for n, each in enumerate(silent)]
    return Seen("kube-scheduler", True, leader, holder, candidates=tuple(every))


@pytest.mark.parametrize(
    ("found", "lead", "replicas", "said"),
    [
        (seen("understudy", 1, 2), True, 2, None),
        (seen("upstream", 1, 2), False, 2, None),
        (seen("upstream", 1, 2), True, 2, f"scheduler: {THEIRS} holds kube-scheduler, none of ours"),
        (seen("none", 1), True, 1, "scheduler: nobody holds kube-scheduler, none of ours"),
        (seen("understudy", 1, 99), True, 2, "scheduler: 1 of 2 replicas are on call"),
        (
            seen("understudy", 1, 2, state=STANDING_BY),
            True,
            2,
            f"scheduler: {OURS} took kube-scheduler and waits until its former holder can write no more",
        ),
    ],
)
def test_what_is_missing(found: Seen, lead: bool, replicas: int, said: str | None) -> None:
    assert missing("scheduler", found, lead, replicas) == said


async def test_it_waits_until_all_is_well() -> None:
    async def look(component: str) -> Seen:
        late = component == "scheduler" and asyncio.get_running_loop().time() < 20
        return seen("upstream" if late else "understudy", 1, 1)

    assert await wait(look, ("controllers", "scheduler"), 2, 60) == []
    assert 20 <= asyncio.get_running_loop().time() < 22


async def test_it_gives_up_and_says_what_is_missing() -> None:
    async def look(component: str) -> Seen:
        return seen("upstream" if component == "scheduler" else "understudy", 1, 1)

    (left,) = await wait(look, ("controllers", "scheduler"), 2, 60)
    assert left.endswith("holds kube-scheduler, none of ours")
    assert 60 <= asyncio.get_running_loop().time() < 62
