"""Answers of other servers: checked, cleaned, aged. Pure bytes; called by `forward` and `upstream`.

`Reply` is what may be kept and given to several askers: without the OPT record, which is between two servers only, and
with the places of its times to live. Answers to RFC 1035, RFC 2308 on what a negative answer lives, RFC 5452.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from understudy.dns.lookup import Record
from understudy.dns.names import (
    CNAME,
    MX,
    NOERROR,
    NS,
    NXDOMAIN,
    OPT,
    PTR,
    SOA,
    SRV,
    Malformed,
    from_wire,
    skip,
    to_wire,
)
from understudy.dns.wire import AD, CD, HEADER, QR, RA, RD, TC, Query

RECORDS = 4096
"""In one message: more do not fit into 64 KB, even if all are at the root and empty."""

_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")


class Place(NamedTuple):
    """Where a record is: `section` 0 answer, 1 authority, 2 additional; `fixed` is where its type is, `end` its end."""

    section: int
    start: int
    fixed: int
    type: int
    ttl: int
    end: int


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is all behind the question, `ttls` the places in it of times to live; `life`: seconds it may be kept."""

    rcode: int
    flags: int
    counts: tuple[int, int, int]
    body: bytes
    ttls: tuple[int, ...]
    life: int

    def aged(self, seconds: int) -> bytes:
        """The body as it is `seconds` later; no time goes below one second."""
        if not seconds:
            return self.body
        body = bytearray(self.body)
        for at in self.ttls:
            left = int.from_bytes(body[at : at + 4], "big") - seconds
            body[at : at + 4] = max(left, 1).to_bytes(4, "big")
        return bytes(body)

    def answer(self, query: Query, limit: int, age: int = 0) -> bytes:
        """The message for one asker; of one that is too big only that it is."""
        opt, body, counts = query.opt(), self.aged(age), self.counts
        flags = QR | RA | query.flags & (RD | CD) | self.flags & AD | self.rcode
        if HEADER + len(query.question) + len(body) + len(opt) > limit:
            body, counts, flags = b"", (0, 0, 0), flags | TC
        start = _HEADER.pack(0, flags, 1, counts[0], counts[1], counts[2] + bool(opt))[2:]
        return query.id + start + query.question + body + opt


def is_answer(message: bytes, asked: bytes) -> bool:
    """Whether `message` answers what was `asked`, upper and lower case included (0x20: a forger has to guess it)."""
    return _answers(message, asked) and _question(message, asked) == _question(asked, asked)


def lost_case(message: bytes, asked: bytes) -> bool:
    """Whether it does so but for upper and lower case: a server that does not keep it, or a forger."""
    return _answers(message, asked) and _question(message, asked).lower() == _question(asked, asked).lower()


def _answers(message: bytes, asked: bytes) -> bool:
    header = len(message) >= HEADER and message[:2] == asked[:2] and message[4:6] == b"\0\1"
    return header and bool(message[2] & 0x80)


def _question(message: bytes, asked: bytes) -> bytes:
    return message[HEADER : skip(asked, HEADER) + 4]


def is_cut(message: bytes) -> bool:
    return bool(int.from_bytes(message[2:4], "big") & TC)


def read(message: bytes) -> Reply:
    """What an answer says, times as they are. Raises Malformed."""
    try:
        return _read(message)
    except (struct.error, IndexError):
        raise Malformed("the message ends within a record") from None


def _read(message: bytes) -> Reply:
    _, flags, questions, *_ = _HEADER.unpack_from(message)
    if questions != 1:
        raise Malformed(f"an answer to {questions} questions")
    start = skip(message, HEADER) + 4
    kept, end, counts = [], start, [0, 0, 0]
    for place in _places(message, start):
        if place.type == OPT:
            break  # what is behind it would move; there is hardly ever anything
        kept.append(place)
        end = place.end
        counts[place.section] += 1
    ttls = tuple(place.fixed + 4 - start for place in kept)
    rcode = flags & 15
    a, b, c = counts
    return Reply(rcode, flags, (a, b, c), message[start:end], ttls, _life(message, rcode, kept))


def places(message: bytes) -> list[Place]:
    """Where each record of a message with one question is. Raises Malformed."""
    try:
        return list(_places(message, skip(message, HEADER) + 4))
    except (struct.error, IndexError):
        raise Malformed("the message ends within a record") from None


def _places(message: bytes, at: int) -> Iterator[Place]:
    counts = _HEADER.unpack_from(message)[3:]
    if sum(counts) > RECORDS:
        raise Malformed("more records than a message can hold")
    for section, count in enumerate(counts):
        for _ in range(count):
            start, at = at, skip(message, at)
            kind, _, ttl, length = _FIXED.unpack_from(message, at)
            fixed, at = at, at + _FIXED.size + length
            if at > len(message):
                raise Malformed("the message ends within a record")
            yield Place(section, start, fixed, kind, ttl & 0x7FFFFFFF, at)


def _life(message: bytes, rcode: int, kept: list[Place]) -> int:
    """The shortest time to live; of a negative answer what its SOA says, 0 (do not keep) without one."""
    if rcode not in (NOERROR, NXDOMAIN):
        return 0
    if rcode == NOERROR and any(each.section == 0 for each in kept):
        return min(each.ttl for each in kept)
    lives = [
        min(each.ttl, int.from_bytes(message[each.end - 4 : each.end], "big"))
        for each in kept
        if each.section == 1 and each.type == SOA
    ]
    return min(lives, default=0)


def answers(reply: Reply, question: bytes, section: int = 0) -> list[Record]:
    """The records of the answer section (or of another), to be written into another message. Raises Malformed."""
    message = _HEADER.pack(0, 0, 1, *reply.counts) + question + reply.body
    try:
        return [
            Record(from_wire(message, each.start)[0], each.type, each.ttl, _data(message, each))
            for each in _places(message, HEADER + len(question))
            if each.section == section
        ]
    except (struct.error, IndexError):
        raise Malformed("the message ends within a record") from None


def _data(message: bytes, place: Place) -> bytes:
    """The data with no name in it compressed."""
    start, end = place.fixed + _FIXED.size, place.end
    if place.type in (CNAME, NS, PTR):
        return to_wire(from_wire(message, start)[0])
    if place.type == SOA:
        primary, at = from_wire(message, start)
        mailbox, at = from_wire(message, at)
        return to_wire(primary) + to_wire(mailbox) + message[at:end]
    fixed = {MX: 2, SRV: 6}.get(place.type)
    if fixed is not None:
        return message[start : start + fixed] + to_wire(from_wire(message, start + fixed)[0])
    return message[start:end]
