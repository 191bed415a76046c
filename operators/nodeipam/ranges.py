"""The ranges pod addresses come from, as the settings say, and which part of them is taken.

A range of the cluster is cut into equal blocks, one for each node, counted from 0. Used by `nodeipam` for every
decision and by whoever reads the settings, to refuse nonsense before anything runs. Answers to cidrset/cidr_set.go in
pkg/controller/nodeipam/ipam and to the checks in cmd/kube-controller-manager/app/core.go, with their messages.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

CLUSTER = "cluster-cidr"
MASK = "node-cidr-mask-size"
MASKS = {4: "node-cidr-mask-size-ipv4", 6: "node-cidr-mask-size-ipv6"}
SERVICES = "service-cluster-ip-range"
DEFAULT_MASKS = {4: 24, 6: 64}
WIDEST = 16
"""Bits a node's mask may be longer than the cluster's IPv6 range (clusterSubnetMaxDiff)."""


@dataclass(frozen=True, slots=True)
class Range:
    """`network` in blocks of /`mask`; `reserved` is never handed out."""

    network: Network
    mask: int
    reserved: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many blocks there are."""
        return 1 << (self.mask - self.network.prefixlen)

    def block(self, number: int) -> str:
        """The block of that number, as in spec.podCIDRs."""
        network = self.network
        address = int(network.network_address) + (number << (network.max_prefixlen - self.mask))
        return str(type(network)((address, self.mask)))

    def numbers(self, taken: Iterable[str]) -> Iterator[range]:
        """The blocks each of these CIDRs touches, if any; they may be larger or smaller, or lie elsewhere."""
        version, size = self.network.version, self.size
        shift, base = self.network.max_prefixlen - self.mask, int(self.network.network_address)
        for cidr in taken:
            family, low, high = _span(cidr)
            first, after = (low - base) >> shift, ((high - base) >> shift) + 1
            if family == version and after > 0 and first < size:
                yield range(max(first, 0), min(after, size))

    def lowest_free(self, taken: Iterable[str]) -> str | None:
        """The first block that neither `taken` (CIDRs) nor what is reserved touches; None if all are taken."""
        single: set[int] = set()
        wide: list[range] = []
        for numbers in self.numbers((*self.reserved, *taken)):
            if len(numbers) == 1:
                single.add(numbers.start)
            else:
                wide.append(numbers)
        number = 0
        while number < self.size:
            covering = next((each for each in wide if number in each), None) if wide else None
            if covering is None and number not in single:
                return self.block(number)
            number = covering.stop if covering is not None else number + 1
        return None


@lru_cache(maxsize=20_000)
def _span(cidr: str) -> tuple[int, int, int]:
    """IP version, first and last address; version 0 if it is no CIDR. Every decision asks this of every node."""
    network = parse(cidr)
    if network is None:
        return 0, 0, 0
    return network.version, int(network.network_address), int(network.broadcast_address)


def parse(cidr: str) -> Network | None:
    """The network, host bits ignored as the API server does; None if it is none."""
    try:
        return ip_network(cidr.strip(), strict=False)
    except ValueError:
        return None


def ranges_of(settings: Mapping[str, str]) -> tuple[Range, ...]:
    """The cluster's ranges, at most one of each family; none without `cluster-cidr`. Raises ValueError."""
    return _ranges(tuple((name, settings.get(name, "")) for name in (CLUSTER, MASK, *MASKS.values(), SERVICES)))


@lru_cache(maxsize=8)
def _ranges(given: tuple[tuple[str, str], ...]) -> tuple[Range, ...]:
    settings = dict(given)
    if not settings[CLUSTER].strip():
        return ()
    networks = _networks(CLUSTER, settings[CLUSTER])
    reserved = _networks(SERVICES, settings[SERVICES]) if settings[SERVICES].strip() else ()
    _check_families(networks)
    return tuple(_range(network, _mask(network, networks, settings), reserved) for network in networks)


def _networks(setting: str, text: str) -> tuple[Network, ...]:
    found = tuple(parse(each) for each in text.split(","))
    if None in found:
        raise ValueError(f"--{setting}: {text!r} is not one CIDR, or two separated by a comma")
    return tuple(each for each in found if each is not None)


def _check_families(networks: Sequence[Network]) -> None:
    if len(networks) > 1 and len({network.version for network in networks}) == 1:
        raise ValueError(
            f"len of ClusterCIDRs=={len(networks)} and they are not configured as dual stack "
            "(at least one from each IPFamily"
        )
    if len(networks) > 2:
        raise ValueError(f"length of clusterCIDRs is:{len(networks)} more than max allowed of 2")


def _mask(network: Network, networks: Sequence[Network], settings: Mapping[str, str]) -> int:
    """How long a node's prefix is in `network`: its family's flag, or the one for clusters of a single family."""
    of_family = settings[MASKS[network.version]]
    if settings[MASK]:
        if len(networks) > 1:
            raise ValueError(f"usage of --{MASK} is not allowed with dual-stack clusters")
        if any(settings[name] for name in MASKS.values()):
            raise ValueError(
                f"usage of --{MASKS[4]} and --{MASKS[6]} is not allowed if --{MASK} is set. "
                "For dual-stack clusters please unset it and use IPFamily specific flags"
            )
        return _number(MASK, settings[MASK])
    other = MASKS[4 if network.version == 6 else 6]
    if len(networks) == 1 and settings[other]:
        raise ValueError(f"usage of --{other} is not allowed for a single-stack IPv{network.version} cluster")
    return _number(MASKS[network.version], of_family) if of_family else DEFAULT_MASKS[network.version]


def _number(setting: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"--{setting}: {text!r} is not a prefix length")
    return int(text)


def _range(network: Network, mask: int, reserved: tuple[Network, ...]) -> Range:
    if not network.prefixlen <= mask <= network.max_prefixlen:
        raise ValueError(
            f"Invalid --{CLUSTER} {network}: its mask size must be less than or equal to the {mask} configured "
            f"for a node of its CIDR family, and that at most {network.max_prefixlen}"
        )
    if network.version == 6 and mask - network.prefixlen > WIDEST:
        raise ValueError("New CIDR set failed; the node CIDR size is too big")
    return Range(network, mask, tuple(map(str, reserved)))
