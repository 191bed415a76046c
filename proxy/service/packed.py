"""Keys and data of sets and maps as the kernel holds them: fields one after the other, each on a multiple of 4 bytes.

`elements` writes them, `trace` and the debug page read them. Answers to the registers of nf_tables (NFT_REG32).
"""

import struct
from functools import lru_cache
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

_PROTOCOL, _PORT, _SLOT = struct.Struct("B3x"), struct.Struct(">H2x"), struct.Struct("=I")


def address(ip: str) -> bytes:
    """4 or 16 bytes."""
    return inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)


def is_plain(ip: str) -> bool:
    """Whether it is an IPv4 address in the one form that such have."""
    try:
        return ":" not in ip and len(address(ip)) == 4
    except OSError:
        return False


def read_address(ip: str) -> bytes:
    """Of what somebody wrote: leading zeros of IPv4 numbers are dropped, as upstream does; b"" if it is none."""
    try:
        return address(ip)
    except OSError:
        pass
    try:
        return inet_pton(AF_INET, ".".join(part.lstrip("0") or "0" for part in ip.split(".")))
    except OSError:
        return b""


def text(data: bytes) -> str:
    """What `address` packed."""
    return inet_ntop(AF_INET6 if len(data) == 16 else AF_INET, data)


@lru_cache(maxsize=70_000)
def port(number: int) -> bytes:
    return _PORT.pack(number)


def protocol(number: int) -> bytes:
    return _PROTOCOL.pack(number)


@lru_cache(maxsize=20_000)
def slot(number: int) -> bytes:
    return _SLOT.pack(number)


@lru_cache(maxsize=2_000)
def slots(first: int, count: int) -> tuple[bytes, ...]:
    """So many from `first` on."""
    return tuple(map(slot, range(first, first + count)))


def slot_number(data: bytes) -> int:
    number: int = _SLOT.unpack(data)[0]
    return number


def target(ip: str, protocol_number: int, port_number: int) -> bytes:
    """The key of an address that is served."""
    return address(ip) + protocol(protocol_number) + port(port_number)


def endpoint(ip: str, port_number: int) -> bytes:
    """Where a connection goes."""
    return address(ip) + port(port_number)


def read_endpoint(data: bytes) -> tuple[str, int]:
    """What `endpoint` packed."""
    return text(data[:-4]), int(_PORT.unpack(data[-4:])[0])


def bounds(cidr: str) -> tuple[bytes, bytes]:
    """Its first and its last address."""
    network = ip_network(cidr)
    return network.network_address.packed, network.broadcast_address.packed
