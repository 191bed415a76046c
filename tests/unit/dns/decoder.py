"""A second reading of DNS messages, written for the tests alone: shares no code with what it checks."""

import ipaddress
import struct
from typing import Any, NamedTuple


class Rr(NamedTuple):
    name: str
    type: int
    klass: int
    ttl: int
    data: str


class Message(NamedTuple):
    id: int
    flags: int
    question: list[tuple[str, int, int]]
    answer: list[Rr]
    authority: list[Rr]
    additional: list[Rr]

    @property
    def rcode(self) -> int:
        return self.flags & 15

    def flag(self, bit: int) -> bool:
        return bool(self.flags & bit)

    def data(self) -> list[str]:
        """Those of the answer section, in order of the alphabet."""
        return sorted(each.data for each in self.answer)

    @property
    def opt(self) -> Rr | None:
        return next((each for each in self.additional if each.type == 41), None)


def ask(
    name: str, kind: int = 1, *, number: int = 7, flags: int = 0x0100, opt: bytes | None = None, klass: int = 1
) -> bytes:
    """A question as a client sends it; `opt` is an OPT record."""
    labels = [each.encode("latin-1") for each in name.split(".") if each]
    wire = b"".join(bytes((len(each),)) + each for each in labels) + b"\0"
    head = struct.pack("!HHHHHH", number, flags, 1, 0, 0, 1 if opt else 0)
    return head + wire + struct.pack("!HH", kind, klass) + (opt or b"")


def edns(size: int = 1232, *, do: bool = False, version: int = 0, options: bytes = b"") -> bytes:
    """An OPT record."""
    return b"\0" + struct.pack("!HHBBHH", 41, size, 0, version, 0x8000 if do else 0, len(options)) + options


def decode(message: bytes) -> Message:
    """All of it, to the last byte."""
    number, flags, *counts = struct.unpack_from("!HHHHHH", message)
    at, question = 12, []
    for _ in range(counts[0]):
        name, at = _name(message, at)
        question.append((name, *struct.unpack_from("!HH", message, at)))
        at += 4
    sections: list[list[Rr]] = []
    for count in counts[1:]:
        records = []
        for _ in range(count):
            record, at = _record(message, at)
            records.append(record)
        sections.append(records)
    assert at == len(message), "bytes are left over"
    return Message(number, flags, question, *sections)


def _record(message: bytes, at: int) -> tuple[Rr, int]:
    name, at = _name(message, at)
    kind, klass, ttl, length = struct.unpack_from("!HHIH", message, at)
    at += 10
    assert at + length <= len(message)
    return Rr(name, kind, klass, ttl, _data(message, kind, at, length)), at + length


def _data(message: bytes, kind: int, at: int, length: int) -> str:
    raw = message[at : at + length]
    if kind in (1, 28):
        return str(ipaddress.ip_address(raw))
    if kind in (2, 5, 12):
        name, end = _name(message, at)
        assert end == at + length
        return name
    if kind == 33:
        name, end = _name(message, at + 6)
        assert end == at + length
        return " ".join(map(str, (*struct.unpack_from("!HHH", raw), name)))
    if kind == 6:
        primary, end = _name(message, at)
        mailbox, end = _name(message, end)
        assert end + 20 == at + length
        return " ".join(map(str, (primary, mailbox, *struct.unpack_from("!IIIII", message, end))))
    if kind in (16, 13):
        return " ".join(_strings(raw))
    return raw.hex()


def _strings(raw: bytes) -> list[str]:
    out = []
    while raw:
        out.append(raw[1 : raw[0] + 1].decode())
        raw = raw[raw[0] + 1 :]
    return out


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    after: Any = None
    for _ in range(200):
        size = message[at]
        if size == 0:
            return ".".join(labels) + ".", after if after is not None else at + 1
        if size >= 192:
            after = after if after is not None else at + 2
            at = (size & 63) * 256 + message[at + 1]
        else:
            labels.append(message[at + 1 : at + 1 + size].decode("latin-1"))
            at += size + 1
    raise AssertionError("pointers in a circle")
