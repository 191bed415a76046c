"""The service proxy as a component of a process: one on every node, no leader among them.

`understudy run service-proxy` makes one through `make_service_proxy`. Settings: `node`, the name of the Node it runs
on; `cluster-cidr`, the ranges of all pods, if known; `healthz-bind-address`, where probes ask, empty for nowhere;
`at-end`, what becomes of the rules; `mode`, nftables or userspace (`proxy.userspace`). Its rights are in `rights`.
Answers to cmd/kube-proxy.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Protocol

from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.api.watch import Watch
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.kinds.networking import SERVICE_CIDRS, ServiceCIDR
from understudy.loop.process import Component, Pages
from understudy.loop.tasks import spawn
from understudy.obs.metrics import STORE_OBJECTS, WATCH_AGE
from understudy.proxy.network.host import HostError
from understudy.proxy.service.conntrack import KernelFlows
from understudy.proxy.service.health import PORT, ProxyHealth, ServiceHealth
from understudy.proxy.service.keeper import Keeper
from understudy.proxy.service.kernel import Generations, KernelRules
from understudy.proxy.service.kinds import PROXY_SERVICES, PROXY_SLICES, ProxyService, ProxySlice
from understudy.proxy.service.leftovers import KubeProxyRules
from understudy.proxy.service.statements import Family
from understudy.proxy.service.succession import Succession
from understudy.proxy.service.sync import FamilySync
from understudy.state.store import Store

log = logging.getLogger(__name__)

Bind = tuple[str, int]
ANYWHERE = f":{PORT}"
MODES = ("nftables", "userspace")
STAY, GIVE_BACK = AT_END = ("stay", "give-back")
RETRY = 1.0
"""Seconds between tries to listen where kube-proxy still does (it takes 5)."""


def make_service_proxy(client: Client, settings: Mapping[str, str], _: Callable[[], None]) -> Component:
    """The proxy, to be started by `loop.process`. Raises ConfigError for settings that cannot be."""
    name, mode = settings.get("node", ""), settings.get("mode", MODES[0])
    if mode == "userspace":
        from understudy.proxy.userspace.agent import UserspaceProxy

        return UserspaceProxy(client, name)
    if mode not in MODES:
        raise ConfigError(f"--mode {mode}: give {' or '.join(MODES)}")
    if not name:
        raise ConfigError("the service proxy must know its node: --node NAME, in a pod from spec.nodeName")
    cluster = [cidr.strip() for cidr in settings.get("cluster-cidr", "").split(",") if cidr.strip()]
    bind = bind_of(settings.get("healthz-bind-address", ANYWHERE))
    at_end = settings.get("at-end", STAY)
    if at_end not in AT_END:
        raise ConfigError(f"--at-end {at_end}: give {' or '.join(AT_END)}")
    generations = Generations()
    try:
        syncs = [FamilySync(family, KernelRules(family, generations), KernelFlows(family)) for family in Family]
        succession = Succession(client, [KubeProxyRules(family) for family in Family]) if at_end == GIVE_BACK else None
    except HostError as error:
        raise ConfigError(str(error)) from error
    return ServiceProxy(client, syncs, name, cluster, bind, succession)


def bind_of(text: str) -> Bind | None:
    """ "1.2.3.4:10256", "[::]:10256" or ":10256" (any address); "" is none. Raises ConfigError."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if host:
            ip_address(host)
        number = int(colon and port)
    except ValueError:
        raise ConfigError(f"--healthz-bind-address {text}: give ADDRESS:PORT, or :PORT for any address") from None
    return host, number


class Follower(Protocol):
    """What opens and closes sockets as Services come and go."""

    async def sync(self) -> None: ...
    async def stop(self) -> None: ...


class ServiceProxy:
    """`start()` watches, `lead()` begins to keep the rules, `stop()` ends both and leaves the rules in place.

    With `succession` it comes after kube-proxy, and takes the rules away at the end if that is back in its place.
    """

    def __init__(
        self,
        client: Client,
        syncs: Sequence[FamilySync],
        name: str,
        cluster_cidrs: Sequence[str] = (),
        bind: Bind | None = None,
        succession: Succession | None = None,
        *,
        rng: random.Random | None = None,
    ) -> None:
        self.nodes: Store[Node] = Store(NODES)
        self.ranges: Store[ServiceCIDR] = Store(SERVICE_CIDRS)
        self.services: Store[ProxyService] = Store(PROXY_SERVICES)
        self.slices: Store[ProxySlice] = Store(PROXY_SLICES)
        self.keeper = Keeper(syncs, self.services, self.slices, name, self._about, cluster_cidrs)
        self._name, self._syncs, self._bind, self._succession = name, syncs, bind, succession
        stores: tuple[Store[Any], ...] = (self.nodes, self.ranges, self.services, self.slices)
        self._watches = [Watch(client, store, rng=rng) for store in stores]
        self._tasks: list[asyncio.Task[None]] = []
        self._proxy_health = ProxyHealth(
            lambda: self.keeper.waiting_since, lambda: self.keeper.written_at, lambda: self._about()[0]
        )
        health = ServiceHealth(self.keeper.health, lambda: self._proxy_health.healthy)
        self.followers: list[Follower] = [health]
        self.services.hooks.append(self.keeper.saw_service)
        self.slices.hooks.append(self.keeper.saw_slice)
        self.nodes.hooks.append(self._saw_node)
        self.ranges.hooks.append(lambda *_: self.keeper.wake())

    @property
    def unsynced(self) -> list[str]:
        waits = {watch.kind.id: watch.synced for watch in self._watches} | {"rules": self.keeper.kept}
        return [name for name, done in waits.items() if not done.is_set()]

    async def start(self) -> None:
        """Begin to watch; returns when everything is known."""
        if self._bind is not None:
            self._spawn("listen", self._listen(*self._bind))
        for watch in self._watches:
            STORE_OBJECTS.labels(watch.kind.id).set_function(watch.store.__len__)
            WATCH_AGE.labels(watch.kind.id).set_function(watch.silence)
            self._spawn(f"watch {watch.kind.id}", watch.run())
        await self._synced()

    async def lead(self, *, relist: bool = False) -> None:
        """Begin to act."""
        if relist:
            for watch in self._watches:
                watch.restart("new_leader")
            await self._synced()
        self._spawn("rules", self._keep())
        if self._succession is not None:
            self._spawn("succession", self._succession.run())

    async def stop(self) -> None:
        """End every task; connections stay, and so do the rules, unless kube-proxy is back in our place."""
        withdrawn = self._succession is not None and await self._succession.withdrawn()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for follower in self.followers:
            await follower.stop()
        if self._bind is not None:
            await self._proxy_health.stop()
        if withdrawn:
            await self._remove()
        for sync in self._syncs:
            sync.close()
        if self._succession is not None:
            self._succession.close()

    def pages(self) -> Pages:
        """The debug pages `services`, `service`, `packet` and `state`."""
        keeper = self.keeper
        return {
            "services": lambda _: keeper.state(),
            "service": keeper.service,
            "packet": keeper.packet,
            "state": self._state,
        }

    def _state(self, _: Mapping[str, str]) -> Any:
        stores = {
            each.kind.id: {"objects": len(each.store), "rv": each.store.rv, **each.store.counts}
            for each in self._watches
        }
        return {"stores": stores, "silence": {each.kind.id: round(each.silence(), 1) for each in self._watches}}

    def _about(self) -> tuple[Node | None, Sequence[ServiceCIDR]]:
        return self.nodes.get(Key("", self._name)), list(self.ranges.all())

    def _saw_node(self, new: Node | None, old: Node | None) -> None:
        each = new or old
        if each is not None and each.name == self._name:
            self.keeper.wake()

    async def _synced(self) -> None:
        await asyncio.gather(*(watch.synced.wait() for watch in self._watches))

    async def _remove(self) -> None:
        for sync in self._syncs:
            try:
                await sync.remove()
            except HostError as error:
                log.error("our rules could not be taken away: %s", error)
        log.info("the service proxy is withdrawn from this node: nothing of it is left")

    async def _listen(self, host: str, port: int) -> None:
        """Until it succeeds: kube-proxy may be there a while longer, and listen at the same port."""
        told = False
        while True:
            try:
                await self._proxy_health.start(host, port)
            except OSError as error:
                if not told:
                    log.warning("healthz cannot listen on port %d: %s; trying again", port, error.strerror)
                told = True
                await asyncio.sleep(RETRY)
            else:
                return

    async def _keep(self) -> None:
        while True:
            pause = await self.keeper.turn()
            for follower in self.followers:
                await follower.sync()
            await self.keeper.rest(pause)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(spawn(name, work))
