"""Network namespaces as machines: a LAN, nodes on it that run the keeper, a host outside, pods by the CNI plugins.

Everything is named after this process and removed at the end, also after a failure. Used by the tests here; needs root.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from understudy.kinds.core import Node
from understudy.kinds.meta import ObjectMeta

PATIENCE = 60.0
"""Seconds that anything may take to become true here."""
PLUGINS = next((each for each in ("/usr/lib/cni", "/opt/cni/bin") if Path(each, "ptp").exists()), "")

_KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=1)
except ConnectionRefusedError:
    print("reached")
except OSError:
    print("not reached")
"""
_CLEAN = """
import asyncio, pathlib, sys
from understudy.proxy.network.keeper import clean
from understudy.proxy.network.linux import LinuxHost
asyncio.run(clean(LinuxHost(), pathlib.Path(sys.argv[1])))
"""
_SOCKET = """
import socket, sys, time
peer = sys.argv[1], 4711
family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
datagrams = socket.socket(family, socket.SOCK_DGRAM)
"""
_LISTEN = f"""{_SOCKET}
datagrams.settimeout(10)
datagrams.bind(peer)
print("ready", flush=True)
print(datagrams.recvfrom(9)[1][0])
"""
_SPEAK = f"""{_SOCKET}
if sys.argv[2]:
    datagrams.bind((sys.argv[2], 0))
for _ in range(3):
    datagrams.sendto(b"hello", peer)
    time.sleep(0.1)
"""


def sh(command: str, *, check: bool = True, text: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """What the command printed; fails with what it complained about."""
    done = subprocess.run(
        command.split(),
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def eventually(true: Callable[[], object], what: str) -> None:
    """Wait until it is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.1)


@dataclass
class Machine:
    """A network namespace called `space`."""

    space: str

    def run(
        self, command: str, *, check: bool = True, text: str | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        return sh(f"ip netns exec {self.space} {command}", text=text, env=env)

    def reaches(self, address: str) -> bool:
        """Whether the machine of that address answers: that nothing listens there, if nothing does."""
        return self.python(_KNOCK, address) == "reached\n"

    def python(self, code: str, *arguments: str) -> str:
        """What the program printed."""
        command = ["ip", "netns", "exec", self.space, sys.executable, "-ISc", code, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True).stdout

    def heard_from(self, sender: "Machine", address: str, *, source: str = "") -> str:
        """The source address under which a datagram of `sender` (from its `source`) to our `address` arrives here."""
        command = ["ip", "netns", "exec", self.space, sys.executable, "-ISc", _LISTEN, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "ready\n"
            sender.python(_SPEAK, address, source)
            return listener.stdout.read().strip()


@dataclass
class LabNode(Machine):
    """A node: its addresses on the LAN, its pod CIDRs, its keeper's process and CNI folder."""

    name: str
    addresses: list[str]
    pod_cidrs: list[str]
    folder: Path
    keeper: "subprocess.Popen[str] | None" = None

    @property
    def conflist(self) -> Path:
        return self.folder / "net.d" / "10-understudy.conflist"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def as_node(self) -> Node:
        """Its Node, as the API server would tell of it."""
        body = {
            "metadata": ObjectMeta(name=self.name, uid=self.name, resourceVersion="1"),
            "spec": {"podCIDR": self.pod_cidrs[0] if self.pod_cidrs else "", "podCIDRs": self.pod_cidrs},
            "status": {"addresses": [{"type": "InternalIP", "address": each} for each in self.addresses]},
        }
        return msgspec.convert(body, Node, from_attributes=True)

    def tell(self, nodes: Sequence["LabNode"]) -> None:
        """Let its keeper know these Nodes and no others."""
        assert self.keeper is not None
        assert self.keeper.stdin is not None
        self.keeper.stdin.write(msgspec.json.encode([node.as_node() for node in nodes]).decode() + "\n")
        self.keeper.stdin.flush()

    def clean(self) -> None:
        """Take our network off it."""
        command = ["ip", "netns", "exec", self.space, sys.executable, "-c", _CLEAN, str(self.folder / "net.d")]
        subprocess.run(command, check=True, timeout=PATIENCE)

    def routes(self, *, ipv6: bool = False) -> str:
        return self.run(f"ip {'-6' if ipv6 else '-4'} route show proto 117")


@dataclass
class Lab:
    """A bridge in a namespace of its own, and everything plugged into it."""

    folder: Path
    prefix: str = field(default_factory=lambda: f"ustest{os.getpid()}")
    stack: ExitStack = field(default_factory=ExitStack)
    count: int = 0
    nodes: list[LabNode] = field(default_factory=list)

    def __enter__(self) -> "Lab":
        self.lan = self.machine("lan")
        self.lan.run("ip link add br0 type bridge")
        self.lan.run("ip link set br0 up")
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def check_logs(self) -> None:
        """No keeper met an error of its own."""
        for node in self.nodes:
            assert "this is a bug" not in node.log, node.log

    def machine(self, name: str) -> Machine:
        """A new namespace, alone."""
        machine = Machine(f"{self.prefix}-{name}")
        sh(f"ip netns add {machine.space}")
        self.stack.callback(sh, f"ip netns del {machine.space}", check=False)
        machine.run("ip link set lo up")
        return machine

    def plug(self, machine: Machine, *addresses: str, mtu: int = 1500) -> None:
        """Attach it to the LAN as eth0 with these addresses (with prefix lengths)."""
        self.count += 1
        port = f"port{self.count}"
        self.lan.run(f"ip link add {port} type veth peer name eth0 netns {machine.space}")
        self.lan.run(f"ip link set {port} master br0 mtu {mtu} up")
        for address in addresses:
            machine.run(f"ip addr add {address} dev eth0 nodad")
        machine.run(f"ip link set eth0 mtu {mtu} up")

    def node(self, number: int, pod_cidrs: Sequence[str], *, mtu: int = 1500, every: float = 1.0) -> LabNode:
        """A node on the LAN whose keeper waits to be told of Nodes."""
        machine = self.machine(f"node{number}")
        addresses = [f"172.30.0.{number}", f"fd00:30::{number}"]
        self.plug(machine, f"{addresses[0]}/24", f"{addresses[1]}/64", mtu=mtu)
        machine.run("tee /proc/sys/net/ipv4/ip_forward", text="0")
        folder = self.folder / f"node{number}"
        (folder / "net.d").mkdir(parents=True)
        node = LabNode(machine.space, f"node{number}", addresses, list(pod_cidrs), folder)
        self.nodes.append(node)
        self.run_keeper(node, every)
        return node

    def run_keeper(self, node: LabNode, every: float = 1.0) -> None:
        """Start the node's keeper, in its namespace; with the rights of the chart's; it looks every so many seconds."""
        confined = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", "--no-new-privs"]
        command = ["ip", "netns", "exec", node.space, *confined, sys.executable, "-m", "tests.netns.keep", node.name]
        log = self.stack.enter_context((node.folder / "log").open("a"))
        node.keeper = subprocess.Popen(
            [*command, str(node.folder / "net.d"), str(every)], stdin=subprocess.PIPE, stderr=log, text=True
        )
        self.stack.callback(stop, node.keeper)

    def pod(self, node: LabNode, name: str) -> Machine:
        """A pod on the node, made by the CNI plugins from the configuration its keeper has written."""
        pod = self.machine(f"{node.name}-{name}")
        eventually(node.conflist.exists, f"{node.conflist} is written")
        config = json.loads(node.conflist.read_text())
        ptp = config["plugins"][0] | {"cniVersion": config["cniVersion"], "name": config["name"]}
        ptp["ipam"]["dataDir"] = str(node.folder / "ipam")
        env = {
            "CNI_COMMAND": "ADD",
            "CNI_PATH": PLUGINS,
            "CNI_CONTAINERID": name,
            "CNI_NETNS": f"/var/run/netns/{pod.space}",
            "CNI_IFNAME": "eth0",
        }
        node.run(f"{PLUGINS}/ptp", text=json.dumps(ptp), env=env)
        return pod


def stop(process: "subprocess.Popen[str]") -> None:
    """End it and wait for its end."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def address_of(pod: Machine, *, ipv6: bool = False) -> str:
    """Its first global address."""
    family = "-6" if ipv6 else "-4"
    listed = json.loads(pod.run(f"ip -j {family} addr show dev eth0 scope global"))
    found: str = listed[0]["addr_info"][0]["local"]
    return found
