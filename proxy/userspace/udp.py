"""UDP through a door: a flow for each client, which ends when nobody has said anything for a while.

A flow whose endpoint serves no more is ended too: the next datagram begins another. Used by `forwarder`.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from understudy.proxy.userspace.choice import Address

IDLE = 30.0
"""Seconds without a datagram (net.netfilter.nf_conntrack_udp_timeout)."""
WAITING = 64
"""So many datagrams of a client wait while its flow is opened."""

Choose = Callable[[str], Address | None]


class Door(asyncio.DatagramProtocol):
    """The protocol of a listening socket."""

    def __init__(self, choose: Choose, idle: float = IDLE) -> None:
        self._choose, self._idle = choose, idle
        self._flows: dict[Address, _Flow] = {}
        self._opening: dict[Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._here: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._here = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        flow = self._flows.get(addr)
        if flow is not None:
            flow.send(data)
        elif addr in self._opening:
            self._opening[addr] = [*self._opening[addr], data][:WAITING]
        else:
            self._opening[addr] = [data]
            task = asyncio.get_running_loop().create_task(self._open(addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def end_all_but(self, serving: frozenset[Address]) -> None:
        """End flows to endpoints that serve no more."""
        for flow in list(self._flows.values()):
            if flow.to not in serving:
                flow.end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for task in self._tasks:
            task.cancel()
        for flow in list(self._flows.values()):
            flow.end()

    async def _open(self, client: Address) -> None:
        to = self._choose(client[0])
        try:
            if to is None:
                return
            flow = _Flow(to, lambda data: self._answer(data, client), lambda: self._flows.pop(client, None), self._idle)
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: flow, remote_addr=to)
        except OSError:
            return
        finally:
            waiting = self._opening.pop(client, [])
        self._flows[client] = flow
        for data in waiting:
            flow.send(data)

    def _answer(self, data: bytes, client: Address) -> None:
        if self._here is not None and not self._here.is_closing():
            self._here.sendto(data, client)


class _Flow(asyncio.DatagramProtocol):
    """A socket of its own towards the endpoint."""

    def __init__(self, to: Address, answer: Callable[[bytes], None], ended: Callable[[], object], idle: float) -> None:
        self.to = to
        self._answer, self._ended, self._idle = answer, ended, idle
        self._there: asyncio.DatagramTransport | None = None
        self._last: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._there = cast("asyncio.DatagramTransport", transport)
        self._touch()

    def send(self, data: bytes) -> None:
        if self._there is not None:
            self._there.sendto(data)
            self._touch()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        del addr
        self._answer(data)
        self._touch()

    def end(self) -> None:
        if self._there is not None:
            self._there.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._last is not None:
            self._last.cancel()
        self._ended()

    def _touch(self) -> None:
        if self._last is not None:
            self._last.cancel()
        self._last = asyncio.get_running_loop().call_later(self._idle, self.end)
