"""What the show reads while it runs: replica sets and pods by our own watches, the loops' journals over HTTP."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from understudy.api.client import Client
from understudy.api.watch import Watch
from understudy.demo.board import Deed
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment, ReplicaSet
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key
from understudy.state.store import BY_NAMESPACE, Store

POLL = 0.15
DULL = ("event ", "look again ")
"""Steps the picture leaves out, like patches of a status: it shows what was done, not what was said about it."""


class Audience:
    """`async with`: watching from the start. `namespace` is the one the show plays in."""

    def __init__(self, client: Client, ports: Path, namespace: str) -> None:
        self._ports = ports
        self._namespace = namespace
        self._deployments: Store[Deployment] = Store(DEPLOYMENTS)
        self._sets: Store[ReplicaSet] = Store(REPLICA_SETS)
        self._pods: Store[Pod] = Store(PODS)
        self._watches: list[Watch[Any]] = [
            Watch(client, self._deployments),
            Watch(client, self._sets),
            Watch(client, self._pods),
        ]
        self._deeds: deque[Deed] = deque(maxlen=100)
        self._read: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Audience":
        self._tasks = [asyncio.ensure_future(watch.run()) for watch in self._watches]
        self._tasks.append(asyncio.ensure_future(self._listen()))
        for watch in self._watches:
            await watch.synced.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def deployment(self, name: str) -> Deployment | None:
        return self._deployments.get(Key(self._namespace, name))

    @property
    def sets(self) -> Sequence[ReplicaSet]:
        return self._sets.by(BY_NAMESPACE, self._namespace)

    @property
    def pods(self) -> Sequence[Pod]:
        return self._pods.by(BY_NAMESPACE, self._namespace)

    @property
    def deeds(self) -> Sequence[Deed]:
        return list(self._deeds)

    async def _listen(self) -> None:
        while True:
            for file in sorted(self._ports.glob("*")):
                for record in await self._journal(file):
                    self._deeds.extend(_deeds_of(record, self._namespace))
            await asyncio.sleep(POLL)

    async def _journal(self, file: Path) -> Sequence[Mapping[str, Any]]:
        """The news of one component; silence if it does not answer: the picture goes on without it."""
        try:
            port = int(file.read_text())  # noqa: ASYNC240 - five bytes of a local file
            records = await _get(port, f"/debug/journal?since={self._read.get(file.name, 0)}")
        except (OSError, ValueError, EOFError):
            return ()
        if records:
            self._read[file.name] = max(record["number"] for record in records)
        return records


def _deeds_of(record: Mapping[str, Any], namespace: str) -> list[Deed]:
    if record["namespace"] != namespace and (record["namespace"] or record["name"] != namespace):
        return []
    loop = record["controller"].removesuffix("-controller")
    return [Deed(loop, record["name"], step) for step in record["steps"] if not _dull(step)]


def _dull(step: str) -> bool:
    return step.startswith(DULL) or "/status:" in step


async def _get(port: int, path: str) -> list[Mapping[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            return []
        found: list[Mapping[str, Any]] = json.loads(body)
        return found
    finally:
        writer.close()
