"""The part of cluster DNS that every process has: its copy of the zone, its table, its forwarder, its sockets.

The process that watches has one (`component`), and each of those that only answer (`worker`).
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from understudy.dns.config import Config
from understudy.dns.keeper import Copy
from understudy.dns.metrics import PROTOCOLS, Sample, Times
from understudy.dns.own import Names, of_hosts
from understudy.dns.querylog import query_log
from understudy.dns.records import Zone
from understudy.dns.rewrite import Rewriter
from understudy.dns.routes import Routes
from understudy.dns.server import Server, Service
from understudy.dns.settings import Settings
from understudy.dns.table import Table

HOSTS, DECLARED = "hosts", "declared"
"""Where names beside the cluster's come from."""


class Answering:
    """`start` listens: from then on everything is answered, SERVFAIL where the zone would have to be known.

    `cache_only`: others are asked for the cluster's names, too.
    """

    def __init__(self, settings: Settings, *, cache_only: bool = False, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._loop_name = f"{secrets.token_hex(16)}.understudy-loop"
        self.zone = Zone(settings.domain, pods=settings.pods, elsewhere=cache_only)
        self.forwarder = Routes(time.monotonic)
        self.table = Table(self.zone, _version(), loop_name=self._loop_name, on_loop=self.forwarder.found_loop)
        self.table.synced = cache_only
        self.copy = Copy(self.zone, self.table.forget, now)
        self._times = (Times(), Times())
        self.service = Service(self.table, self.forwarder, self._timed)
        self._server = Server(self.service)
        self._probing: asyncio.Task[None] | None = None

    def configure(self, config: Config) -> None:
        """From now on answer as `config` says. Raises OSError: a file of certificates cannot be read."""
        self.forwarder.configure(config)
        if self._probing is not None:
            self._probing.cancel()
            self._probing = _spawn(self.forwarder.probe(self._loop_name))
        self.table.rewriter = Rewriter(config.rewrite)
        self.service.log = query_log(config, random.Random())
        self.copy.put_own(HOSTS, of_hosts(config))
        self.table.forget_all()

    def declare(self, names: Names) -> None:
        """From now on the users' own names are these."""
        self.copy.put_own(DECLARED, names)

    async def start(self, port: int | None = None) -> int:
        """Listen at the address set (or at another port of it); the port. Raises OSError."""
        self.configure(self._settings.config)
        chosen = await self._server.start(self._settings.host, self._settings.port if port is None else port)
        self._probing = _spawn(self.forwarder.probe(self._loop_name))
        return chosen

    async def stop(self) -> None:
        """End at once."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._server.stop()
        await self.forwarder.close()

    def sample(self) -> Sample:
        """What was counted so far."""
        questions = {
            (proto, *label): count
            for proto, counts in zip(PROTOCOLS, self.table.counts, strict=True)
            for label, count in list(counts.items())
        }
        said, entries = self.forwarder.counts, len(self.forwarder) + len(self.table)
        dropped = self.service.dropped
        return Sample(
            questions,
            said.rcodes,
            self._times,
            said.hits,
            said.misses,
            entries,
            dropped,
            said.refused,
            said.stale,
            said.renewed,
        )

    def _timed(self, seconds: float, count: int, *, tcp: bool) -> None:
        self._times[tcp].add(seconds, count)


def _spawn(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(work)


def _version() -> str:
    try:
        return f"Understudy {version('understudy')}"
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "Understudy"
