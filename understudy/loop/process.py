"""One component as a process: connection, health, leader election, manager, signals, exit code.

`understudy run controllers` and `understudy run scheduler` end up here. A component is anything with `start`, `lead`
and `stop` (`loop.run.Manager` is one). Exit codes: 0 asked to stop, 1 lost the Lease, 2 cannot begin.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.api.transport import Lost
from understudy.errors import ApiError
from understudy.loop.lease import Lease, LeaseLost
from understudy.obs.health import HealthServer
from understudy.obs.metrics import METRICS

log = logging.getLogger(__name__)

Pages = Mapping[str, Callable[[Mapping[str, str]], Any]]


class Component(Protocol):
    """What a process runs: watches from `start`, acts from `lead` on, ends with `stop`."""

    @property
    def unsynced(self) -> list[str]: ...
    async def start(self) -> None: ...
    async def lead(self, *, relist: bool = False) -> None: ...
    async def stop(self) -> None: ...
    def pages(self) -> Pages: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about any component. `lease` is namespace/name, or None: act without election."""

    kubeconfig: Path | None = None
    context: str | None = None
    lease: tuple[str, str] | None = None
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    health_host: str = "127.0.0.1"
    health_port: int = 0
    port_file: Path | None = None
    connections: int = 64

    @property
    def identity(self) -> str:
        return f"{socket.gethostname()}_{os.getpid()}"


Make = Callable[[Client, Callable[[], None]], Awaitable[Component]]
"""Makes the component from its client and a function to call when a write was fenced."""


async def run(options: Options, make: Make) -> int:
    """Run a component until SIGTERM or SIGINT, or until its Lease is lost. Raises ConfigError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connection = load(options.kubeconfig, options.context)
    client = Client(connect(connection, size=options.connections))
    try:
        component = await make(client, stop.set)
        return await _Process(options, client, component, stop).run()
    finally:
        await client.close()


class _Process:
    def __init__(self, options: Options, client: Client, component: Component, stop: asyncio.Event) -> None:
        self._options = options
        self._client = client
        self._component = component
        self._stop = stop
        self._lease = _lease(options, client)
        self._leading = False

    async def run(self) -> int:
        pages = {f"/debug/{name}": page for name, page in self._component.pages().items()}
        health = HealthServer({"sync": self._synced}, METRICS, pages)
        port = await health.start(self._options.health_host, self._options.health_port)
        if self._options.port_file is not None:
            self._options.port_file.write_text(str(port))
        work = asyncio.ensure_future(self._work())
        asked = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            return await self._end(work)
        finally:
            asked.cancel()
            await health.stop()

    async def _work(self) -> None:
        """Watch at once, lead when elected: a standby is warm, but lists anew before its first decision."""
        await self._component.start()
        if self._lease is None:
            await self._lead(relist=False)
            await self._stop.wait()
            return
        await self._lease.acquire()
        keeping = asyncio.ensure_future(self._lease.keep())
        try:
            await self._lead(relist=True)
            await keeping
        finally:
            keeping.cancel()

    async def _lead(self, *, relist: bool) -> None:
        await self._component.lead(relist=relist)
        self._leading = True
        log.info("leading: all loops are at work")

    async def _end(self, work: "asyncio.Future[None]") -> int:
        lost = work.done() and isinstance(work.exception(), LeaseLost)
        if work.done() and (error := work.exception()) is not None and not lost:
            raise error
        work.cancel()
        with suppress(asyncio.CancelledError, LeaseLost):
            await work
        await self._component.stop()
        if self._lease is not None and self._leading and not lost:
            with suppress(ApiError, Lost):
                await self._lease.release()
        if lost:
            log.error("the Lease is lost: another leads, or the API server cannot be reached; ending")
        return 1 if lost else 0

    def _synced(self) -> str | None:
        missing = self._component.unsynced
        return f"not synced yet: {', '.join(missing)}" if missing else None


def _lease(options: Options, client: Client) -> Lease | None:
    if options.lease is None:
        return None
    namespace, name = options.lease
    return Lease(
        client,
        namespace,
        name,
        options.identity,
        duration=options.lease_duration,
        renew_deadline=options.renew_deadline,
        retry=options.retry_period,
    )
