"""UDP flows that still go to an endpoint that serves no more: found in the kernel's list and ended, to begin anew.

UDP has no end of its own: a client that keeps sending from one port would never reach another endpoint. Used by
`keeper`, in a thread. Answers to pkg/proxy/conntrack/cleanup.go and linux/netfilter/nfnetlink_conntrack.h.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from understudy.proxy.service import packed
from understudy.proxy.service.encode import FAMILIES
from understudy.proxy.service.model import UDP
from understudy.proxy.service.netlink import Interrupted, Message, Netlink, attribute, attributes, nested
from understudy.proxy.service.statements import Family

SUBSYSTEM, GET, DELETE = 1, 1, 2
_ORIGINAL, _REPLY, _FILTER = 1, 2, 25
_PROTOCOL_FLAG = 8
"""CTA_FILTER_F_CTA_PROTO_NUM: the kernel lists only flows of that protocol."""


class Flow(NamedTuple):
    """From a client to `target` (of `packed.target`), in fact to `endpoint`. `tuple` is how the kernel names it."""

    target: bytes
    endpoint: bytes
    tuple: bytes


class Flows(Protocol):
    """What the keeper asks of the kernel for one family. Each method may raise HostError."""

    def udp(self) -> list[Flow]:
        """All UDP flows."""

    def end(self, flows: Iterable[Flow]) -> int:
        """Forget them; answers how many were still there."""

    def close(self) -> None: ...


def stale(flows: Iterable[Flow], serving: Mapping[bytes, frozenset[bytes]]) -> list[Flow]:
    """Those to an address somebody serves that go to none who does. Where nobody serves, nothing is better."""
    found = ((flow, serving.get(flow.target)) for flow in flows)
    return [flow for flow, endpoints in found if endpoints and flow.endpoint not in endpoints]


class KernelFlows:
    """See `Flows`."""

    def __init__(self, family: Family) -> None:
        self._netlink = Netlink(FAMILIES[family], SUBSYSTEM)
        self._source, self._destination = (1, 2) if family is Family.IPV4 else (3, 4)

    def udp(self) -> list[Flow]:
        protocol = nested(_ORIGINAL, nested(2, attribute(1, bytes([UDP]))))
        flags = nested(_FILTER, attribute(1, struct.pack("=I", _PROTOCOL_FLAG)), attribute(2, struct.pack("=I", 0)))
        try:
            listed = self._netlink.ask(GET, protocol + flags)
        except Interrupted:
            return []
        return [flow for flow in map(self._flow, listed) if flow is not None]

    def end(self, flows: Iterable[Flow]) -> int:
        return sum(self._netlink.tell(Message(DELETE, 0, flow.tuple)) for flow in flows)

    def close(self) -> None:
        self._netlink.close()

    def _flow(self, body: bytes) -> Flow | None:
        parts = dict(attributes(body))
        original, reply = dict(attributes(parts[_ORIGINAL])), dict(attributes(parts[_REPLY]))
        ports, answer = dict(attributes(original[2])), dict(attributes(reply[2]))
        if ports[1][0] != UDP:
            return None
        target = dict(attributes(original[1]))[self._destination] + packed.protocol(UDP) + ports[3] + b"\0\0"
        endpoint = dict(attributes(reply[1]))[self._source] + answer[2] + b"\0\0"
        return Flow(target, endpoint, nested(_ORIGINAL, parts[_ORIGINAL]))
