"""Questions read from the wire and answers written to it: pure bytes, no socket. Called by `table` and `forward`.

Whatever is sent, `parse` returns or raises one of two exceptions, never another. Answers to RFC 1035, EDNS (RFC 6891),
RFC 2181 on truncation, RFC 3597 on types one does not know; names in SRV records are not compressed (RFC 2782).
"""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from understudy.dns.lookup import Finding, Record
from understudy.dns.names import (
    AAAA,
    BADVERS,
    CNAME,
    FORMERR,
    HINFO,
    IN,
    NOTIMP,
    NS,
    OPT,
    PTR,
    SOA,
    SRV,
    TXT,
    A,
    Malformed,
    from_wire,
    skip,
    to_wire,
)

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
DO = 0x8000
"""In an OPT record: "DNSSEC records, please"."""
HEADER = 12
PLAIN_BYTES = 512
UNKNOWN = "\\# "
"""Begins record data that is written as bytes (RFC 3597): how many, then what, in hexadecimal."""
UDP_BYTES = 1232
"""What goes through any network in one piece (dnsflagday.net/2020), and what we say we take."""
TCP_BYTES = 65535
_ADDITIONAL = 8
"""Records after the question in a query: one OPT, perhaps a signature; more is no query."""

_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
_SOA_TIMES = struct.Struct("!IIIII")
_SRV_HEAD = 6
"""Bytes of priority, weight and port before the target."""


class Ignored(Exception):
    """Not worth an answer: too short to have a header, or an answer itself (two servers might talk for ever)."""


class Bad(Exception):
    """To be answered with an error: `reply` is that answer, whole."""

    def __init__(self, reply: bytes, rcode: int) -> None:
        super().__init__(f"rcode {rcode}")
        self.reply = reply
        self.rcode = rcode


@dataclass(frozen=True, slots=True)
class Edns:
    """`size`: bytes the asker takes over UDP. `dnssec`: it set DO."""

    size: int
    dnssec: bool
    version: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """`question` as it was sent, `key` the same in lower case; `name` in text."""

    id: bytes
    flags: int
    question: bytes
    name: str
    type: int
    klass: int
    edns: Edns | None

    @property
    def key(self) -> bytes:
        return self.question[:-4].lower() + self.question[-4:]

    def limit(self, *, tcp: bool) -> int:
        """Bytes the answer may have."""
        if tcp:
            return TCP_BYTES
        return min(max(self.edns.size, PLAIN_BYTES), UDP_BYTES) if self.edns else PLAIN_BYTES

    def opt(self) -> bytes:
        """Our OPT record for the answer, if the question had one."""
        return opt_record(dnssec=self.edns.dnssec) if self.edns else b""


def opt_record(*, dnssec: bool, rcode: int = 0, size: int = UDP_BYTES) -> bytes:
    """An OPT record without options; the upper bits of the rcode are in it."""
    return struct.pack("!BHHBBHH", 0, OPT, size, rcode >> 4, 0, DO if dnssec else 0, 0)


def parse(data: bytes) -> Query:
    """The one question of a message. Raises Ignored or Bad."""
    if len(data) < HEADER:
        raise Ignored
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(data)
    if flags & QR:
        raise Ignored
    if flags >> 11 & 15:
        raise Bad(error(data, NOTIMP), NOTIMP)
    if questions != 1 or answers or authorities or additional > _ADDITIONAL:
        raise Bad(error(data, FORMERR), FORMERR)
    try:
        name, end = _question_name(data)
        edns = _edns(data, end + 4, additional)
        kind, klass = struct.unpack_from("!HH", data, end)
    except (Malformed, struct.error):
        raise Bad(error(data, FORMERR), FORMERR) from None
    query = Query(data[:2], flags, data[HEADER : end + 4], name, kind, klass, edns)
    if edns is not None and edns.version:
        raise Bad(message(query, BADVERS), BADVERS)
    return query


def _question_name(data: bytes) -> tuple[str, int]:
    name, end = from_wire(data, HEADER)
    if len(to_wire(name)) != end - HEADER:
        raise Malformed("the question is compressed: there is nothing it could point to")
    return name, end


def _edns(data: bytes, at: int, records: int) -> Edns | None:
    """The OPT record among those after the question, cookies and other options in it unread."""
    found: Edns | None = None
    for _ in range(records):
        start, at = at, skip(data, at)
        kind, size, extended, length = _FIXED.unpack_from(data, at)
        if kind == OPT:
            if found is not None or at != start + 1:
                raise Malformed("two OPT records, or one that is not at the root")
            found = Edns(size, bool(extended & DO), extended >> 16 & 0xFF)
        at += _FIXED.size + length
        if at > len(data):
            raise Malformed("the message ends within a record")
    return found


def error(data: bytes, rcode: int) -> bytes:
    """An answer of a header alone, to something that could not be read."""
    flags = int.from_bytes(data[2:4], "big")
    return data[:2] + _HEADER.pack(0, QR | flags & (0x7800 | RD) | rcode, 0, 0, 0, 0)[2:]


def head(flags: int, rcode: int, counts: Sequence[int] = (0, 0, 0), *, authoritative: bool, cut: bool = False) -> bytes:
    """All of a header but the id; `flags` are the question's, `counts` those of the three sections of an answer."""
    out = QR | RA | flags & (RD | CD) | rcode & 15 | (AA if authoritative else 0) | (TC if cut else 0)
    return struct.pack("!HHHHH", out, 1, *counts)


def message(
    query: Query, rcode: int, finding: Finding | None = None, limit: int = TCP_BYTES, *, authoritative: bool = True
) -> bytes:
    """The whole answer, cut to `limit`: first what was not asked for, then, with TC, records from the end."""
    opt = opt_record(dnssec=query.edns.dnssec, rcode=rcode) if query.edns else b""
    writer = Writer(query.question, limit - len(opt))
    found = finding or Finding()
    counts = [writer.add(found.answers), writer.add(found.authority)]
    cut = counts[0] < len(found.answers) or counts[1] < len(found.authority)
    more = 0 if cut else writer.add(found.additional)
    start = head(query.flags, rcode, (*counts, more + bool(opt)), authoritative=authoritative, cut=cut)
    return query.id + start + query.question + bytes(writer.out) + opt


class Writer:
    """Writes records after a question, names compressed, until `limit` bytes of message are full.

    `out` is what was written, `ends` where each record in it ends.
    """

    def __init__(self, question: bytes, limit: int = TCP_BYTES) -> None:
        self.out = bytearray()
        self._base = HEADER + len(question)
        self._limit = limit
        self.ends: list[int] = []
        self._at: dict[bytes, int] = {}
        self._owner: tuple[str, bytes] = ("", b"\0")
        self._remember(question[:-4].lower(), HEADER)

    def add(self, records: Iterable[Record]) -> int:
        """How many of them were written; one that cannot be written at all is left out."""
        written = 0
        for record in records:
            mark, known = len(self.out), len(self._at)
            self._record(record)
            if self._base + len(self.out) > self._limit:
                del self.out[mark:]
                for suffix in list(self._at)[known:]:
                    del self._at[suffix]
                break
            written += 1
            self.ends.append(len(self.out))
        return written

    def _record(self, record: Record) -> None:
        if record.name != self._owner[0]:
            self._owner = record.name, to_wire(record.name)
        self._name(self._owner[1])
        self.out += _FIXED.pack(record.type, IN, record.ttl, 0)
        start = len(self.out)
        self._data(record)
        struct.pack_into("!H", self.out, start - 2, len(self.out) - start)

    def _data(self, record: Record) -> None:
        data = record.data
        if isinstance(data, bytes):
            self.out += data
        elif record.type in (CNAME, PTR, NS):
            self._name(to_wire(data))
        elif record.type == SOA:
            primary, mailbox, *times = data.split()
            self._name(to_wire(primary))
            self._name(to_wire(mailbox))
            self.out += _SOA_TIMES.pack(*map(int, times))
        else:
            start, written = self._base + len(self.out), plain(record.type, data)
            self.out += written
            if record.type == SRV:  # itself never compressed (RFC 2782), but its addresses follow under the same name
                self._remember(written[_SRV_HEAD:], start + _SRV_HEAD)

    def _name(self, wire: bytes) -> None:
        """As much of it as was not written before, then a pointer."""
        at = 0
        while wire[at]:
            known = self._at.get(wire[at:])
            if known is not None:
                start = self._base + len(self.out)
                self.out += wire[:at] + (0xC000 | known).to_bytes(2, "big")
                self._remember(wire, start, at)
                return
            at += wire[at] + 1
        self._remember(wire, self._base + len(self.out))
        self.out += wire

    def _remember(self, wire: bytes, start: int, end: int | None = None) -> None:
        """Where each ending of a name written at `start` is; pointers reach 16 KB."""
        at = 0
        while wire[at] and (end is None or at < end) and start + at < 0x4000:
            self._at.setdefault(wire[at:], start + at)
            at += wire[at] + 1


def plain(kind: int, data: str) -> bytes:
    """Record data in which no name may be compressed."""
    if data.startswith(UNKNOWN):
        return bytes.fromhex(data.split(" ")[2])
    if kind == A:
        return socket.inet_pton(socket.AF_INET, data)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, data)
    if kind == SRV:
        *numbers, target = data.split()
        return struct.pack("!HHH", *map(int, numbers)) + to_wire(target)
    if kind == HINFO:
        return b"".join(_string(each.strip('"')) for each in data.split(" "))
    assert kind == TXT, f"no record of ours has type {kind}"
    return _string(data)


def _string(text: str) -> bytes:
    encoded = text.encode()[:255]
    return bytes((len(encoded),)) + encoded
