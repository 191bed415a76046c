"""One Lease on a server with optimistic locking, and the wires of those who want it. In virtual time."""

import asyncio
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from understudy.api.client import Client
from understudy.api.transport import Answer, Lost
from understudy.loop.lease import Lease

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
SPEC = {
    "holderIdentity": "kcm",
    "leaseDurationSeconds": 15,
    "acquireTime": "2026-01-01T00:00:00.000000Z",
    "renewTime": "2026-01-01T00:00:00.000000Z",
    "leaseTransitions": 3,
}


def now() -> float:
    return asyncio.get_running_loop().time()


def clock() -> datetime:
    return START + timedelta(seconds=now())


class Server:
    """One Lease, with the server's optimistic locking."""

    def __init__(self, spec: dict[str, Any] | None = None, **more: Any) -> None:
        self.lease: dict[str, Any] | None = None
        self.revision = 0
        self.wires: list[Wire] = []
        if spec is not None:
            self.write({"metadata": {"name": "x", "namespace": "kube-system"}, "spec": spec, **more})

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec

    def write(self, lease: dict[str, Any]) -> None:
        self.revision += 1
        metadata = {**lease["metadata"], "resourceVersion": str(self.revision)}
        self.lease = {**lease, "metadata": metadata}

    def renew(self, **spec: Any) -> None:
        """Another holder's write."""
        assert self.lease is not None
        self.write({**self.lease, "spec": {**self.spec, **spec}})

    def handle(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        assert path == (PATH if method == "POST" else f"{PATH}/x")
        if method == "POST":
            if self.lease is not None:
                return status(409, "AlreadyExists")
        elif self.lease is None:
            return status(404, "NotFound")
        elif method == "PUT":
            given = body["metadata"].get("resourceVersion")
            assert given, "a write without a resourceVersion overwrites whatever is there"
            if given != self.lease["metadata"]["resourceVersion"]:
                return status(409, "Conflict")
        if method != "GET":
            self.write(body)
        return Answer(200, msgspec.json.encode(self.lease))


def status(code: int, reason: str) -> Answer:
    return Answer(code, msgspec.json.encode({"code": code, "reason": reason}))


Hop = Callable[[], float]


class Wire:
    """A transport of one process. `before` and `after` the server has seen it, a request may take time or fail."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.log: list[tuple[float, str]] = []
        self.before: Hop = lambda: 0.0
        self.after: Hop = lambda: 0.0
        self.on_fence: Callable[[], None] = lambda: None
        self.stubborn = False
        self._fence = math.inf
        server.wires.append(self)

    @property
    def fence(self) -> float:
        return self._fence

    @fence.setter
    def fence(self, until: float) -> None:
        """A stubborn process writes as long as it may, as upstream's do, though it could know that it was robbed."""
        if until > self._fence or not self.stubborn:
            self._fence = until
        self.on_fence()

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
        self.log.append((now(), method))
        # What is on its way arrives, whether or not the sender still waits for it.
        travel = asyncio.ensure_future(self._travel(method, path, body))
        travel.add_done_callback(lambda task: None if task.cancelled() else task.exception())
        return await asyncio.shield(travel)

    async def _travel(self, method: str, path: str, body: bytes | None) -> Answer:
        await asyncio.sleep(self.before())
        answer = self.server.handle(method, path, msgspec.json.decode(body or b"{}"))
        await asyncio.sleep(self.after())
        return answer

    async def stream(
        self, path: str, on_line: Callable[[bytes], None], *, accept: str = "", idle: float = 90.0
    ) -> Answer:
        raise AssertionError("a Lease is not watched")

    async def close(self) -> None: ...


def lost() -> float:
    raise Lost("cut")


def candidate(server: Server, identity: str = "me", **options: Any) -> tuple[Lease, Wire]:
    wire = Wire(server)
    lease = Lease(
        Client(wire),
        "kube-system",
        "x",
        identity,
        rng=random.Random(1),
        clock=clock,
        monotonic=asyncio.get_running_loop().time,
        **options,
    )
    return lease, wire
