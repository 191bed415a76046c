"""Names beside the cluster's: hosts blocks of the configuration, and the zones and records users declare. Pure.

`lookup` asks it before the cluster's names. A zone that is answered here alone has an SOA record and says NXDOMAIN; in
one with `fallthrough`, names that are not here are looked for elsewhere. Wildcards are those of RFC 4592.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from understudy.dns.config import Config
from understudy.dns.names import AAAA, PTR, A, reverse

Rrsets = Mapping[int, tuple[str, ...]]
"""Records of a name by type, as in a zone file; other than of names and numbers by RFC 3597 (`\\# 1 00`)."""


class Origin(Struct, frozen=True):
    """A zone. `ttl` is that of its negative answers, in seconds."""

    name: str
    ttl: int = 30
    fallthrough: bool = False


class Held(Struct, frozen=True):
    """What a name holds. `ttl` in seconds."""

    ttl: int
    rrsets: dict[int, tuple[str, ...]]


class Names(Struct, frozen=True):
    """All zones and all names of one source."""

    origins: dict[str, Origin] = {}
    names: dict[str, Held] = {}


NONE = Names()
_BETWEEN = Held(0, {})
"""A name that is there only because there are names below it (RFC 8020)."""


class Found(NamedTuple):
    """What a name holds; None: there is no such name. `ttl` is its own, `negative` that of there being nothing."""

    held: Rrsets | None
    ttl: int
    origin: str
    negative: int


class Own:
    """All of it: `hosts` come before `declared`."""

    def __init__(self) -> None:
        self._sources: dict[str, Names] = {}
        self._origins: dict[str, Origin] = {}
        self._names: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._names)

    def put(self, source: str, names: Names) -> set[str]:
        """From now on `source` has these; every name that may be answered otherwise now."""
        before = self._names
        self._sources[source] = names
        self._origins, self._names = {}, {}
        for each in sorted(self._sources, reverse=True):  # "hosts" is later in the alphabet than "declared"
            for origin in self._sources[each].origins.values():
                self._origins.setdefault(origin.name, origin)
            for name, held in self._sources[each].names.items():
                self._names.setdefault(name, held)
        self._fill()
        changed = {name for name in before.keys() | self._names.keys() if before.get(name) != self._names.get(name)}
        return changed | set(names.origins)

    def _fill(self) -> None:
        """The names between a zone's origin and those in it."""
        for name in list(self._names):
            above = name.partition(".")[2]
            while above and above not in self._names and self._origin(above) is not None:
                self._names[above] = _BETWEEN
                above = above.partition(".")[2]

    def find(self, name: str) -> Found | None:
        """None if the name is to be looked for elsewhere."""
        if not self._names and not self._origins:
            return None
        origin = self._origin(name)
        at, ttl = (origin.name, origin.ttl) if origin else ("", 30)
        held = self._names.get(name) or self._wildcard(name, at)
        if held is not None and (held is not _BETWEEN or (origin and not origin.fallthrough)):
            return Found(held.rrsets, held.ttl or ttl, at, ttl)
        if origin is None or origin.fallthrough:
            return None
        return Found(MappingProxyType({}) if name == at else None, ttl, at, ttl)

    def _origin(self, name: str) -> Origin | None:
        """The longest zone that holds the name."""
        while name:
            found = self._origins.get(name)
            if found is not None:
                return found
            name = name.partition(".")[2]
        return self._origins.get("")

    def _wildcard(self, name: str, origin: str) -> Held | None:
        """The wildcard below the closest name there is."""
        while name and name != origin:
            name = name.partition(".")[2]
            if name in self._names or name == origin:
                return self._names.get(f"*.{name}")
        return None


def of_hosts(config: Config) -> Names:
    """The names of all hosts blocks; the addresses' names, too."""
    origins: dict[str, Origin] = {}
    names: dict[str, Held] = {}
    for part in config.zones:
        if part.hosts is None:
            continue
        if not part.hosts.fallthrough:
            origins[part.zone] = Origin(part.zone, part.hosts.ttl)
        for name, held in _of_entries(part.hosts.entries.items()).items():
            names[name] = Held(part.hosts.ttl, {kind: tuple(data) for kind, data in held.items()})
    return Names(origins, names)


def _of_entries(entries: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, dict[int, list[str]]]:
    found: dict[str, dict[int, list[str]]] = {}
    for address, names in entries:
        for name in names:
            found.setdefault(name, {}).setdefault(AAAA if ":" in address else A, []).append(address)
        if names:
            found.setdefault(reverse(address), {}).setdefault(PTR, []).extend(f"{name}." for name in names)
    return found
