"""The machine itself: routes by netlink, rules by `nft`, forwarding by sysctl. Nothing is decided here.

All of it runs in threads: on uvloop pyroute2's asyncio sockets do not open, and feeding a program that has already
ended fails. What the kernel tells by itself is heard on a socket of our own. Needs NET_ADMIN and nothing more. Made by
`proxy.agent`. Answers to rtnetlink(7) and nft(8).
"""

import asyncio
import errno
import os
import socket
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from understudy.proxy.network.desired import parsed
from understudy.proxy.network.host import HostError
from understudy.proxy.network.routes import PROTOCOL, Plan, Refusal, Route

T = TypeVar("T")

MAIN = 254
"""The routing table everybody uses (RT_TABLE_MAIN)."""
BEFORE_IPV6 = 512
"""Our metric for IPv6: before the 1024 of routes that have none of their own."""
PREPEND = (24, 0x1 | 0x4 | 0x400)
"""RTM_NEWROUTE with NLM_F_REQUEST, ACK and CREATE: goes before whoever else's route to the same place."""
GROUPS = 0x40 | 0x400
"""rtnetlink's RTMGRP_IPV4_ROUTE and IPV6_ROUTE."""
REMOVED = 25
"""RTM_DELROUTE"""
HEADER = struct.Struct("=IHHII5xB")
"""A message's length, type, flags, sequence, port (struct nlmsghdr), and of its struct rtmsg the protocol."""
SYSCTLS = {False: Path("/proc/sys/net/ipv4/ip_forward"), True: Path("/proc/sys/net/ipv6/conf/all/forwarding")}
PATIENCE = 20.0
"""Seconds `nft` may take."""

_REASONS = {
    errno.ENETUNREACH: "the gateway is on no network this node is attached to",
    errno.EHOSTUNREACH: "the gateway is on no network this node is attached to",
    errno.EINVAL: "the gateway is an address of this node, or on no network it is attached to",
    errno.ENETDOWN: "the interface to the gateway is down",
    errno.EEXIST: "there is such a route already",
}
_DONE = {errno.EEXIST, errno.ESRCH}
_RIGHTS = {errno.EPERM, errno.EACCES}


class LinuxHost:
    """See `host.Host`. Works in the network namespace of its process."""

    def __init__(self) -> None:
        self._heard: socket.socket | None = None

    def listen(self, lost: Callable[[], None]) -> None:
        heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        heard.bind((0, GROUPS))
        self._heard = heard
        asyncio.get_running_loop().add_reader(heard, _drain, heard, lost)

    async def mtu(self, addresses: Sequence[str]) -> int | None:
        return await _asked(_mtu, addresses)

    async def routes(self) -> Sequence[Route]:
        return await _asked(_routes)

    async def reroute(self, plan: Plan) -> Sequence[Refusal]:
        return await _asked(_reroute, plan)

    async def rules(self, table: str) -> str:
        code, out, error = await asyncio.to_thread(_nft, ["list", "table", "inet", table])
        if code == 0:
            return out
        if "No such file or directory" in error:
            return ""
        raise HostError(f"nft cannot list its rules: {error}")

    async def load(self, text: str) -> None:
        code, _, error = await asyncio.to_thread(_nft, ["-f", "-"], text)
        if code != 0:
            raise HostError(f"nft refused the rules for masquerading: {error}")

    async def forward(self, *, ipv6: bool) -> bool:
        return await asyncio.to_thread(_forward, SYSCTLS[ipv6])

    async def close(self) -> None:
        if self._heard is not None:
            asyncio.get_running_loop().remove_reader(self._heard)
            self._heard.close()
            self._heard = None


async def _asked(ask: Callable[..., T], *arguments: Any) -> T:
    """The answer of a netlink conversation held in a thread. Raises HostError."""
    try:
        return await asyncio.to_thread(ask, *arguments)
    except (NetlinkError, OSError) as error:
        raise HostError(f"the kernel does not tell about its routes: {error}") from error


def _drain(heard: socket.socket, lost: Callable[[], None]) -> None:
    """Read what there is to read; that it was more than the socket could hold means: look."""
    try:
        while True:
            if tells_of_loss(heard.recv(65536)):
                lost()
    except BlockingIOError:
        return
    except OSError:
        lost()


def tells_of_loss(data: bytes) -> bool:
    """Whether these messages of the kernel say that a route of ours was removed."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _, protocol = HEADER.unpack_from(data, at)
        if kind == REMOVED and protocol == PROTOCOL:
            return True
        at += max((length + 3) & ~3, HEADER.size)
    return False


def _mtu(addresses: Sequence[str]) -> int | None:
    with IPRoute() as netlink:
        held = {each.get("local") or each.get("address"): each["index"] for each in netlink.get_addr()}
        index = next((held[address] for address in addresses if address in held), None)
        return int(netlink.get_links(index)[0].get("mtu")) if index is not None else None


def _routes() -> list[Route]:
    with IPRoute() as netlink:
        found = [
            _route(message)
            for family in (socket.AF_INET, socket.AF_INET6)
            for message in netlink.get_routes(family=family, table=MAIN, proto=PROTOCOL)
        ]
    return [route for route in found if route is not None]


def _route(message: Any) -> Route | None:
    network = parsed(f"{message.get('dst')}/{message['dst_len']}")
    return Route(str(network), message.get("gateway") or "") if network is not None else None


def _reroute(plan: Plan) -> list[Refusal]:
    with IPRoute() as netlink:
        tried = [_try(netlink, "add", route) for route in plan.add]
        tried += [_try(netlink, "del", route) for route in plan.drop]
    return [refusal for refusal in tried if refusal is not None]


def _try(netlink: Any, command: str, route: Route) -> Refusal | None:
    try:
        _change(netlink, command, route)
    except NetlinkError as error:
        if error.code in _RIGHTS:
            raise HostError("routes cannot be changed: the node agent needs the capability NET_ADMIN") from error
        if error.code not in _DONE:
            return Refusal(route, _REASONS.get(error.code, os.strerror(error.code)))
    return None


def _change(netlink: Any, command: str, route: Route) -> None:
    """IPv4 keeps several routes to one place in order, ours in front; IPv6 by their metric."""
    what: dict[str, Any] = {"dst": route.destination, "proto": PROTOCOL, "table": MAIN}
    if route.gateway:
        what["gateway"] = route.gateway
    if route.ipv6:
        what["priority"] = BEFORE_IPV6
    if command == "del":
        netlink.route("del", **what)
    elif route.ipv6:
        netlink.route("replace", **what)
    else:
        netlink.route(PREPEND, type="unicast", **what)


def _nft(arguments: Sequence[str], text: str = "") -> tuple[int, str, str]:
    """Exit code, output and error of `nft`."""
    try:
        done = subprocess.run(
            ["nft", *arguments], input=text, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except FileNotFoundError:
        raise HostError("the program nft is missing: install the package nftables") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"nft did not end within {PATIENCE:g} s") from None
    if "Operation not permitted" in done.stderr:
        raise HostError("the rules for masquerading cannot be changed: the node agent needs the capability NET_ADMIN")
    return done.returncode, done.stdout, done.stderr.strip()


def _forward(sysctl: Path) -> bool:
    try:
        if sysctl.read_text().strip() != "0":
            return False
        sysctl.write_text("1\n")
    except OSError as error:
        name = ".".join(sysctl.relative_to("/proc/sys").parts)
        raise HostError(f"packets are not forwarded: {error.strerror}; run `sysctl -w {name}=1` on the node") from error
    return True
