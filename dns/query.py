"""One question asked as any client would, and its answer made readable. Called by `cli`."""

import asyncio
import secrets
import struct
from collections.abc import Iterator
from ipaddress import ip_address

from understudy.dns.message import is_answer, places
from understudy.dns.names import (
    AAAA,
    CNAME,
    HINFO,
    MX,
    NS,
    OPT,
    PTR,
    RCODES,
    SOA,
    SRV,
    TXT,
    A,
    Malformed,
    from_wire,
    to_wire,
    type_name,
)
from understudy.dns.wire import AA, AD, RA, RD, TC, opt_record

SECTIONS = ("ANSWER", "AUTHORITY", "ADDITIONAL")
_FLAGS = {AA: "aa", TC: "tc", RD: "rd", RA: "ra", AD: "ad"}


class NoAnswer(Exception):
    """Says from whom, and why."""


async def ask(server: tuple[str, int], name: str, kind: int, *, tcp: bool, timeout: float) -> bytes:
    """The answer's message, over TCP if it was cut. Raises NoAnswer; Malformed if `name` is none."""
    head = secrets.token_bytes(2) + RD.to_bytes(2, "big") + b"\0\1\0\0\0\0\0\1"
    asked = head + to_wire(name) + struct.pack("!HH", kind, 1) + opt_record(dnssec=False)
    try:
        async with asyncio.timeout(timeout):
            if not tcp:
                answer = await _over_udp(server, asked)
                if not int.from_bytes(answer[2:4], "big") & TC:
                    return answer
            return await _over_tcp(server, asked)
    except TimeoutError:
        raise NoAnswer(f"no answer from {server[0]} port {server[1]} within {timeout:g} s") from None
    except (OSError, EOFError) as error:
        raise NoAnswer(f"no answer from {server[0]} port {server[1]}: {error}") from None


async def _over_udp(server: tuple[str, int], asked: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Waiting(asked, waiter), remote_addr=server)
    try:
        transport.sendto(asked)
        return await waiter
    finally:
        transport.close()


class _Waiting(asyncio.DatagramProtocol):
    def __init__(self, asked: bytes, waiter: "asyncio.Future[bytes]") -> None:
        self._asked, self._waiter = asked, waiter

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if is_answer(data, self._asked) and not self._waiter.done():
            self._waiter.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._waiter.done():
            self._waiter.set_exception(exc)


async def _over_tcp(server: tuple[str, int], asked: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(asked).to_bytes(2, "big") + asked)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()


def found(message: bytes, kind: int) -> bool:
    """Whether there is a record of the kind in the answer."""
    return any(each.section == 0 and each.type == kind for each in places(message))


def show(message: bytes) -> list[str]:
    """The lines to print. Raises Malformed."""
    flags = int.from_bytes(message[2:4], "big")
    rcode = flags & 15
    said = [name for bit, name in _FLAGS.items() if flags & bit]
    lines = [f";; {RCODES.get(rcode, f'rcode {rcode}')}, flags: {' '.join(said)}, {len(message)} bytes"]
    section = -1
    for place in places(message):
        if place.type == OPT:
            continue
        if place.section != section:
            section = place.section
            lines += ["", f";; {SECTIONS[section]}"]
        name = from_wire(message, place.start)[0]
        data = _data(message, place.type, place.fixed + 10, place.end)
        lines.append(f"{name}. {place.ttl} IN {type_name(place.type)} {data}")
    return lines


def _data(message: bytes, kind: int, start: int, end: int) -> str:
    try:
        return _text(message, kind, start, end)
    except (struct.error, ValueError, IndexError):
        raise Malformed(f"a record of type {type_name(kind)} cannot be read") from None


def _text(message: bytes, kind: int, start: int, end: int) -> str:
    """As in a zone file; what one does not know as RFC 3597 has it."""
    raw = message[start:end]
    if kind in (A, AAAA):
        return str(ip_address(raw))
    if kind in (CNAME, NS, PTR):
        return f"{from_wire(message, start)[0]}."
    if kind in (MX, SRV):
        count = 1 if kind == MX else 3
        numbers = struct.unpack_from(f"!{count}H", raw)
        return f"{' '.join(map(str, numbers))} {from_wire(message, start + 2 * count)[0]}."
    if kind == SOA:
        primary, at = from_wire(message, start)
        mailbox, at = from_wire(message, at)
        return f"{primary}. {mailbox}. {' '.join(map(str, struct.unpack_from('!5I', message, at)))}"
    if kind in (TXT, HINFO):
        return " ".join(f'"{each}"' for each in _strings(raw))
    return f"\\# {len(raw)} {raw.hex()}"


def _strings(raw: bytes) -> Iterator[str]:
    while raw:
        yield raw[1 : raw[0] + 1].decode("latin-1").encode("unicode_escape").decode()
        raw = raw[raw[0] + 1 :]
