"""Servers that did not answer are looked after until they do: one question at a time, for the servers of the root.

Used by `forward`. A server that failed `max_fails` times in a row is down: it is asked last. Answers to CoreDNS
plugin/pkg/proxy/health.go.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from understudy.dns.config import Policy
from understudy.dns.names import IN, NS
from understudy.dns.upstream import Unanswered, Upstream, ask_for

ROOT_SERVERS = b"\0" + NS.to_bytes(2, "big") + IN.to_bytes(2, "big")
Exchange = Callable[[Upstream, bytes], Awaitable[bytes]]


def in_order(
    upstreams: Sequence[Upstream], policy: Policy, turn: int, rng: random.Random, max_fails: int
) -> list[Upstream]:
    """Whom to ask first, second, …: those that are down at the end, in any order."""
    up = [each for each in upstreams if not is_down(each, max_fails)]
    down = [each for each in upstreams if is_down(each, max_fails)]
    rng.shuffle(down)
    if policy == "random":
        rng.shuffle(up)
    elif policy == "round_robin" and up:
        by = turn % len(up)
        up = up[by:] + up[:by]
    return up + down


def is_down(upstream: Upstream, max_fails: int) -> bool:
    """Whether it failed too often; with 0 none ever is."""
    return 0 < max_fails <= upstream.failures


class Watcher:
    """`suspect` begins to look after a server; that ends when it answers anything at all."""

    def __init__(self, exchange: Exchange, every: float) -> None:
        self._exchange, self._every = exchange, every
        self._tasks: dict[Upstream, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Servers looked after."""
        return len(self._tasks)

    def suspect(self, upstream: Upstream) -> None:
        """It failed."""
        if upstream not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._until_well(upstream))
            self._tasks[upstream] = task
            task.add_done_callback(lambda _: self._tasks.pop(upstream, None))

    async def close(self) -> None:
        """Look no more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_well(self, upstream: Upstream) -> None:
        while upstream.failures:
            await asyncio.sleep(self._every)
            try:
                await self._exchange(upstream, ask_for(ROOT_SERVERS, dnssec=False, unchecked=False))
            except Unanswered:
                upstream.did(well=False)
            else:
                upstream.did(well=True)
