"""The open doors: listening sockets that follow the model, as `proxy.service.health` does with its ports.

Where only root may listen the door beside it is opened (80 at 8080). A port that somebody else has is told of once and
tried again. Connections outlive the doors they came through. Used by `agent`.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from understudy.proxy.service import packed
from understudy.proxy.service.kinds import ProxyService
from understudy.proxy.service.model import UDP, Model
from understudy.proxy.userspace import tcp, udp
from understudy.proxy.userspace.choice import Address, Chooser
from understudy.proxy.userspace.doors import Behind, Door, doors, unprivileged

log = logging.getLogger(__name__)

Open = asyncio.Server | tuple[asyncio.DatagramTransport, udp.Door]


class Forwarder:
    """`sync` opens and closes. `model` answers what is to be, None as long as that is not known."""

    def __init__(
        self,
        services: Callable[[], Collection[ProxyService]],
        model: Callable[[], Model | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._services, self._model, self._clock = services, model, clock
        self._chooser = Chooser((rng or random.Random()).randrange)
        self._behind: dict[Door, Behind] = {}
        self._open: dict[Door, tuple[Door, Open]] = {}
        self._refused: set[Door] = set()
        self._connections: tcp.Tasks = set()

    async def sync(self) -> None:
        """Let exactly the doors be open behind which somebody serves."""
        model = self._model()
        if model is None:
            return
        self._behind = doors(self._services(), model.facts, model.elements["service-ips"])
        for door in [each for each in self._open if each not in self._behind]:
            _close(self._open.pop(door)[1])
        self._refused &= self._behind.keys()
        for door in self._behind.keys() - self._open.keys():
            await self._try(door)
        self._end_flows(model)

    async def stop(self) -> None:
        for _, made in self._open.values():
            _close(made)
        self._open.clear()
        ending = list(self._connections)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def page(self, _: Mapping[str, str]) -> list[dict[str, Any]]:
        """The debug page `doors`."""
        told = [
            {
                "service": str(self._behind[door].service),
                "address": f"{self._behind[door].ip} port {self._behind[door].port}",
                "protocol": "UDP" if door.protocol == UDP else "TCP",
                "here": f"{at.ip}:{at.port}",
            }
            for door, (at, _) in self._open.items()
        ]
        return sorted(told, key=lambda each: (each["service"], each["address"], each["protocol"]))

    async def _try(self, door: Door) -> None:
        beside = unprivileged(door)
        try:
            try:
                self._open[door] = door, await self._listen(door, door)
            except PermissionError:
                self._open[door] = beside, await self._listen(beside, door)
        except (OSError, OverflowError) as error:
            if door not in self._refused:
                log.warning("%s cannot be reached at %s:%d: %s", self._behind[door].service, *door[:2], error)
            self._refused.add(door)
            return
        self._refused.discard(door)
        behind, at = self._behind[door], self._open[door][0]
        log.info("%s: %s port %d is at %s:%d", behind.service, behind.ip, behind.port, at.ip, at.port)

    async def _listen(self, at: Door, door: Door) -> Open:
        choose = partial(self._choose, door)
        if door.protocol != UDP:
            return await tcp.listen(at.ip, at.port, choose, self._connections)
        loop = asyncio.get_running_loop()
        return await loop.create_datagram_endpoint(lambda: udp.Door(choose), local_addr=(at.ip, at.port))

    def _choose(self, door: Door, client: str) -> Address | None:
        model, behind = self._model(), self._behind.get(door)
        if model is None or behind is None:
            return None
        return self._chooser.choose(model, behind, door.protocol, client, self._clock())

    def _end_flows(self, model: Model) -> None:
        for door, (_, made) in self._open.items():
            if isinstance(made, tuple):
                behind = self._behind[door]
                serving = model.udp.get(packed.target(behind.ip, UDP, behind.port), frozenset())
                made[1].end_all_but(frozenset(map(packed.read_endpoint, serving)))


def _close(made: Open) -> None:
    server = made[0] if isinstance(made, tuple) else made
    server.close()
