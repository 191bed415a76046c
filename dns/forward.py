"""Questions that are not the cluster's, asked of others: one at a time each, kept as long as the answer says.

`server` calls it for every Query that `table` hands back. The same question asked again while it is under way waits for
the same answer. Servers are asked in their order, those that failed lately last; when none answers, or all lead back to
us, that is SERVFAIL. Answers to CoreDNS plugin/forward, plugin/cache and plugin/loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from understudy.dns.lookup import Finding, Record
from understudy.dns.message import Reply, answers, read
from understudy.dns.names import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, Malformed, to_wire
from understudy.dns.upstream import Unanswered, Upstream, ask_for, exchange
from understudy.dns.wire import CD, Query, message

log = logging.getLogger(__name__)

KEEP = 30
"""Seconds an answer is kept at most, negative ones, too: as in the Corefile of kubeadm (cache 30)."""
ENTRIES = 10_000
UNDER_WAY = 1000
"""Questions under way at most, as in the Corefile of kubeadm (max_concurrent 1000)."""
TOTAL = 5.0
"""Seconds until an asker is told that nobody answers."""

Exchange = Callable[[Upstream, bytes], Awaitable[bytes]]
Asked = tuple[bytes, bool, bool]
"""Question in lower case, DO, CD: what two askers must have in common to get the same answer."""


class Kept(NamedTuple):
    reply: Reply
    since: float


class Counts:
    """Since the start; `component` shows them as metrics."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.shared = 0
        self.failed = 0
        self.refused = 0
        self.rcodes: dict[tuple[str, int], int] = {}


class Forwarder:
    """`clock` counts seconds and never goes back. Without upstreams everything is REFUSED."""

    def __init__(
        self, upstreams: Sequence[Upstream], clock: Callable[[], float], *, exchange: Exchange = exchange
    ) -> None:
        self.upstreams = list(upstreams)
        self.counts = Counts()
        self.looping = False
        self._clock = clock
        self._exchange = exchange
        self._kept: dict[Asked, Kept] = {}
        self._under_way: dict[Asked, asyncio.Task[Reply]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self, query: Query, limit: int) -> bytes | None:
        """The answer, if it is known and still holds."""
        asked = _asked(query)
        kept = self._kept.get(asked)
        age = int(self._clock() - kept.since) if kept else 0
        if kept is None or age >= min(kept.reply.life, KEEP):
            return None
        self.counts.hits += 1
        return kept.reply.answer(query, limit, age)

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
        """The answer that begins with CNAMEs of ours and goes on outside: both together."""
        assert begun.outside is not None
        question = to_wire(begun.outside) + query.question[-4:]
        try:
            reply, age = await self._reply((question, bool(query.edns and query.edns.dnssec), bool(query.flags & CD)))
            rest = answers(reply, question)
        except (Unanswered, Overrun, Malformed):
            return message(query, SERVFAIL, Finding(answers=begun.answers), limit)
        rcode = reply.rcode if reply.rcode in (NOERROR, NXDOMAIN) else SERVFAIL
        aged = [Record(each.name, each.type, max(each.ttl - age, 1), each.data) for each in rest]
        return message(query, rcode, Finding(answers=(*begun.answers, *aged)), limit)

    async def _reply(self, asked: Asked) -> tuple[Reply, int]:
        """The reply and its age in seconds. Raises Unanswered, Overrun."""
        kept = self._kept.get(asked)
        if kept is not None and (age := int(self._clock() - kept.since)) < min(kept.reply.life, KEEP):
            self.counts.hits += 1
            return kept.reply, age
        task = self._under_way.get(asked)
        if task is not None:
            self.counts.shared += 1
        else:
            task = self._begin(asked)
        return await asyncio.shield(task), 0

    def _begin(self, asked: Asked) -> "asyncio.Task[Reply]":
        if not self.upstreams or len(self._under_way) >= UNDER_WAY:
            self.counts.refused += 1
            raise Overrun
        self.counts.misses += 1
        task = asyncio.get_running_loop().create_task(self._ask(asked))
        self._under_way[asked] = task
        task.add_done_callback(lambda done: self._ended(asked, done))
        return task

    def _ended(self, asked: Asked, task: "asyncio.Task[Reply]") -> None:
        del self._under_way[asked]
        if task.cancelled() or task.exception() is not None:  # looked at, so that nobody is told of it
            self.counts.failed += 1
            return
        reply = task.result()
        if reply.life > 0:
            self._kept.pop(asked, None)
            self._kept[asked] = Kept(reply, self._clock())
            if len(self._kept) > ENTRIES:
                del self._kept[next(iter(self._kept))]

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
            upstream.did(well=False, now=self._clock())
            return None
        upstream.did(well=True, now=self._clock())
        label = str(upstream), reply.rcode
        self.counts.rcodes[label] = self.counts.rcodes.get(label, 0) + 1
        return reply

    def _in_order(self) -> list[Upstream]:
        now = self._clock()
        return sorted(self.upstreams, key=lambda each: each.resting_until > now)

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
                " servers (--dns-forward), or give this pod another resolv.conf (dnsPolicy: Default)",
                servers,
            )
        self.looping = True

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Overrun(Exception):
    """Too many questions are under way, or there is nobody to ask."""


def _asked(query: Query) -> Asked:
    return query.key, bool(query.edns and query.edns.dnssec), bool(query.flags & CD)


def servers_of(resolv_conf: str) -> list[Upstream]:
    """The name servers of a resolv.conf, the first three as everywhere."""
    words = (line.split() for line in resolv_conf.splitlines())
    return [Upstream(each[1]) for each in words if len(each) > 1 and each[0] == "nameserver"][:3]
