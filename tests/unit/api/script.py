"""A transport that does what a test wrote down, and lines as a server sends them. In virtual time."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from understudy.api.client import Client
from understudy.api.transport import Answer
from understudy.api.watch import Watch
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.state.store import Store


class Thing(Obj, gc=False):
    size: int = 0


THINGS = Kind("example.com/v1", "things", "Thing", Thing)
PATH = "/apis/example.com/v1/things"
Act = bytes | float | Answer | Exception | Callable[[], object]
"""A line to deliver, seconds to wait, an answer or error to end with, or something to do meanwhile."""


class Script:
    """Streams and requests play the next entry of their list each; then a stream stays open, but after an ERROR.

    `calls` are the times and paths asked for.
    """

    def __init__(self, *streams: Sequence[Act], answers: Sequence[Answer | Exception] = ()) -> None:
        self.fence = math.inf
        self.streams = list(streams)
        self.answers = list(answers)
        self.calls: list[tuple[float, str]] = []
        self.accepts: list[str] = []
        self.bodies: list[Any] = []
        self.open = 0

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        self._note(path, accept)
        self.bodies.append((method, content_type, msgspec.json.decode(body) if body else None))
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def stream(
        self, path: str, on_line: Callable[[bytes], None], *, accept: str = "application/json", idle: float = 90.0
    ) -> Answer:
        self._note(path, accept)
        self.open += 1
        try:
            for act in self.streams.pop(0) if self.streams else ():
                if isinstance(act, Answer):
                    return act
                await self._perform(act, on_line)
                if isinstance(act, bytes) and act.startswith(b'{"type":"ERROR"'):
                    return Answer(200, b"")
            return await asyncio.Future()
        finally:
            self.open -= 1

    async def close(self) -> None: ...

    async def _perform(self, act: bytes | float | Exception | Callable[[], object], on_line: Any) -> None:
        if isinstance(act, bytes):
            on_line(act)
        elif isinstance(act, Exception):
            raise act
        elif callable(act):
            act()
        else:
            await asyncio.sleep(act)

    def _note(self, path: str, accept: str) -> None:
        self.calls.append((asyncio.get_running_loop().time(), path))
        self.accepts.append(accept)

    @property
    def kinds(self) -> list[str]:
        """What was asked for: "list", "pages", or the revision resumed from."""
        return [_kind_of(path) for _, path in self.calls]


def _kind_of(path: str) -> str:
    if "sendInitialEvents" in path:
        return "list"
    return path.rpartition("resourceVersion=")[2] if "resourceVersion=" in path else "pages"


def thing(name: str, revision: int, uid: str = "", **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "a", "uid": uid or f"uid-{name}", "resourceVersion": str(revision)}
    return {"metadata": meta, **more}


def line(kind: str, name: str, revision: int, uid: str = "", **more: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "object": thing(name, revision, uid, **more)})


def added(name: str, revision: int, uid: str = "", **more: Any) -> bytes:
    return line("ADDED", name, revision, uid, **more)


def deleted(name: str, revision: int, uid: str = "", **more: Any) -> bytes:
    return line("DELETED", name, revision, uid, **more)


def bookmark(revision: int, *, end: bool = False) -> bytes:
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    if end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return msgspec.json.encode({"type": "BOOKMARK", "object": {"metadata": meta}})


def listed(*lines: bytes, rv: int) -> list[Act]:
    """A complete streamed list; what follows can be appended."""
    return [*lines, bookmark(rv, end=True)]


def status(code: int, reason: str = "", message: str = "") -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


def error(code: int, reason: str = "") -> bytes:
    return msgspec.json.encode({"type": "ERROR", "object": status(code, reason)})


def refused(code: int, reason: str = "") -> Answer:
    return Answer(code, msgspec.json.encode(status(code, reason)))


def page(*items: dict[str, Any], rv: int, token: str = "") -> Answer:
    meta = {"resourceVersion": str(rv)} | ({"continue": token} if token else {})
    return Answer(200, msgspec.json.encode({"metadata": meta, "items": list(items)}))


class Watched:
    """A watch that runs over a script: `async with`, and afterwards nothing of it may be left."""

    def __init__(self, script: Script, kind: Kind[Any] = THINGS) -> None:
        self.script = script
        self.store: Store[Any] = Store(kind)
        self.watch: Watch[Any] = Watch(Client(script), self.store)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watched":
        self.task = asyncio.create_task(self.watch.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=10)
        assert self.task.cancelled(), f"it did not end by the cancellation but is {self.task}"
        assert self.script.open == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    @property
    def shown(self) -> dict[str, int]:
        return {obj.name: obj.revision for obj in self.store.all()}
