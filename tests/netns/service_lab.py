"""A node with two pods, another with one, and a host outside, for the packet tests of the service proxy.

Sockets are opened by threads that step into a namespace for that; they stay in it wherever they are used from. The
proxy is its keeper over stores in memory.
"""

import asyncio
import ctypes
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.netns.lab import Lab, Machine
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.kinds.networking import SERVICE_CIDRS, ServiceCIDR
from understudy.proxy.service.conntrack import KernelFlows
from understudy.proxy.service.keeper import Keeper
from understudy.proxy.service.kernel import Generations, KernelRules
from understudy.proxy.service.kinds import PROXY_SERVICES, PROXY_SLICES, ProxyService, ProxySlice
from understudy.proxy.service.statements import Family
from understudy.proxy.service.sync import FamilySync
from understudy.state.store import Store

T = TypeVar("T")
Json = dict[str, Any]

NEW_NETWORK = 0x40000000
PODS = {
    "one": ("10.244.1.2", "fd00:244:1::2"),
    "two": ("10.244.1.3", "fd00:244:1::3"),
    "far": ("10.244.2.2", "fd00:244:2::2"),
}
NODE, OTHER, OUTSIDE = (("172.30.0.1", "fd00:30::1"), ("172.30.0.2", "fd00:30::2"), ("172.30.0.100", "fd00:30::100"))
STRANGER = ("172.30.0.101", "fd00:30::101")
REFUSED, SILENT = "refused", "silent"
PATIENCE = 15.0
"""Seconds until a connection is given up that should be made: packets may be lost, on a busy machine the more so."""


def inside(machine: Machine, make: Callable[[], T]) -> T:
    """What `make` answers in the machine's namespace."""
    box: list[T | BaseException] = []

    def step_in() -> None:
        with Path(f"/run/netns/{machine.space}").open() as space:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(space.fileno(), NEW_NETWORK) != 0:
                box.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            box.append(make())
        except OSError as error:
            box.append(error)

    thread = threading.Thread(target=step_in)
    thread.start()
    thread.join()
    if isinstance(box[0], BaseException):
        raise box[0]
    return box[0]


class Servers:
    """In each pod TCP on 8080 and UDP on 5353, answering with the pod's name and who asked; TCP then echoes."""

    def __init__(self, pods: dict[str, Machine]) -> None:
        self._selector = selectors.DefaultSelector()
        self._ended = False
        for name, machine in pods.items():
            for ip in PODS[name]:
                self._serve(name, machine, ip, socket.SOCK_STREAM, 8080)
                self._serve(name, machine, ip, socket.SOCK_DGRAM, 5353)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _serve(self, name: str, machine: Machine, ip: str, kind: socket.SocketKind, port: int) -> None:
        made = inside(machine, lambda: socket.socket(family_of(ip), kind))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((ip, port))
        if kind is socket.SOCK_STREAM:
            made.listen(1024)
        self._selector.register(made, selectors.EVENT_READ, (name, kind))

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.2):
                with suppress(OSError):
                    self._answer(key.fileobj, key.data)  # type: ignore[arg-type]

    def _answer(self, ready: socket.socket, data: tuple[str, socket.SocketKind] | None) -> None:
        if data is None:
            heard = ready.recv(100)
            if heard:
                ready.send(heard)
            else:
                self._selector.unregister(ready)
                ready.close()
        elif data[1] is socket.SOCK_STREAM:
            connection, peer = ready.accept()
            connection.send(f"{data[0]} {peer[0]}".encode())
            self._selector.register(connection, selectors.EVENT_READ)
        else:
            _, peer = ready.recvfrom(100)
            ready.sendto(f"{data[0]} {peer[0]}".encode(), peer)

    def stop(self) -> None:
        self._ended = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


def family_of(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def connect(machine: Machine, ip: str, port: int, source: str = "", wait: float = PATIENCE) -> socket.socket:
    made = inside(machine, lambda: socket.socket(family_of(ip), socket.SOCK_STREAM))
    made.settimeout(wait)
    try:
        if source:
            made.bind((source, 0))
        made.connect((ip, port))
    except BaseException:
        made.close()
        raise
    return made


def tcp(machine: Machine, ip: str, port: int = 80, *, source: str = "", wait: float = PATIENCE) -> str:
    """Pod and source as it saw it, REFUSED or SILENT."""
    try:
        with closing(connect(machine, ip, port, source, wait)) as made:
            return made.recv(100).decode()
    except ConnectionRefusedError:
        return REFUSED
    except TimeoutError:
        return SILENT


def udp(machine: Machine, ip: str, port: int = 53, *, from_port: int = 0, tries: int = 5) -> str:
    """The same for a datagram, sent again after a while: the first may be lost on neighbours that do not know each
    other yet.
    """
    with closing(inside(machine, lambda: socket.socket(family_of(ip), socket.SOCK_DGRAM))) as made:
        made.settimeout(0.5)
        made.bind(("", from_port))
        try:
            made.connect((ip, port))
            for _ in range(tries):
                made.send(b"?")
                with suppress(TimeoutError):
                    return made.recv(100).decode()
        except (ConnectionRefusedError, PermissionError):
            return REFUSED
        return SILENT


def pods(answers: Sequence[str]) -> set[str]:
    return {answer.split()[0] for answer in answers}


def many(machine: Machine, ip: str, port: int = 80, *, times: int = 40, source: str = "") -> list[str]:
    return [tcp(machine, ip, port, source=source) for _ in range(times)]


class Cluster:
    """The machines, what runs in them, and the keeper of `node` with its stores."""

    def __init__(self, lab: Lab) -> None:
        self.node, self.other, self.outside = (lab.machine(name) for name in ("node", "other", "outside"))
        lab.plug(self.node, f"{NODE[0]}/24", f"{NODE[1]}/64")
        lab.plug(self.other, f"{OTHER[0]}/24", f"{OTHER[1]}/64")
        lab.plug(self.outside, *(f"{ip}/{64 if ':' in ip else 24}" for ip in (*OUTSIDE, *STRANGER)))
        self._wire()
        self.pods = {"one": self._pod(lab, "one"), "two": self._pod(lab, "two"), "far": self.other}
        self.servers = Servers(self.pods)
        self.services, self.slices = Store(PROXY_SERVICES), Store(PROXY_SLICES)
        self.nodes, self.ranges = Store(NODES), Store(SERVICE_CIDRS)
        self._revision = 1
        self.syncs: list[FamilySync] = []
        self._describe()
        self.start()

    def _wire(self) -> None:
        for machine in (self.node, self.other):
            for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                machine.run(f"tee /proc/sys/net/{name}", text="1")
        for name in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):
            self.node.run(f"tee /proc/sys/net/{name}", text="0")
        self.node.run("ip route add 10.244.2.0/24 via 172.30.0.2")
        self.node.run("ip -6 route add fd00:244:2::/64 via fd00:30::2")
        self.node.run("ip route add default via 172.30.0.2")
        self.node.run("ip -6 route add default via fd00:30::2")
        for ip in PODS["far"]:
            self.other.run(f"ip addr add {ip} dev lo nodad")
        for machine in (self.other, self.outside):
            machine.run("ip route add default via 172.30.0.1")
            machine.run("ip -6 route add default via fd00:30::1")

    def _pod(self, lab: Lab, name: str) -> Machine:
        """On a veth of its own, the node's end answering for everybody."""
        machine, (ipv4, ipv6) = lab.machine(name), PODS[name]
        self.node.run(f"ip link add pod-{name} type veth peer name eth0 netns {machine.space}")
        self.node.run(f"ip addr add 169.254.1.1/32 dev pod-{name}")
        self.node.run(f"ip addr add fe80::1/64 dev pod-{name} nodad")
        self.node.run(f"ip link set pod-{name} up")
        machine.run(f"ip addr add {ipv4}/32 dev eth0")
        machine.run(f"ip addr add {ipv6}/128 dev eth0 nodad")
        machine.run("ip link set eth0 up")
        machine.run("ip route add default via 169.254.1.1 dev eth0 onlink")
        machine.run("ip -6 route add default via fe80::1 dev eth0")
        self.node.run(f"ip route add {ipv4}/32 dev pod-{name}")
        self.node.run(f"ip -6 route add {ipv6}/128 dev pod-{name}")
        return machine

    def _describe(self) -> None:
        addresses = [{"type": "InternalIP", "address": ip} for ip in NODE]
        spec = {"podCIDRs": ["10.244.1.0/24", "fd00:244:1::/64"]}
        self.nodes.seen(msgspec.convert(self._object("me", spec=spec, status={"addresses": addresses}), Node))
        ranges = {"cidrs": ["10.96.0.0/16", "fd00:96::/112"]}
        self.ranges.seen(msgspec.convert(self._object("kubernetes", spec=ranges), ServiceCIDR))

    def _object(self, name: str, **fields: Any) -> Json:
        self._revision += 1
        return {
            "metadata": {"name": name, "namespace": "d", "uid": name, "resourceVersion": str(self._revision)}
        } | fields

    def start(self) -> None:
        """A new process of the proxy, after the one before has ended."""
        for sync in self.syncs:
            sync.close()
        generations = Generations()
        self.rules = [inside(self.node, lambda each=each: KernelRules(each, generations)) for each in Family]  # type: ignore[misc]
        flows = [inside(self.node, lambda each=each: KernelFlows(each)) for each in Family]  # type: ignore[misc]
        self.syncs = [FamilySync(*each) for each in zip(Family, self.rules, flows, strict=True)]
        about = lambda: (self.nodes.get(Key("d", "me")), list(self.ranges.all()))  # noqa: E731
        self.keeper = Keeper(self.syncs, self.services, self.slices, "me", about, ("10.244.0.0/16", "fd00:244::/32"))
        self.services.hooks[:] = [self.keeper.saw_service]
        self.slices.hooks[:] = [self.keeper.saw_slice]
        self.keep()

    def keep(self) -> None:
        asyncio.run(self.keeper.turn())
        assert self.keeper.waiting_since is None, "the rules were not written"

    def keep_at_last(self) -> None:
        """A pass that looks at the kernel again, however short ago the last was."""
        time.sleep(0.5)
        self.keep()

    def service(
        self,
        name: str,
        number: int,
        *endpoints: str | Json,
        protocol: str = "TCP",
        status: Json | None = None,
        **spec: Any,
    ) -> tuple[str, str]:
        """Make or change a Service with these endpoints (pods); answers its cluster IPs."""
        ips = (f"10.96.0.{number}", f"fd00:96::{number}")
        port = {"port": 80 if protocol == "TCP" else 53, "protocol": protocol, "nodePort": spec.pop("node_port", 0)}
        body = {"clusterIP": ips[0], "clusterIPs": list(ips), "ports": [port], "type": "NodePort", **spec}
        self.put_service(name, status, **body)
        for family, kind in enumerate(("IPv4", "IPv6")):
            self._slice(name, kind, protocol, [_endpoint(each, family) for each in endpoints])
        self.keep()
        return ips

    def put_service(self, name: str, status: Json | None = None, **spec: Any) -> None:
        """Make or change a Service, which is not kept yet."""
        self.services.seen(msgspec.convert(self._object(name, spec=spec, status=status or {}), ProxyService))

    def serve_at(self, name: str, number: int, ips: Sequence[str], protocol: str = "TCP") -> None:
        """Make or change a Service with IPv4 endpoints at these addresses, on this node, in slices of a thousand."""
        ip = f"10.96.0.{number}"
        port = {"port": 80 if protocol == "TCP" else 53, "protocol": protocol}
        self.put_service(name, clusterIP=ip, clusterIPs=[ip], ports=[port])
        for part in range(max(1, len(ips) // 1000 + 1), 10):
            self.slices.removed(Key("d", f"{name}-ipv4-{part}"), f"{name}-ipv4-{part}")
        for part, first in enumerate(range(0, len(ips), 1000)):
            ends: list[Json] = [{"addresses": [each], "nodeName": "me"} for each in ips[first : first + 1000]]
            self._slice(name, "IPv4", protocol, ends, f"-{part}")
        self.keep()

    def _slice(self, name: str, kind: str, protocol: str, endpoints: list[Json], part: str = "") -> None:
        body = self._object(f"{name}-{kind}{part}".lower(), addressType=kind, endpoints=endpoints)
        body["metadata"]["labels"] = {"kubernetes.io/service-name": name}
        body["ports"] = [{"port": 8080 if protocol == "TCP" else 5353, "protocol": protocol, "name": ""}]
        self.slices.seen(msgspec.convert(body, ProxySlice))

    def remove(self, name: str) -> None:
        self.services.removed(Key("d", name), name)
        self.keep()

    def close(self) -> None:
        for sync in self.syncs:
            sync.close()
        self.servers.stop()


def _endpoint(each: str | Json, family: int) -> Json:
    said = {"pod": each} if isinstance(each, str) else dict(each)
    pod = said.pop("pod")
    return {"addresses": [PODS[pod][family]], "nodeName": "elsewhere" if pod == "far" else "me", **said}
