"""The ingress proxy as a component of a process: it watches, renders, and runs the Envoy it tells.

`understudy run ingress` makes one through `make_ingress`. Every replica serves, none leads. Its rights are in `rights`.
"""

import asyncio
import logging
import random
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.api.watch import Watch
from understudy.loop.process import Component, Pages
from understudy.loop.tasks import spawn
from understudy.obs.metrics import STORE_OBJECTS, WATCH_AGE
from understudy.proxy.ingress.envoy.ads import Ads
from understudy.proxy.ingress.envoy.listeners import Front
from understudy.proxy.ingress.envoy.process import SOCKET, Envoy, binary
from understudy.proxy.ingress.fallback import self_signed
from understudy.proxy.ingress.keeper import Keeper

log = logging.getLogger(__name__)

PAUSES = (0.2, 1.0, 5.0)
"""Seconds before an Envoy that has ended is started again; the last one from then on."""


def make_ingress(client: Client, settings: Mapping[str, str], _: Callable[[], None]) -> Component:
    """The component, to be started by `loop.process`. Raises ConfigError for settings that cannot be."""
    front = front_of(settings)
    program = binary(settings.get("envoy-binary", ""))
    nginx = settings.get("ingress-nginx-annotations", "false") == "true"
    return IngressProxy(client, front, program, _port(settings, "envoy-admin-port", 0), nginx=nginx)


def front_of(settings: Mapping[str, str]) -> Front:
    """Where clients come in. Raises ConfigError."""
    ports = _port(settings, "ingress-port", 8080), _port(settings, "ingress-tls-port", 0)
    if not any(ports):
        raise ConfigError("--ingress-port and --ingress-tls-port are both 0: nobody could come in")
    return Front(
        settings.get("ingress-address") or "127.0.0.1",
        *ports,
        _number(settings, "ingress-trusted-hops", 0),
        settings.get("ingress-proxy-protocol", "false") == "true",
    )


def _port(settings: Mapping[str, str], name: str, default: int) -> int:
    number = _number(settings, name, default)
    if number > 65535:
        raise ConfigError(f"--{name} {number}: there is no such port")
    return number


def _number(settings: Mapping[str, str], name: str, default: int) -> int:
    text = settings.get(name) or str(default)
    if not text.isdecimal():
        raise ConfigError(f"--{name} {text}: give a number")
    return int(text)


class IngressProxy:
    """`start()` watches, then starts Envoy; `stop()` ends both, Envoy after what it has begun."""

    def __init__(
        self,
        client: Client,
        front: Front,
        program: Path,
        admin_port: int,
        *,
        nginx: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="understudy-ingress-")
        self.ads = Ads()
        self.keeper = Keeper(front, self_signed(), self.ads.set, nginx=nginx)
        folder = Path(self._folder.name)
        self.envoy = Envoy(program, folder, admin_port=admin_port, name=folder.name)
        self._watches: list[Watch[Any]] = [Watch(client, store, rng=rng) for store in self.keeper.stores]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def unsynced(self) -> list[str]:
        """What readiness waits for."""
        waits = [watch.kind.id for watch in self._watches if not watch.synced.is_set()]
        return waits or ([] if len(self.ads) else ["envoy"])

    async def start(self) -> None:
        """Return when everything is known and Envoy is started. Raises OSError."""
        await self.ads.start(Path(self._folder.name) / SOCKET)
        for watch in self._watches:
            STORE_OBJECTS.labels(watch.kind.id).set_function(watch.store.__len__)
            WATCH_AGE.labels(watch.kind.id).set_function(watch.silence)
            self._spawn(f"watch {watch.kind.id}", watch.run())
        for watch in self._watches:
            await watch.synced.wait()
        self._spawn("routes", self.keeper.run())
        self.keeper.wake()
        await self.keeper.made.wait()
        self._spawn("envoy", self._keep_running())

    async def lead(self, *, relist: bool = False) -> None:
        """Nothing more to do: every replica serves."""

    async def stop(self) -> None:
        """End Envoy once its clients have their answers, then everything else."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.envoy.stop()
        await self.ads.stop()
        self._folder.cleanup()

    def pages(self) -> Pages:
        """The debug pages `routes` and `state`."""
        return {"routes": self._routes, "state": self._state}

    async def _keep_running(self) -> None:
        ended = 0
        while True:
            await self.envoy.start()
            code = await self.envoy.ended()
            pause = PAUSES[min(ended, len(PAUSES) - 1)]
            ended += 1
            log.error("Envoy has ended with code %d; it is started again in %g s", code, pause)
            await asyncio.sleep(pause)

    def _routes(self, query: Mapping[str, str]) -> Any:
        hosts = self.keeper.table.hosts
        wanted = query.get("host")
        return {
            host or "*": [
                {
                    "path": route.match.path,
                    "type": route.match.type.value,
                    "ingress": str(route.owner),
                    "to": {str(split.upstream): split.weight for split in route.to},
                    **({"why": route.why} if route.why else {}),
                }
                for route in held
            ]
            for host, held in hosts.items()
            if wanted in (None, host)
        }

    def _state(self, _: Mapping[str, str]) -> Any:
        table = self.keeper.table
        return {
            "envoys": len(self.ads),
            "hosts": len(table.hosts),
            "upstreams": {str(each): [f"{ip}:{port}" for ip, port in at] for each, at in table.endpoints.items()},
            "problems": [f"{each.ingress}: {each.reason}: {each.message}" for each in table.problems],
            "silence": {watch.kind.id: round(watch.silence(), 1) for watch in self._watches},
        }

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(spawn(name, work))
