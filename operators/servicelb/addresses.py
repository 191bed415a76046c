"""Addresses as a pool writes them: single ones, ranges and networks of either family. Pure arithmetic.

The provider asks which addresses a pool holds, the pools' status how many and whether two pools overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
VERSIONS = {"IPv4": 4, "IPv6": 6}
"""By the name of the family in spec.ipFamilies of a Service."""


@dataclass(frozen=True, slots=True)
class Range:
    """All addresses from `first` to `last`, both of one family."""

    first: Address
    last: Address

    @property
    def size(self) -> int:
        return int(self.last) - int(self.first) + 1

    def holds(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def overlaps(self, other: "Range") -> bool:
        return self.holds(other.first) or other.holds(self.first)

    def __iter__(self) -> Iterator[Address]:
        kind = type(self.first)
        return (kind(number) for number in range(int(self.first), int(self.last) + 1))

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@lru_cache(maxsize=256)
def parse(texts: Sequence[str]) -> tuple[Range, ...]:
    """The ranges of a pool, a tuple of texts. ValueError if one is none."""
    return tuple(_range(text.strip()) for text in texts)


def canonical(text: str) -> str:
    """An address as Kubernetes writes it. ValueError if it is none."""
    return str(ip_address(text.strip()))


def _range(text: str) -> Range:
    try:
        if "/" in text:
            network = ip_network(text)
            return Range(network.network_address, network.broadcast_address)
        first, _, last = text.partition("-")
        return _ordered(ip_address(first.strip()), ip_address((last or first).strip()))
    except ValueError as error:
        raise ValueError(f"{text!r} is no address, range or network ({error}): write 10.0.0.1-10.0.0.9") from None


def _ordered(first: Address, last: Address) -> Range:
    if first.version != last.version:
        raise ValueError("its ends are of two families")
    if int(first) > int(last):
        raise ValueError("it ends before it begins")
    return Range(first, last)
