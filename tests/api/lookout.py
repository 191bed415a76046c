"""Our own watch of one kind on the real server, run in a thread so that a test can act, and look at the store."""

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.api.watch import Watch
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.obs.metrics import METRICS
from understudy.state.store import Store


class Lookout:
    """`with Lookout(kubeconfig, CONFIG_MAPS) as lookout:` has listed; `lookout.removed` are the names of objects
    that went, also those that came again."""

    def __init__(self, kubeconfig: Path, kind: Kind[Any]) -> None:
        self.store: Store[Any] = Store(kind)
        self.removed: list[str] = []
        self._kubeconfig = kubeconfig
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.store.hooks.append(self._changed)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        loop, task = self._ready.result()
        loop.call_soon_threadsafe(task.cancel)
        self._thread.join(10)

    async def _run(self) -> None:
        client = Client(connect(load(self._kubeconfig)))
        watch = Watch(client, self.store)
        task = asyncio.create_task(watch.run())
        await watch.synced.wait()
        self._ready.set_result((asyncio.get_running_loop(), task))
        with suppress(asyncio.CancelledError):
            await task
        await client.close()

    def _changed(self, new: Obj | None, old: Obj | None) -> None:
        if old is not None and (new is None or new.uid != old.uid):
            self.removed.append(old.name)

    def holds(self) -> dict[str, str]:
        """uid to resourceVersion of what the store holds."""
        return {each.uid: each.metadata.resourceVersion for each in tuple(self.store.all())}

    def relists(self, cause: str) -> float:
        """How often any watch of the kind in this process began anew for this cause."""
        labels = {"kind": self.store.kind.id, "cause": cause}
        return METRICS.get_sample_value("understudy_relists_total", labels) or 0.0


def detour(kubeconfig: Path, port: int, into: Path) -> Path:
    """A copy of a kubeconfig that leads to another port of this machine."""
    return changed(kubeconfig, into, lambda config: config["clusters"][0]["cluster"].update(server=_url(port)))


def changed(kubeconfig: Path, into: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a kubeconfig with a change."""
    config = yaml.safe_load(kubeconfig.read_text())
    change(config)
    into.write_text(json.dumps(config))
    return into


def _url(port: int) -> str:
    return f"https://127.0.0.1:{port}"
