"""One question to one other server: over UDP from a port of its own, over TCP if the answer is cut or doubtful, or TLS.

Called by `forward` and `health`. A forger would have to guess port, id and the case of every letter (RFC 5452, 0x20).
Answers to CoreDNS plugin/forward and plugin/pkg/proxy.
"""

import asyncio
import secrets
from dataclasses import dataclass

from understudy.dns.config import Target
from understudy.dns.link import Link, context
from understudy.dns.message import is_answer, is_cut, lost_case
from understudy.dns.wire import CD, RD, opt_record

UDP_SECONDS = 2.0
TCP_SECONDS = 3.0
FORGERIES = 3
"""Datagrams that do not fit the question after which UDP is not trusted for it."""


class Unanswered(Exception):
    """No answer from this server; says why."""


@dataclass(slots=True, eq=False)
class Upstream:
    """A server and how it did lately. `failures`: in a row. `link`: a connection that is kept for a while."""

    target: Target
    failures: int = 0
    link: Link | None = None

    def __str__(self) -> str:
        return str(self.target)

    @classmethod
    def make(cls, target: Target, *, ca: str = "", expire: float = 10.0, force_tcp: bool = False) -> "Upstream":
        """Nothing is asked yet. Raises OSError, ssl.SSLError: the file `ca` holds no certificates."""
        if not (target.tls or force_tcp):
            return cls(target)
        trusted = context(ca) if target.tls else None
        return cls(target, link=Link(target.host, target.port, target.name, trusted, expire))

    def did(self, *, well: bool) -> None:
        """Note how an exchange ended."""
        self.failures = 0 if well else self.failures + 1


def ask_for(question: bytes, *, dnssec: bool, unchecked: bool) -> bytes:
    """The message that asks `question` (as on the wire), with a random id and random case."""
    flags = RD | (CD if unchecked else 0)
    header = secrets.token_bytes(2) + flags.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\1"
    return header + _mixed(question) + opt_record(dnssec=dnssec)


def _mixed(question: bytes) -> bytes:
    """Letters of the name in random case; lengths of labels are below any letter."""
    name, rest = question[:-4], question[-4:]
    flips = zip(name, secrets.token_bytes(len(name)), strict=True)
    mixed = bytes(each ^ 0x20 if 97 <= each | 0x20 <= 122 and flip & 1 else each for each, flip in flips)
    return mixed + rest


async def exchange(upstream: Upstream, asked: bytes) -> bytes:
    """The answer, whole. Raises Unanswered."""
    try:
        if upstream.link is not None:
            async with asyncio.timeout(TCP_SECONDS):
                return _fitting(upstream, await upstream.link.ask(asked), asked)
        answer = await _over_udp(upstream.target, asked)
    except (OSError, TimeoutError, EOFError) as error:
        raise Unanswered(f"{upstream}: {str(error) or 'no answer'}") from None
    if answer is not None:
        return answer
    try:
        return _fitting(upstream, await _over_tcp(upstream.target, asked), asked)
    except (OSError, TimeoutError, EOFError) as error:
        raise Unanswered(f"{upstream} over TCP: {str(error) or 'no answer'}") from None


def _fitting(upstream: Upstream, answer: bytes, asked: bytes) -> bytes:
    """It, if it fits; only the server can have written it onto the connection, hence case does not count."""
    if not (is_answer(answer, asked) or lost_case(answer, asked)):
        raise Unanswered(f"{upstream} over TCP: an answer to something else")
    return answer


async def _over_udp(target: Target, asked: bytes) -> bytes | None:
    """None if it has to be asked over TCP."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bytes | None] = loop.create_future()
    address = (target.host, target.port)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(asked, waiter), remote_addr=address)
    try:
        transport.sendto(asked)
        async with asyncio.timeout(UDP_SECONDS):
            return await waiter
    finally:
        transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    """Takes the first datagram that fits; the socket is connected, so others' do not come here."""

    def __init__(self, asked: bytes, waiter: "asyncio.Future[bytes | None]") -> None:
        self._asked, self._waiter = asked, waiter
        self._strange = 0

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if self._waiter.done():
            return
        if is_answer(data, self._asked):
            self._waiter.set_result(None if is_cut(data) else data)
            return
        self._strange += 1
        if lost_case(data, self._asked) or self._strange >= FORGERIES:
            self._waiter.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self._waiter.done():
            self._waiter.set_exception(exc)


async def _over_tcp(target: Target, asked: bytes) -> bytes:
    async with asyncio.timeout(TCP_SECONDS):
        reader, writer = await asyncio.open_connection(target.host, target.port)
        try:
            writer.write(len(asked).to_bytes(2, "big") + asked)
            return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.transport.abort()
