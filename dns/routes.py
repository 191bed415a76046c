"""Which servers a question is forwarded to: one forwarder a zone of the configuration, the longest zone counts.

`server` asks it as if it were one forwarder. A new configuration leaves those zones alone that stay as they are, their
kept answers included.
"""

import asyncio
from collections.abc import Callable

from understudy.dns.config import ROOT, Cache, Config, Forward, target
from understudy.dns.forward import Counts, Forwarder
from understudy.dns.lookup import Finding
from understudy.dns.upstream import Upstream, exchange
from understudy.dns.wire import Query

Way = tuple[Forward | None, Cache | None]
"""What makes two zones share a forwarder."""


class Routes:
    """`configure` first; then it is asked. `counts` are those of all forwarders there are and were."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.counts = Counts()
        self._clock = clock
        self._exchange = exchange
        self._ways: dict[Way, Forwarder] = {}
        self._zones: dict[str, Forwarder] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Answers of others that are kept."""
        return sum(map(len, self._ways.values()))

    @property
    def upstreams(self) -> list[Upstream]:
        return [upstream for forwarder in self._ways.values() for upstream in forwarder.upstreams]

    @property
    def looping(self) -> bool:
        return any(each.looping for each in self._ways.values())

    def configure(self, config: Config) -> None:
        """From now on as `config` says, every `to` in it an address. Raises OSError, and all stays as it was."""
        before = self._ways
        wanted = {zone.zone: (zone.forward, zone.cache) for zone in config.zones}
        ways = {way: before[way] if way in before else self._make(way) for way in dict.fromkeys(wanted.values())}
        for forwarder in ways.values():
            forwarder.looping = False  # to be found out anew
        self._ways = ways
        self._zones = {name: self._ways[way] for name, way in wanted.items()}
        for way, forwarder in before.items():
            if way not in self._ways:
                self._leave(forwarder)

    def of(self, name: str) -> Forwarder:
        """Who asks others about this name."""
        if len(self._zones) > 1:
            while name:
                found = self._zones.get(name)
                if found is not None:
                    return found
                name = name.partition(".")[2]
        return self._zones[ROOT]

    def kept(self, query: Query, limit: int) -> bytes | None:
        """The answer, if it is known."""
        return self.of(query.name).kept(query, limit)

    async def answer(self, query: Query, limit: int) -> bytes:
        """The answer, in any case."""
        return await self.of(query.name).answer(query, limit)

    async def complete(self, query: Query, begun: Finding, limit: int) -> bytes:
        """The answer that begins with ours and goes on outside."""
        return await self.of(begun.outside or "").complete(query, begun, limit)

    async def probe(self, name: str) -> None:
        """Ask everybody for a name that only we know of."""
        await asyncio.gather(*(each.probe(name) for each in self._ways.values()))

    def found_loop(self) -> None:
        """The question of `probe` came in: it is not known by which way."""
        for each in self._ways.values():
            each.found_loop()

    async def close(self) -> None:
        """Give up what is under way."""
        await asyncio.gather(*(each.close() for each in self._ways.values()), *self._leaving)

    def _make(self, way: Way) -> Forwarder:
        forward, cache = way[0] or Forward(to=()), way[1] or Cache()
        upstreams = [
            Upstream.make(target(to), ca=forward.ca, expire=forward.expire, force_tcp=forward.forceTCP)
            for to in forward.to
        ]
        return Forwarder(
            upstreams, self._clock, forward=forward, cache=cache, counts=self.counts, exchange=self._exchange
        )

    def _leave(self, forwarder: Forwarder) -> None:
        """End it when those that wait for it have their answers."""
        task = asyncio.get_running_loop().create_task(forwarder.drain())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
