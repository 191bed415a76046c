"""The machine the bench measures on: a network namespace of its own, with a client and two backends behind veths.

API server, etcd and the contenders run in that namespace, so that no rule of theirs touches the real one. Needs root.
Used by `__main__`.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.netns.lab import Machine, sh
from understudy.cluster.image.content import CHECKOUT

NEW_NETWORK = 0x40000000
NODE, CLIENT = "10.244.1.1", "10.244.1.2"
BACKENDS = ("10.244.1.3", "10.244.1.4")
PORT = 8080
PODS = "10.244.0.0/16"


class NoRoot(Exception):
    """Namespaces cannot be made."""


@dataclass(frozen=True, slots=True)
class Lab:
    """`client` and `backend` are pods of this node."""

    client: Machine
    backend: Machine

    def end(self, machine: Machine, *arguments: str) -> "subprocess.Popen[str]":
        """`ends` with these arguments on that machine."""
        command = ["ip", "netns", "exec", machine.space, sys.executable, "-m", "tests.bench.proxy.ends", *arguments]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)


@contextmanager
def lab() -> Iterator[Lab]:
    """Step into a namespace of our own, for good, and wire it. Raises NoRoot."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK) != 0:
        raise NoRoot("network namespaces need root: run it with sudo")
    sh("ip link set lo up")
    machines = [Machine(f"bench-{os.getpid()}-{name}") for name in ("client", "backend")]
    try:
        for machine, addresses in zip(machines, ((CLIENT,), BACKENDS), strict=True):
            _wire(machine, *addresses)
        for name, value in {"ip_forward": "1", "conf/all/rp_filter": "0"}.items():
            Path("/proc/sys/net/ipv4", name).write_text(value)
        yield Lab(*machines)
    finally:
        for machine in machines:
            sh(f"ip netns del {machine.space}", check=False)


def _wire(machine: Machine, *addresses: str) -> None:
    name = f"v{machine.space[-7:]}"
    sh(f"ip netns add {machine.space}")
    machine.run("ip link set lo up")
    sh(f"ip link add {name} type veth peer name eth0 netns {machine.space}")
    sh(f"ip addr add {NODE}/32 dev {name}")
    sh(f"ip link set {name} up")
    machine.run("ip link set eth0 up")
    for address in addresses:
        machine.run(f"ip addr add {address}/32 dev eth0")
        sh(f"ip route add {address}/32 dev {name}")
    machine.run(f"ip route add {NODE}/32 dev eth0")
    machine.run(f"ip route add default via {NODE} dev eth0")
