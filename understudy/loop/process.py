"""One component as a process: connection, health, leader election, manager, signals, exit code.

`understudy run controllers` and `understudy run scheduler` end up here. A component is anything with `start`, `lead`
and `stop` (`loop.run.Manager` is one). On call, a process that is called off stops its loops, gives the Lease back and
stands by again, with the controllers the Lease then names. Exit codes: 0 asked to stop, 1 lost the Lease, 2 cannot
begin.
"""

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from understudy.api.client import Client
from understudy.api.config import ConfigError, connect, load
from understudy.api.transport import Lost
from understudy.errors import ApiError, Unauthorized
from understudy.loop.call import PREFIX, CalledOff, OnCall, Recast
from understudy.loop.lease import Lease, LeaseLost
from understudy.loop.roster import STANDING_BY, Roster
from understudy.obs import status
from understudy.obs.health import HealthServer
from understudy.obs.metrics import METRICS
from understudy.plan.events import Recorder

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds an API server may take to answer at the start (WaitForAPIServer in cmd/kube-controller-manager/app)."""

TIMES = (15.0, 10.0)
"""Upstream's lease duration and renew deadline, in seconds (component-base config/v1alpha1/defaults.go)."""
ON_CALL_TIMES = (11.0, 7.0)
"""The same on call. Upstream looks every 2 to 4.4 s: it leads again at most two such pauses and the duration, 19.8 s,
after the last sign of life of ours."""

CYCLES = (50_000, 20, 20)
"""How many objects more, and how many looks, before Python looks for cycles: what the stores hold has none."""

Pages = Mapping[str, Callable[[Mapping[str, str]], Any]]


class Ended(Exception):
    """Raised by `lead` of a component that takes its own signals: it was asked to stop, and did."""


class Component(Protocol):
    """What a process runs: watches from `start`, acts from `lead` on, ends with `stop`."""

    @property
    def unsynced(self) -> list[str]: ...
    async def start(self) -> None: ...
    async def lead(self, *, relist: bool = False) -> None: ...
    async def stop(self) -> None: ...
    def pages(self) -> Pages: ...


def new_identity() -> str:
    """Who this process is, and nobody else: host, process id, and something at random.

    In a container every process is number 1. One that was restarted must not take itself for the one that died: the
    Lease may have been robbed, and its robbed holder not be waited out yet.
    """
    return f"{PREFIX}{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about any component. `lease` is namespace/name, or None: act without election.

    `on_call`: lead only while the Lease asks for it. `choice`: which controllers, unless the Lease names others.
    `status`: port, certificate and key, where the API server asks how upstream's process of this component is.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    lease: tuple[str, str] | None = None
    lease_duration: float = TIMES[0]
    renew_deadline: float = TIMES[1]
    retry_period: float = 2.0
    health_host: str = "127.0.0.1"
    health_port: int = 0
    port_file: Path | None = None
    status: tuple[int, Path, Path] | None = None
    connections: int = 64
    on_call: bool = False
    choice: str = "*"

    identity: str = field(default_factory=new_identity, compare=False)


Make = Callable[[Client, Callable[[], None], str], Awaitable[Component]]
"""Makes the component from its client, a function to call when a write was fenced, and the choice of controllers."""


async def run(options: Options, make: Make) -> int:
    """Run a component until SIGTERM or SIGINT, or until its Lease is lost.

    Raises ConfigError, OSError; Lost if nobody answers at first, Unauthorized if the credentials are refused then.
    """
    gc.freeze()  # modules stay for good, and are most of what would be looked at
    gc.set_threshold(*CYCLES)
    connection = load(options.kubeconfig, options.context)
    client = Client(connect(connection, size=options.connections))
    recorder = Recorder(client)
    telling = asyncio.ensure_future(recorder.run())
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    try:
        return await _Engagements(options, client, recorder, asked).run(make)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await client.close()


class _Engagements:
    """One Process after the other: on call, each ends when the Lease calls it off, and the next stands by."""

    def __init__(self, options: Options, client: Client, recorder: Recorder, asked: asyncio.Event) -> None:
        self._options, self._client, self._recorder, self._asked = options, client, recorder, asked
        self._choice = options.choice
        self._lease: Lease | None = None
        self._roster: Roster | None = None
        if options.on_call and options.lease is not None:
            self._roster = Roster(client, *options.lease, options.identity, self._state)

    async def run(self, make: Make) -> int:
        """The exit code of the last."""
        shown = asyncio.ensure_future(self._roster.run()) if self._roster else None
        try:
            while True:
                try:
                    return await self._engage(make)
                except CalledOff as off:
                    log.info("on call again: %s", off)
                    self._choice = off.choice
        finally:
            if self._roster is not None and shown is not None:
                shown.cancel()
                await asyncio.gather(shown, return_exceptions=True)
                await self._roster.leave()

    async def _engage(self, make: Make) -> int:
        options, client = self._options, self._client
        self._lease = _lease(options, client, self._recorder, self._choice)
        process = Process(options, self._lease, lambda: reach(client), self._asked, self._roster)
        return await process.run(await make(client, process.fenced, self._choice))

    def _state(self) -> tuple[str, str]:
        return (self._lease.state if self._lease else STANDING_BY), self._choice


async def reach(client: Client) -> None:
    """Return when the API server answers, whatever it says; raises Lost after PATIENCE, Unauthorized at once.

    Later on nothing is given up: a server that has answered once will be back.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        try:
            await client.call("GET", "/version")
        except Lost as error:
            if loop.time() >= end:
                raise Lost(f"no API server answers within {PATIENCE:g} s: {error}") from None
            await asyncio.sleep(1)
        except ApiError as error:
            if isinstance(error, Unauthorized):
                raise
            return
        else:
            return


class Process:
    """One component's life. `stop` and `fenced` may be called at any time, `fenced` as often as one likes.

    `reach` returns when there is a server to work with. `asked` is set to end it from outside, `roster` knows who else
    of ours is on call.
    """

    def __init__(
        self,
        options: Options,
        lease: Lease | None,
        reach: Callable[[], Awaitable[None]],
        asked: asyncio.Event | None = None,
        roster: Roster | None = None,
    ) -> None:
        self._options = options
        self._lease = lease
        self._reach = reach
        self._asked = asked or asyncio.Event()
        self._roster = roster
        self._fenced = False

    def stop(self) -> None:
        """End in good order."""
        self._asked.set()

    def fenced(self) -> None:
        """A write was refused because the Lease may no longer be ours: end, another may lead."""
        self._fenced = True
        self._asked.set()

    async def run(self, component: Component) -> int:
        """The exit code. Raises what the component raised, and CalledOff."""
        pages = {f"/debug/{name}": page for name, page in component.pages().items()}
        health = HealthServer({"sync": lambda: _missing(component)}, METRICS, pages)
        port = await health.start(self._options.health_host, self._options.health_port)
        if self._options.port_file is not None:
            self._options.port_file.write_text(str(port))
        if self._options.status is not None:
            await status.answer(health, *self._options.status)
        work = asyncio.ensure_future(self._work(component))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            asked.cancel()
            ended, _ = await asyncio.gather(work, asked, return_exceptions=True)
            await component.stop()
            if self._lease is not None:
                await self._lease.release(relay=self._lease.leading and await self._relayed(ended))
            await health.stop()
        return self._verdict(ended)

    async def _work(self, component: Component) -> None:
        """Watch at once, lead when elected: a standby is warm, but lists anew before its first decision."""
        await self._reach()
        await component.start()
        if self._lease is None:
            await _lead(component, relist=False)
            await asyncio.Event().wait()
            return
        await self._lease.acquire()
        try:
            async with asyncio.TaskGroup() as group:  # the Lease may be lost before the lists are there
                group.create_task(self._lease.keep())
                group.create_task(_lead(component, relist=True))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _relayed(self, ended: BaseException | None) -> bool:
        """Whether the Lease is to go to one of ours: to ourselves with other controllers, or to another on call."""
        if isinstance(ended, CalledOff):
            return isinstance(ended, Recast)
        return self._roster is not None and await self._roster.others()

    def _verdict(self, ended: BaseException | None) -> int:
        if isinstance(ended, LeaseLost):
            log.error("%s; another may lead, ending", ended)
            return 1
        if isinstance(ended, Ended):
            return 0
        if isinstance(ended, Exception):
            raise ended
        if self._fenced:
            log.error("a write came too late to be surely ours; another may lead, ending")
        return 1 if self._fenced else 0


async def _lead(component: Component, *, relist: bool) -> None:
    await component.lead(relist=relist)
    log.info("leading: all loops are at work")


def _missing(component: Component) -> str | None:
    missing = component.unsynced
    return f"not synced yet: {', '.join(missing)}" if missing else None


def _lease(options: Options, client: Client, recorder: Recorder, choice: str) -> Lease | None:
    """The Lease asked for; that it was won is told as an Event on it. Raises ConfigError for times that do not fit."""
    if options.lease is None:
        return None
    namespace, name = options.lease
    try:
        return Lease(
            client,
            namespace,
            name,
            options.identity,
            duration=options.lease_duration,
            renew_deadline=options.renew_deadline,
            retry=options.retry_period,
            tell=lambda event: recorder.record(event, name),
            on_call=OnCall(choice, options.choice) if options.on_call else None,
        )
    except ValueError as error:
        raise ConfigError(f"--lease-duration, --renew-deadline, --retry-period: {error}") from None
