"""Looking at the Leases every two seconds, in a thread, for as long as a run lasts.

`Watching` begins and ends with a look that must succeed; a look in between that fails is left out, and `leases.voids`
notices if anything happened meanwhile. Called by `run`.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from tests.conformance.leases import LEASES, NAMESPACE, Held, Look
from tests.conformance.plan import BadPlan
from understudy.api.client import Client
from understudy.api.config import ConfigError, connect, load
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound
from understudy.kinds import coordination

EVERY = 2.0
ANSWER_SECONDS = 10.0
PATIENCE = 30.0
"""How long the last look is tried for."""

T = TypeVar("T")


class Watching:
    """Looks at the Leases of one cluster. Raises BadPlan if it cannot be reached at the beginning."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._began = time.monotonic()
        self._over = Event()
        self._thread = Thread(target=self._watch, name="leases", daemon=True)
        self.looks: list[Look] = []
        """All so far; to be read when watching is over."""

    def __enter__(self) -> "Watching":
        self.looks.append(look(self._kubeconfig, self._began))
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._thread.join()
        end = time.monotonic() + PATIENCE
        while not self._try() and time.monotonic() < end:
            time.sleep(EVERY)

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self._try()

    def _try(self) -> bool:
        try:
            self.looks.append(look(self._kubeconfig, self._began))
        except BadPlan:
            return False
        return True


def look(kubeconfig: Path, began: float | None = None) -> Look:
    """How the Leases are now, `began` being the start of the run on the monotonic clock. Raises BadPlan."""
    held = _asked(kubeconfig, _held_all)
    return Look(round(time.monotonic() - began, 1) if began is not None else 0.0, held)


def server_version(kubeconfig: Path) -> str:
    """What the API server says it is, `v1.34.4`. Raises BadPlan."""
    return _asked(kubeconfig, _version)


def _asked(kubeconfig: Path, question: Callable[[Client], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_ask(kubeconfig, question))
    except (ApiError, Lost, OSError, TimeoutError, ConfigError) as error:
        raise BadPlan(f"the cluster of {kubeconfig} does not answer: {error!r}") from error


async def _ask(kubeconfig: Path, question: Callable[[Client], Awaitable[T]]) -> T:
    client = Client(connect(load(kubeconfig), size=1))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await question(client)
    finally:
        await client.close()


async def _version(client: Client) -> str:
    return str(json.loads(await client.call("GET", "/version"))["gitVersion"])


async def _held_all(client: Client) -> dict[str, Held]:
    return {name: await _held(client, name) for name in LEASES}


async def _held(client: Client, name: str) -> Held:
    try:
        lease = await client.ask("GET", coordination.LEASES.path(NAMESPACE, name), coordination.Lease)
    except NotFound:
        return Held("", 0)
    return Held(lease.spec.holderIdentity or "", lease.spec.leaseTransitions or 0)
