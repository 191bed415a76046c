"""The service proxy of a laptop as a component: the same keeper, but the rules stay in this process and are played.

`understudy run service-proxy --mode userspace` makes one through `proxy.service.agent`. It needs no Node: node ports
are on 127.0.0.1. IPv6 has one loopback address only, so Services are reached by their IPv4 addresses.
"""

import random
from collections.abc import Iterable, Mapping, Sequence

from understudy.api.client import Client
from understudy.kinds.core import Node, NodeAddress, NodeStatus
from understudy.kinds.meta import ObjectMeta
from understudy.kinds.networking import ServiceCIDR
from understudy.loop.process import Pages
from understudy.proxy.service.agent import ServiceProxy
from understudy.proxy.service.conntrack import Flow
from understudy.proxy.service.elements import Elements
from understudy.proxy.service.model import Changes
from understudy.proxy.service.statements import IPV4, Chain
from understudy.proxy.service.sync import FamilySync
from understudy.proxy.userspace.doors import LOCALHOST
from understudy.proxy.userspace.forwarder import Forwarder


class _NoKernel:
    """`kernel.Rules` and `conntrack.Flows` of nobody: the model itself is what is played."""

    def load(self, chains: Mapping[str, Chain], elements: Elements) -> None: ...
    def change(self, changes: Changes) -> None: ...
    def intact(self) -> bool:
        return True

    def held(self) -> Elements | None:
        return None

    def remove(self) -> None: ...
    def udp(self) -> list[Flow]:
        return []

    def end(self, flows: Iterable[Flow]) -> int:
        del flows
        return 0

    def close(self) -> None: ...


class UserspaceProxy(ServiceProxy):
    """Leaves nothing behind when it stops."""

    def __init__(self, client: Client, name: str, *, rng: random.Random | None = None) -> None:
        nothing = _NoKernel()
        sync = FamilySync(IPV4, nothing, nothing)
        super().__init__(client, [sync], name, rng=rng)
        self._forwarder = Forwarder(self.services.all, lambda: sync.model, rng=rng)
        self.followers[:] = [self._forwarder]

    def pages(self) -> Pages:
        """Those of the service proxy, and `doors`: what is reached where."""
        return {**super().pages(), "doors": self._forwarder.page}

    def _about(self) -> tuple[Node | None, Sequence[ServiceCIDR]]:
        return _laptop(self._name), list(self.ranges.all())


def _laptop(name: str) -> Node:
    addresses = [NodeAddress(type="InternalIP", address=LOCALHOST)]
    return Node(metadata=ObjectMeta(name=name), status=NodeStatus(addresses=addresses))
