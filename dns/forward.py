"""Questions that are not the cluster's, asked of others: one at a time each, kept as long as the answer says.

`routes` has one for each zone that says whom to ask. The same question asked again while it is under way waits for the
same answer. Servers are asked in the order of the policy, those that are down last; when none answers, or all lead back
to us, that is SERVFAIL, or what was known before. Answers to CoreDNS plugin/forward, plugin/cache and plugin/loop.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence

from understudy.dns.cache import Asked, Cache, Hit
from understudy.dns.config import Cache as CacheSettings
from understudy.dns.config import Forward
from understudy.dns.health import Exchange, Watcher, in_order
from understudy.dns.lookup import Finding, Record
from understudy.dns.message import Reply, answers, read
from understudy.dns.names import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, SOA, Malformed, to_wire
from understudy.dns.upstream import Unanswered, Upstream, ask_for, exchange
from understudy.dns.wire import CD, Query, message

log = logging.getLogger(__name__)

TOTAL = 5.0
"""Seconds until an asker is told that nobody answers."""


class Counts:
    """Since the start; `component` shows them as metrics."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.shared = 0
        self.failed = 0
        self.refused = 0
        self.stale = 0
        self.renewed = 0
        self.rcodes: dict[tuple[str, int], int] = {}


class Forwarder:
    """`clock` counts seconds and never goes back. Without upstreams everything is REFUSED."""

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        clock: Callable[[], float],
        *,
        forward: Forward | None = None,
        cache: CacheSettings | None = None,
        counts: Counts | None = None,
        exchange: Exchange = exchange,
        rng: random.Random | None = None,
    ) -> None:
        self.upstreams = list(upstreams)
        self.settings = forward or Forward()
        self.cache = Cache(cache or CacheSettings())
        self.counts = counts or Counts()
        self.looping = False
        self._clock = clock
        self._exchange = exchange
        self._rng = rng or random.Random()
        self._turn = 0
        self._watcher = Watcher(exchange, self.settings.healthCheck)
        self._under_way: dict[Asked, asyncio.Task[Reply]] = {}

    def __len__(self) -> int:
        return len(self.cache)

    def kept(self, query: Query, limit: int) -> bytes | None:
        """The answer, if it is known and still holds, or may be given although it does not."""
        hit = self._hit(_asked(query))
        return None if hit is None else hit.reply.answer(query, limit, hit.age)

    async def answer(self, query: Query, limit: int) -> bytes:
        """The answer for one asker, in any case."""
        try:
            reply, age = await self._reply(_asked(query))
        except Overrun:
            return message(query, REFUSED, authoritative=False)
        except Unanswered:
            return message(query, SERVFAIL, authoritative=False)
        return reply.answer(query, limit, age)

    async def complete(self, query: Query, begun: Finding, limit: int) -> bytes:
        """The answer that begins with CNAMEs of ours, or with a rewritten name, and goes on outside: both together."""
        assert begun.outside is not None
        question = to_wire(begun.outside) + query.question[-4:]
        try:
            reply, age = await self._reply((question, bool(query.edns and query.edns.dnssec), bool(query.flags & CD)))
            rest, authority = answers(reply, question), answers(reply, question, 1)
        except (Unanswered, Overrun, Malformed):
            return message(query, SERVFAIL, Finding(answers=begun.answers), limit)
        rcode = reply.rcode if reply.rcode in (NOERROR, NXDOMAIN) else SERVFAIL
        aged = _aged(rest, age)
        start: tuple[Record, ...] = ()
        if not begun.answers:  # a rewritten name: no CNAME says what it leads to
            aged = [each._replace(name=query.name) if each.name == begun.outside else each for each in aged]
            start = tuple(_aged((each for each in authority if each.type == SOA and not rest), age))
        return message(query, rcode, Finding(answers=(*begun.answers, *aged), authority=start), limit)

    async def _reply(self, asked: Asked) -> tuple[Reply, int]:
        """The reply and its age in seconds. Raises Unanswered, Overrun."""
        hit = self._hit(asked)
        if hit is not None:
            return hit.reply, hit.age
        old = self.cache.get(asked, self._clock())
        try:
            reply = await asyncio.shield(self._asking(asked))
        except Unanswered:
            if old is None:
                raise
        else:
            if old is None or reply.rcode in (NOERROR, NXDOMAIN):
                return reply, 0
        self.counts.stale += 1
        return old.reply, old.age

    def _hit(self, asked: Asked) -> Hit | None:
        """What can be given at once; if need be, it is asked for anew meanwhile."""
        hit = self.cache.get(asked, self._clock())
        if hit is None or (hit.stale and self.cache.settings.staleMode == "verify"):
            return None
        self.counts.hits += 1
        self.counts.stale += hit.stale
        if hit.renew and asked not in self._under_way and len(self._under_way) < self.settings.maxConcurrent:
            self.counts.renewed += 1
            self._begin(asked)
        return hit

    def _asking(self, asked: Asked) -> "asyncio.Task[Reply]":
        task = self._under_way.get(asked)
        if task is not None:
            self.counts.shared += 1
            return task
        if not self.upstreams or len(self._under_way) >= self.settings.maxConcurrent:
            self.counts.refused += 1
            raise Overrun
        self.counts.misses += 1
        return self._begin(asked)

    def _begin(self, asked: Asked) -> "asyncio.Task[Reply]":
        task = asyncio.get_running_loop().create_task(self._ask(asked))
        self._under_way[asked] = task
        task.add_done_callback(lambda done: self._ended(asked, done))
        return task

    def _ended(self, asked: Asked, task: "asyncio.Task[Reply]") -> None:
        del self._under_way[asked]
        if task.cancelled() or task.exception() is not None:  # looked at, so that nobody is told of it
            self.counts.failed += 1
            return
        self.cache.put(asked, task.result(), self._clock())

    async def _ask(self, asked: Asked) -> Reply:
        """One after the other, within TOTAL. Raises Unanswered."""
        if self.looping:
            raise Unanswered("forwarding leads back here")
        last: Reply | None = None
        try:
            async with asyncio.timeout(TOTAL):
                for upstream in self._in_order():
                    last = await self._ask_one(upstream, asked) or last
                    if last is not None and last.rcode in (NOERROR, NXDOMAIN):
                        return last
        except TimeoutError:
            log.debug("no server answered within %g s", TOTAL)
        if last is None:
            raise Unanswered("no server answers")
        return last

    async def _ask_one(self, upstream: Upstream, asked: Asked) -> Reply | None:
        question, dnssec, unchecked = asked
        try:
            reply = read(await self._exchange(upstream, ask_for(question, dnssec=dnssec, unchecked=unchecked)))
        except (Unanswered, Malformed) as error:
            log.debug("%s", error)
            upstream.did(well=False)
            self._watcher.suspect(upstream)
            return None
        upstream.did(well=True)
        label = str(upstream), reply.rcode
        self.counts.rcodes[label] = self.counts.rcodes.get(label, 0) + 1
        return reply

    def _in_order(self) -> list[Upstream]:
        self._turn += 1
        return in_order(self.upstreams, self.settings.policy, self._turn, self._rng, self.settings.maxFails)

    async def probe(self, name: str) -> None:
        """Ask every server for a name that only we know of: if the question comes in here, they lead back to us."""
        question = to_wire(name) + b"\0\x10\0\1"
        asked = [ask_for(question, dnssec=False, unchecked=False) for _ in self.upstreams]
        sent = [self._exchange(upstream, each) for upstream, each in zip(self.upstreams, asked, strict=True)]
        await asyncio.gather(*sent, return_exceptions=True)

    def found_loop(self) -> None:
        """The question of `probe` came in: forward no more."""
        if not self.looping:
            servers = ", ".join(map(str, self.upstreams))
            log.error(
                "questions forwarded to %s come back here: nothing is forwarded until this is put right; name other"
                " servers (--dns-forward, forward.to), or give this pod another resolv.conf (dnsPolicy: Default)",
                servers,
            )
        self.looping = True

    async def drain(self) -> None:
        """End once nobody waits any more; nobody begins to."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._watcher.close()
        for upstream in self.upstreams:
            if upstream.link is not None:
                await upstream.link.close()


class Overrun(Exception):
    """Too many questions are under way, or there is nobody to ask."""


def _aged(records: Iterable[Record], age: int) -> list[Record]:
    """As they are that many seconds later."""
    return [each._replace(ttl=max(each.ttl - age, 1)) for each in records]


def _asked(query: Query) -> Asked:
    return query.key, bool(query.edns and query.edns.dnssec), bool(query.flags & CD)
