"""Record data as users write it in a DNSRecord, made into what `own` holds. Pure.

Called by `ownership`. Names are absolute, with or without a final dot. Answers to RFC 1035, RFC 2782, RFC 8659 (CAA).
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from understudy.dns.names import AAAA, CNAME, MX, NS, PTR, SRV, TXT, A, Malformed, is_address, to_wire
from understudy.dns.wire import UNKNOWN

CAA = 257
STRING = 255
"""Bytes of one string of a TXT record; longer texts are several."""


class BadData(ValueError):
    """Says what the value should be."""


def made(kind: str, value: str) -> tuple[int, str]:
    """Type and data, as a zone file has it. Raises BadData."""
    number, make = _KINDS.get(kind, (0, None))
    if make is None:
        raise BadData(f"there are no records of type {kind} here: {', '.join(_KINDS)}")
    try:
        return number, make(value)
    except (ValueError, Malformed) as error:
        raise BadData(f"{value!r} is no {kind} record{f': {error}' if str(error) else ''}") from None


def _address(version: int) -> Callable[[str], str]:
    def make(value: str) -> str:
        if not is_address(value) or ip_address(value).version != version:
            raise ValueError(f"write an IPv{version} address")
        return str(ip_address(value))

    return make


def _name(value: str) -> str:
    name = value.lower().removesuffix(".")
    if not name:
        raise ValueError("write a name")
    to_wire(name)
    return f"{name}."


def _numbers(texts: list[str], most: int) -> list[int]:
    numbers = [int(each) for each in texts if each.isdecimal() and int(each) <= most]
    if len(numbers) < len(texts):
        raise ValueError(f"numbers go from 0 to {most}")
    return numbers


def _srv(value: str) -> str:
    *numbers, target = value.split()
    if len(numbers) != 3:
        raise ValueError("write priority, weight, port, target")
    return f"{' '.join(map(str, _numbers(numbers, 0xFFFF)))} {_name(target)}"


def _mx(value: str) -> str:
    preference, *host = value.split()
    if len(host) != 1:
        raise ValueError("write preference and host")
    return _raw(_numbers([preference], 0xFFFF)[0].to_bytes(2, "big") + to_wire(_name(host[0])))


def _txt(value: str) -> str:
    data = value.encode()
    parts = [data[at : at + STRING] for at in range(0, len(data), STRING)] or [b""]
    return _raw(b"".join(bytes((len(part),)) + part for part in parts))


def _caa(value: str) -> str:
    flags, tag, text = value.split(None, 2)
    if not (tag.isascii() and tag.isalnum()):
        raise ValueError("the tag has letters and digits")
    return _raw(bytes((_numbers([flags], 0xFF)[0], len(tag))) + tag.encode() + text.strip('"').encode())


def _raw(data: bytes) -> str:
    return f"{UNKNOWN}{len(data)} {data.hex()}"


_KINDS: Mapping[str, tuple[int, Callable[[str], str]]] = {
    "A": (A, _address(4)),
    "AAAA": (AAAA, _address(6)),
    "CNAME": (CNAME, _name),
    "TXT": (TXT, _txt),
    "SRV": (SRV, _srv),
    "MX": (MX, _mx),
    "NS": (NS, _name),
    "PTR": (PTR, _name),
    "CAA": (CAA, _caa),
}
