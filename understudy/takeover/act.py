"""`understudy takeover` and `release`: ask, then wait and say what happens, until it is so or time is up.

Called by `takeover.cli`. Where there is a ControlPlane its spec is edited, since its operator would undo anything else;
otherwise the Leases are annotated directly.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from understudy.loop.call import CHOICE, LEADER, UNDERSTUDY, UPSTREAM
from understudy.takeover.leases import Leases
from understudy.takeover.seen import Seen

LOOK = 0.5
"""Seconds between two looks."""
Say = Callable[[str], None]


class NotDone(Exception):
    """What was asked for did not happen; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of some components. `run`: which controllers, None for as they are chosen now."""

    components: Sequence[str]
    take: bool
    run: Sequence[str] | None = None
    now: bool = False
    """Release even while upstream's process is being restarted, and nobody would lead."""


async def carry_out(leases: Leases, order: Order, say: Say, timeout: float) -> None:
    """See that `order` is done. Raises NotDone, ApiError, Lost."""
    before = {component: await leases.look(component) for component in order.components}
    if order.take:
        for component, seen in before.items():
            _check_candidates(component, seen)
    plane = await leases.control_plane()
    if plane is not None and "deletionTimestamp" in plane["metadata"]:
        raise NotDone("the ControlPlane is being deleted, which releases everything: wait until it is gone")
    if plane is not None:
        say("there is a ControlPlane: its spec is changed, and its operator does the rest")
        await leases.direct({component: _spec(order, component) for component in order.components})
    try:
        async with asyncio.timeout(timeout):
            if plane is None or order.now:
                for component in order.components:
                    await _annotate(leases, order, component, say)
            async with asyncio.TaskGroup() as group:
                for component, seen in before.items():
                    group.create_task(_follow(leases, component, seen, order.take, say))
    except TimeoutError:
        raise NotDone(await _verdict(leases, order, timeout, directed=plane is not None)) from None
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _annotate(leases: Leases, order: Order, component: str, say: Say) -> None:
    """Ask the Lease itself; for its release only when upstream's process is there to lead."""
    told = False
    while not (order.take or order.now) and (seen := await leases.look(component)).restarting:
        if not told:
            say(f"{component}: {releasing(seen, seen)}")
        told = True
        await asyncio.sleep(LOOK)
    await leases.annotate(component, _annotations(order, component))


def _check_candidates(component: str, seen: Seen) -> None:
    if not seen.on_call and seen.leader != UNDERSTUDY:
        raise NotDone(
            f"no replica of Understudy is on call for {seen.lease}: install the chart, or run"
            f" `understudy run {component} --leader-elect --on-call`"
        )


def _spec(order: Order, component: str) -> dict[str, object]:
    spec: dict[str, object] = {"takeOver": order.take}
    if order.run is not None and component == "controllers":
        spec["run"] = list(order.run)
    return spec


def _annotations(order: Order, component: str) -> dict[str, str | None]:
    annotations: dict[str, str | None] = {LEADER: UNDERSTUDY if order.take else UPSTREAM}
    if component == "controllers" and (order.run is not None or not order.take):
        annotations[CHOICE] = ",".join(order.run) if order.run else None
    return annotations


async def _follow(leases: Leases, component: str, before: Seen, take: bool, say: Say) -> None:
    """Say each thing once, until it is as ordered."""
    told = ""
    while True:
        seen = await leases.look(component)
        text = taking(before, seen) if take else releasing(before, seen)
        if text != told:
            say(f"{component}: {text}")
            told = text
        if (seen.acting and seen.wanted) if take else (seen.leader == UPSTREAM):
            return
        await asyncio.sleep(LOOK)


def taking(before: Seen, seen: Seen) -> str:
    """How far a takeover is, in a sentence."""
    if seen.leader == UNDERSTUDY:
        if seen.acting:
            return f"ours leads now ({seen.holder})"
        if before.leader == UPSTREAM:
            return f"ours has the Lease and waits: {before.holder} held it and may write for {before.duration} s more"
        return "ours has the Lease and waits until its last holder can no longer write"
    if seen.leader == UPSTREAM:
        return f"{seen.holder} holds {seen.lease}, {len(seen.on_call)} of ours are on call"
    return f"nobody holds {seen.lease}, {len(seen.on_call)} of ours are on call"


def releasing(before: Seen, seen: Seen) -> str:
    """How far a release is, in a sentence."""
    if seen.leader == UNDERSTUDY and seen.restarting:
        return f"{seen.restarting} is being restarted; ours lead until it runs"
    if seen.leader == UNDERSTUDY:
        return f"{seen.holder} stops its loops and gives {seen.lease} back"
    if seen.leader == UPSTREAM:
        return f"upstream leads now ({seen.holder})" if before.leader != UPSTREAM else f"upstream leads ({seen.holder})"
    return f"{seen.lease} is free for upstream, which tries every 2 s"


async def _verdict(leases: Leases, order: Order, timeout: float, *, directed: bool) -> str:
    """Why it is not done after `timeout` seconds."""
    texts = []
    for component in order.components:
        seen = await leases.look(component)
        if order.take and not (seen.acting and seen.wanted):
            asked = "" if seen.wanted or not directed else "; is its operator running (`understudy run operator`)?"
            texts.append(f"{component}: {seen.holder or 'nobody'} holds {seen.lease}{asked}")
        elif not order.take and seen.leader == UNDERSTUDY and seen.restarting:
            texts.append(
                f"{component}: {seen.restarting} is being restarted, for which the kubelet takes up to five minutes; "
                f"ours lead until it runs (--now gives {seen.lease} back at once)"
            )
        elif not order.take and seen.leader == UNDERSTUDY:
            asked = "; is its operator running (`understudy run operator`)?" if directed and seen.wanted else ""
            texts.append(f"{component}: {seen.holder} still holds {seen.lease}{asked}")
        elif not order.take and seen.leader == "none":
            texts.append(f"{component}: ours gave {seen.lease} back, but nobody took it: does upstream run?")
    return f"not done after {timeout:g} s; " + "; ".join(texts)
