"""The processes beside the one that watches: each is told every change, and started again if it dies.

Made by `component` where more than one process is asked for. They share its port by SO_REUSEPORT, and its watch: one
list and one stream of events for all of them.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import replace

from understudy.dns.config import Config
from understudy.dns.frames import Begin, Configure, Counted, Declare, Frame, Put, PutNamespace, Synced, encode, read
from understudy.dns.keeper import Told
from understudy.dns.metrics import Sample, total
from understudy.dns.own import Names as OwnNames
from understudy.dns.records import Names
from understudy.dns.settings import Settings
from understudy.kinds.meta import Key

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "understudy.dns.worker")
PAUSE = 1.0
"""Seconds until one that died is started again."""
PATIENCE = 3.0
"""Seconds one has to end by itself."""

Replay = Callable[[Told], Callable[[], bool]]
"""`Keeper.replay`: tells a newcomer everything, a portion a call."""


class Workers:
    """`count` processes. `put`, `put_namespace` and `synced` tell all that are there."""

    def __init__(self, count: int, settings: Settings, replay: Replay) -> None:
        self._count = count
        self._settings = settings
        self._replay = replay
        self._synced = False
        self._there: dict[Process, Sample] = {}
        self._past = Sample()
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        return len(self._there)

    def start(self, port: int) -> None:
        """Start them; they listen at `port` once they know the zone."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep(port), name=f"dns worker {n}") for n in range(self._count)]

    async def stop(self) -> None:
        """Let them end, and see to it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def samples(self) -> list[Sample]:
        """What they counted, those that are gone included."""
        return [self._past, *self._there.values()]

    def put(self, owner: Key, names: Names) -> None:
        """Tell all."""
        if self._there:
            self._tell(Put(owner.namespace, owner.name, names))

    def put_namespace(self, name: str, *, there: bool) -> None:
        """Tell all."""
        self._tell(PutNamespace(name, there))

    def declare(self, names: OwnNames) -> None:
        """Tell all."""
        self._tell(Declare(names))

    def configure(self, config: Config) -> None:
        """Tell all, and those that come later."""
        self._settings = replace(self._settings, config=config)
        self._tell(Configure(config))

    def synced(self) -> None:
        """From now on the zone is known whole."""
        self._synced = True
        self._tell(Synced())

    def _tell(self, frame: Frame) -> None:
        data = encode(frame)
        for process in self._there:
            _write(process, data)

    async def _keep(self, port: int) -> None:
        """One place among them, always filled."""
        while True:
            process = await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE)
            try:
                await self._live(process, port)
            except Exception:
                log.exception("a DNS worker cannot be told what to do: this is a bug")
            finally:
                sample = self._there.pop(process, Sample())
                self._past = total([self._past, sample])
                await _end(process)
            log.warning("a DNS worker ended with code %s: starting another", process.returncode)
            await asyncio.sleep(PAUSE)

    async def _live(self, process: Process, port: int) -> None:
        """Tell it everything, then listen to what it counts until it ends."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._there[process] = Sample()
        _write(process, encode(Begin(self._settings, port)))
        try:
            more = self._replay(_One(process))
            while more():
                await process.stdin.drain()
            if self._synced:
                _write(process, encode(Synced()))
            while True:
                frame = await read(process.stdout)
                if isinstance(frame, Counted):
                    self._there[process] = frame.sample
        except (EOFError, ConnectionError):
            return


class _One:
    """A newcomer, while it is told what the others know."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def put(self, owner: Key, names: Names) -> None:
        _write(self._process, encode(Put(owner.namespace, owner.name, names)))

    def put_namespace(self, name: str, *, there: bool) -> None:
        _write(self._process, encode(PutNamespace(name, there)))

    def declare(self, names: OwnNames) -> None:
        _write(self._process, encode(Declare(names)))


def _write(process: Process, data: bytes) -> None:
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.write(data)


async def _end(process: Process) -> None:
    """Close what it reads, and wait; one that does not end is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    except TimeoutError:
        log.warning("a DNS worker does not end: killing it")
        process.kill()
        await process.wait()
