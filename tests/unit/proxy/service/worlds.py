"""Services, EndpointSlices and a kernel that holds what it is told, for the tests of the service proxy."""

import errno
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from understudy.kinds.meta import Key
from understudy.proxy.network.host import HostError
from understudy.proxy.service.conntrack import Flow
from understudy.proxy.service.elements import Data, Elements, Facts
from understudy.proxy.service.endpoints import Place
from understudy.proxy.service.kinds import ProxyService, ProxySlice
from understudy.proxy.service.model import Changes
from understudy.proxy.service.netlink import Refused
from understudy.proxy.service.statements import Chain, Family

Json = dict[str, Any]

NODE_IP, OUTSIDE, STRANGER, POD = "172.18.0.2", "192.0.2.9", "8.8.8.8", "10.244.1.99"
FACTS = Facts(Family.IPV4, NODE_IP, ("10.244.0.0/16",), ("10.96.0.0/16",))
FACTS6 = Facts(Family.IPV6, "fd18::2", ("fd00:244::/32",), ("fd00:96::/112",))
HERE = Place("me", "east")


def service(
    name: str, ip: str = "10.96.0.1", *, labels: Json | None = None, status: Json | None = None, **spec: Any
) -> ProxyService:
    """A ClusterIP Service of port 80, if `spec` does not say otherwise."""
    ips = spec.pop("clusterIPs", [ip])
    body = {"clusterIP": ips[0] if ips else "", "clusterIPs": ips, "ports": [{"port": 80}], **spec}
    metadata = {"name": name, "namespace": "d", "uid": name, "labels": labels or {}, "resourceVersion": "1"}
    return msgspec.convert({"metadata": metadata, "spec": body, "status": status or {}}, ProxyService)


def sliced(
    name: str, *endpoints: str | Json, kind: str = "IPv4", port: int = 8080, protocol: str = "TCP", part: str = ""
) -> ProxySlice:
    """A slice of the Service; an endpoint given by its address is ready and on this node."""
    metadata = {
        "name": f"{name}-{kind}{part}".lower(),
        "namespace": "d",
        "uid": f"{name}-{kind}{part}",
        "labels": {"kubernetes.io/service-name": name},
        "resourceVersion": "1",
    }
    entries = [{"addresses": [each], "nodeName": "me"} if isinstance(each, str) else each for each in endpoints]
    ports = [{"name": "", "port": port, "protocol": protocol}]
    body = {"metadata": metadata, "addressType": kind, "endpoints": entries, "ports": ports}
    return msgspec.convert(body, ProxySlice)


def key(name: str) -> Key:
    return Key("d", name)


def status_of(*ips: str) -> Json:
    """Of a load balancer with these addresses."""
    return {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in ips]}}


class Table:
    """A `kernel.Rules` in memory, as strict as the kernel: what is dropped must be there, what is added must not."""

    def __init__(self) -> None:
        self.chains: dict[str, Chain] = {}
        self.elements: Elements = {}
        self.log: list[str] = []
        self.broken = False
        self.unknown = False
        self.touched = False
        self.ours = True
        self.closed = False

    def load(self, chains: Mapping[str, Chain], elements: Elements) -> None:
        self._check("load")
        self.chains, self.elements = dict(chains), {name: dict(each) for name, each in elements.items()}
        self.touched, self.ours = False, True

    def change(self, changes: Changes) -> None:
        self._check("change")
        for chain in changes.chains:
            assert chain.name not in self.chains, chain.name
            self.chains[chain.name] = chain
        for name, gone in changes.drop.items():
            for at, data in gone.items():
                assert self.elements[name].pop(at) == data
        for name, new in changes.add.items():
            for at, data in new.items():
                assert at not in self.elements[name]
                self._refers(data)
                self.elements[name][at] = data

    def intact(self) -> bool:
        return not self.touched

    def held(self) -> Elements | None:
        self._check("held")
        self.touched = False
        return {name: dict(each) for name, each in self.elements.items()} if self.ours else None

    def remove(self) -> None:
        self._check("remove")
        self.chains, self.elements = {}, {}

    def close(self) -> None:
        self.closed = True

    def _check(self, what: str) -> None:
        self.log.append(what)
        if self.broken:
            raise HostError("the kernel is broken")
        if self.unknown:
            raise Refused(errno.EAFNOSUPPORT, "table")

    def _refers(self, data: Data) -> None:
        if not isinstance(data, bytes) and data.chain:
            assert data.chain in self.chains, f"a verdict goes to {data.chain}, which is not there"


class Conversations:
    """A `conntrack.Flows` in memory."""

    def __init__(self) -> None:
        self.there: list[Flow] = []
        self.ended: list[Flow] = []
        self.broken = False

    def udp(self) -> list[Flow]:
        if self.broken:
            raise HostError("no conntrack here")
        return list(self.there)

    def end(self, flows: Iterable[Flow]) -> int:
        before = len(self.ended)
        for flow in flows:
            self.there.remove(flow)
            self.ended.append(flow)
        return len(self.ended) - before

    def close(self) -> None:
        pass
