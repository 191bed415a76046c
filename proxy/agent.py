"""The node agent as a component of a process: one on every node, no leader among them. So far it keeps the pod network.

`understudy run node-agent` makes one through `make_node_agent`. Settings: `node`, the name of the Node it runs on;
`cni-dir`, where the container runtime looks for its network; `cluster-cidr`, the ranges of all pods, if known.
Rights: get, list and watch Nodes; patch their status.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.api.client import STRATEGIC, Client
from understudy.api.config import ConfigError
from understudy.api.transport import Lost
from understudy.api.watch import Watch
from understudy.errors import ApiError
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.loop.process import Component, Pages
from understudy.loop.tasks import spawn
from understudy.obs.metrics import STORE_OBJECTS, WATCH_AGE
from understudy.proxy.network.host import Host
from understudy.proxy.network.keeper import Keeper
from understudy.proxy.network.linux import LinuxHost
from understudy.state.store import Store
from understudy.values import conditions, timestamp

log = logging.getLogger(__name__)

CNI_FOLDER = "/etc/cni/net.d"
UNAVAILABLE = "NetworkUnavailable"


def make_node_agent(client: Client, settings: Mapping[str, str], _: Callable[[], None]) -> Component:
    """The agent, to be started by `loop.process`. Raises ConfigError without a node's name."""
    name = settings.get("node", "")
    if not name:
        raise ConfigError("the node agent must know its node: --node NAME, in a pod from spec.nodeName")
    cluster = [cidr.strip() for cidr in settings.get("cluster-cidr", "").split(",") if cidr.strip()]
    return NodeAgent(client, LinuxHost(), name, Path(settings.get("cni-dir") or CNI_FOLDER), cluster)


class NodeAgent:
    """`start()` watches the Nodes, `lead()` begins to keep the network, `stop()` ends both and leaves it in place."""

    def __init__(
        self,
        client: Client,
        host: Host,
        name: str,
        folder: Path,
        cluster_cidrs: list[str] | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self.nodes: Store[Node] = Store(NODES)
        self.keeper = Keeper(host, name, self.nodes.all, folder, cluster_cidrs or ())
        self._client = client
        self._host = host
        self._name = name
        self._clock = clock
        self._watch = Watch(client, self.nodes, rng=rng)
        self._tasks: list[asyncio.Task[None]] = []
        self.nodes.hooks.append(self._saw)

    @property
    def unsynced(self) -> list[str]:
        waits = {"nodes": self._watch.synced, "network": self.keeper.kept}
        return [name for name, done in waits.items() if not done.is_set()]

    async def start(self) -> None:
        """Begin to watch; returns when the Nodes are known."""
        STORE_OBJECTS.labels(NODES.id).set_function(self.nodes.__len__)
        WATCH_AGE.labels(NODES.id).set_function(self._watch.silence)
        self._spawn("watch nodes", self._watch.run())
        await self._watch.synced.wait()

    async def lead(self, *, relist: bool = False) -> None:
        """Begin to act."""
        if relist:
            self._watch.restart("new_leader")
            await self._watch.synced.wait()
        self._host.listen(self.keeper.wake)
        self._spawn("network", self._keep())

    async def stop(self) -> None:
        """End every task; routes, rules and configuration stay, as the pods do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._host.close()

    def pages(self) -> Pages:
        """The debug pages `network` and `state`."""
        return {"network": lambda _: self.keeper.state(), "state": self._state}

    def _state(self, _: Mapping[str, str]) -> Any:
        return {
            "stores": {NODES.id: {"objects": len(self.nodes), "rv": self.nodes.rv, **self.nodes.counts}},
            "silence": {NODES.id: round(self._watch.silence(), 1)},
        }

    def _saw(self, new: Node | None, old: Node | None) -> None:
        if new is None or old is None or _part(new) != _part(old):
            self.keeper.wake()

    async def _keep(self) -> None:
        while True:
            pause = await self.keeper.turn()
            await self._available()
            await self.keeper.rest(pause)

    async def _available(self) -> None:
        """Take back that the network is unavailable, if somebody said so (a cloud provider does for new nodes)."""
        node = self.nodes.get(Key("", self._name))
        network = self.keeper.network
        if node is None or network is None or not network.pod_cidrs or not self.keeper.kept.is_set():
            return
        if not conditions.is_true(node.status.conditions, UNAVAILABLE):
            return
        body = {"metadata": {"uid": node.uid}, "status": {"conditions": [self._condition()]}}
        path = NODES.path(name=self._name, subresource="status")
        try:
            self.nodes.wrote(await self._client.ask("PATCH", path, Node, body, content_type=STRATEGIC))
        except (ApiError, Lost) as error:
            log.warning("the condition %s could not be taken back: %s; trying again", UNAVAILABLE, error)

    def _condition(self) -> dict[str, str]:
        """As upstream's route controller has it (cloud-provider controllers/route)."""
        now = timestamp.format(self._clock())
        return {
            "type": UNAVAILABLE,
            "status": "False",
            "reason": "RouteCreated",
            "message": "RouteController created a route",
            "lastTransitionTime": now,
            "lastHeartbeatTime": now,
        }

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(spawn(name, work))


def _part(node: Node) -> tuple[Any, ...]:
    """What of a Node matters here: not its reports."""
    waits = conditions.is_true(node.status.conditions, UNAVAILABLE)
    return node.uid, node.spec.podCIDR, node.spec.podCIDRs, node.status.addresses, waits
