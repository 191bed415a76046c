"""Domain names, as text and as on the wire, and the numbers of the protocol (RFC 1035, the IANA DNS parameters).

As text a name is in lower case without the final dot, the root is ""; bytes that a host name cannot hold are escaped as
in a zone file, so that no two names on the wire are the same text. Used by every module of `dns`.
"""

import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 41
IXFR, AXFR, ANY = 251, 252, 255
IN, CHAOS = 1, 3
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

TYPES: Mapping[int, str] = {
    A: "A",
    NS: "NS",
    CNAME: "CNAME",
    SOA: "SOA",
    PTR: "PTR",
    HINFO: "HINFO",
    MX: "MX",
    TXT: "TXT",
    AAAA: "AAAA",
    SRV: "SRV",
    35: "NAPTR",
    43: "DS",
    48: "DNSKEY",
    64: "SVCB",
    65: "HTTPS",
    ANY: "ANY",
}
"""Those that metrics and `understudy dns query` call by name."""
NUMBERS: Mapping[str, int] = {name: number for number, name in TYPES.items()}
RCODES: Mapping[int, str] = {
    NOERROR: "NOERROR",
    FORMERR: "FORMERR",
    SERVFAIL: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
    BADVERS: "BADVERS",
}

DOMAIN = "cluster.local"
"""The cluster's, unless it is told otherwise."""
LABEL_BYTES = 63
NAME_BYTES = 255
_POINTER = 0xC0
_DOT = 0x2E
"""Within a label always written \\046: a dot in the text is always one between labels."""
_QUOTED = frozenset(b'"\\;()@$')


class Malformed(ValueError):
    """Bytes that are no name or no message, or a text that is no name."""


def to_wire(name: str) -> bytes:
    """`name` without compression. Raises Malformed: a label empty or over 63 bytes, more than 255 in all."""
    labels = _unescaped(name) if "\\" in name else name.removesuffix(".").encode("latin-1", "replace").split(b".")
    wire = bytearray()
    for label in labels if labels != [b""] else ():
        if not 0 < len(label) <= LABEL_BYTES:
            raise Malformed(f"{name!r} has a label of {len(label)} bytes")
        wire.append(len(label))
        wire += label
    wire.append(0)
    if len(wire) > NAME_BYTES:
        raise Malformed(f"{name!r} has {len(wire)} bytes, more than {NAME_BYTES}")
    return bytes(wire)


def _unescaped(name: str) -> list[bytes]:
    labels, label, rest = [], bytearray(), iter(name)
    for sign in rest:
        if sign == ".":
            labels.append(bytes(label))
            label.clear()
        elif sign == "\\":
            label.append(_escape(next(rest, ""), rest, name))
        else:
            label += sign.encode("latin-1", "replace")
    return [*labels, bytes(label)] if label else labels


def _escape(first: str, rest: Iterator[str], name: str) -> int:
    if not first.isdigit():
        if not first:
            raise Malformed(f"{name!r} ends in the middle of an escape")
        return ord(first) & 0xFF
    digits = first + next(rest, "") + next(rest, "")
    if len(digits) < 3 or not digits.isdecimal() or int(digits) > 255:
        raise Malformed(f"{name!r}: \\{digits} is no byte")
    return int(digits)


def from_wire(message: bytes, at: int) -> tuple[str, int]:
    """The name at `at` and where it ends; pointers may only lead backwards. Raises Malformed."""
    labels: list[str] = []
    end, length = 0, 1
    lowest = at
    try:
        while (size := message[at]) != 0:
            if size >= _POINTER:
                end = end or at + 2
                at = (size - _POINTER) << 8 | message[at + 1]
                if at >= lowest:
                    raise Malformed("a pointer does not lead backwards")
                lowest = at
                continue
            if size > LABEL_BYTES or (length := length + size + 1) > NAME_BYTES or at + size >= len(message):
                raise Malformed("a label or a name is too long")
            labels.append(label_text(message[at + 1 : at + 1 + size]))
            at += size + 1
    except IndexError:
        raise Malformed("the message ends within a name") from None
    return ".".join(labels), end or at + 1


def skip(message: bytes, at: int) -> int:
    """Where the name at `at` ends, its pointer not followed. Raises Malformed."""
    length = 0
    while True:
        size = message[at] if at < len(message) else _POINTER - 1
        if size >= _POINTER:
            at += 2
            break
        length += size + 1
        if size > LABEL_BYTES or length > NAME_BYTES:
            raise Malformed("a label or a name is too long, or the message ends within it")
        at += size + 1
        if not size:
            break
    if at > len(message):
        raise Malformed("the message ends within a name")
    return at


def label_text(label: bytes) -> str:
    """One label as text, escaped as in a zone file where that is needed."""
    text = label.decode("latin-1").lower() if label.isascii() else ""
    if text.replace("-", "").replace("_", "").isalnum():
        return text
    return "".join(map(_sign, label.lower()))


def _sign(byte: int) -> str:
    if byte in _QUOTED:
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 < byte < 0x7F and byte != _DOT else f"\\{byte:03d}"


def is_below(name: str, origin: str) -> bool:
    """Whether `name` is `origin` or below it; both unescaped and in lower case."""
    return name == origin or not origin or name.endswith("." + origin)


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, without a scope."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def reverse(address: str) -> str:
    """The name that PTR records of an address are at: 1.0.96.10.in-addr.arpa. Raises ValueError."""
    if ":" in address:
        return ip_address(address).reverse_pointer
    a, b, c, d = address.split(".")
    return f"{d}.{c}.{b}.{a}.in-addr.arpa"


def type_name(number: int) -> str:
    """As RFC 3597 writes types one does not know: TYPE65280."""
    return TYPES.get(number, f"TYPE{number}")
