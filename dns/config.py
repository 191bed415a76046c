"""The configuration file of cluster DNS: zones and whom they are asked of, hosts, rewriting, logging. Pure.

Read by `settings` at the start and by `reload` whenever it changes; docs/controllers/dns.md explains every field, and
`corefile` makes one of a Corefile. What is left out is as in the Corefile of kubeadm. Seconds are numbers.
"""

# ruff: noqa: N815 - written as in Kubernetes' own files

import re
from ipaddress import ip_address
from typing import Annotated, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from understudy.dns.names import Malformed, is_address, to_wire

Policy = Literal["random", "round_robin", "sequential"]
LogClass = Literal["all", "success", "denial", "error"]
Match = Literal["exact", "prefix", "suffix", "substring", "regex"]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, Meta(ge=0, le=7 * 86400)]
Share = Annotated[float, Meta(ge=0, le=1)]

ROOT = ""
"""The zone of every name."""
RESOLV_CONF = "/etc/resolv.conf"
_ADDRESS = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<four>[^:]+))(?::(?P<port>\d{1,5}))?")
_PORTS = {False: 53, True: 853}


class ConfigProblem(ValueError):
    """The file cannot be: says where and why."""


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every part of the file has in common: a name that is misspelt is refused."""


class Forward(_Part, frozen=True):
    """Whom to ask: addresses, `tls://ADDRESS%NAME`, or a resolv.conf. Nobody: such questions are refused."""

    to: tuple[str, ...] = (RESOLV_CONF,)
    policy: Policy = "random"
    maxFails: Count = 2
    healthCheck: Annotated[float, Meta(ge=0.1, le=3600)] = 0.5
    expire: Seconds = 10.0
    maxConcurrent: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    forceTCP: bool = False
    ca: str = ""


class Prefetch(_Part, frozen=True):
    """Answers asked for `amount` times, never `seconds` apart, are renewed in the last `share` of their life."""

    amount: Annotated[int, Meta(ge=1)] = 1
    seconds: Seconds = 60.0
    share: Share = 0.1


class Cache(_Part, frozen=True):
    """How long answers of others are kept at most. `stale`: seconds beyond that, while nobody gives a newer one."""

    seconds: Seconds = 30.0
    negativeSeconds: Seconds = 30.0
    entries: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    stale: Seconds = 0.0
    staleMode: Literal["immediate", "verify"] = "immediate"
    prefetch: Prefetch | None = None


class Hosts(_Part, frozen=True):
    """Names by address. Without `fallthrough` a name of the zone that is not here is not at all."""

    entries: dict[str, tuple[str, ...]] = {}
    ttl: Annotated[int, Meta(ge=0, le=604_800)] = 3600
    fallthrough: bool = True


class Log(_Part, frozen=True):
    """Which questions are logged, and how large a share of them."""

    classes: tuple[LogClass, ...] = ("all",)
    sample: Share = 1.0


class ZonePart(_Part, frozen=True):
    """What holds for the names in a zone. `forward` and `cache` are those of the next larger zone if left out."""

    zone: str
    forward: Forward | None = None
    cache: Cache | None = None
    hosts: Hosts | None = None
    log: Log | None = None


class Rewrite(_Part, frozen=True):
    """Questions about names that match are answered as if `to` had been asked, under the name they asked for."""

    match: Match
    name: str
    to: str
    more: bool = False


class Config(_Part, frozen=True):
    """The file. The first rewrite rule that matches counts, unless it says that more of them shall."""

    zones: tuple[ZonePart, ...] = ()
    rewrite: tuple[Rewrite, ...] = ()

    def zone(self, name: str) -> ZonePart | None:
        """The part for exactly that zone."""
        return next((each for each in self.zones if each.zone == name), None)


def parse(text: str, root: Forward | None = None) -> Config:
    """The configuration in a file's text, checked; `root` is whom to ask where the file does not say.

    Raises ConfigProblem.
    """
    try:
        read = yaml.safe_load(text)
        found = msgspec.convert(read if read is not None else {}, Config)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigProblem(" ".join(str(error).split())) from None
    return completed(found, root or Forward())


def completed(config: Config, root: Forward) -> Config:
    """Checked, names in one form, and every zone with the forwarding and the cache that hold for it."""
    zones = {each.zone: each for each in map(_zone, config.zones)}
    if len(zones) < len(config.zones):
        raise ConfigProblem("a zone is there twice")
    zones.setdefault(ROOT, ZonePart(ROOT))
    done: dict[str, ZonePart] = {}
    for name in sorted(zones, key=len):
        above = done[above_of(name, done)] if name else ZonePart(ROOT, root, Cache())
        part = zones[name]
        done[name] = msgspec.structs.replace(
            part, forward=part.forward or above.forward, cache=part.cache or above.cache
        )
    for rule in config.rewrite:
        _check_rewrite(rule)
    return Config(tuple(done.values()), config.rewrite)


def above_of(name: str, zones: dict[str, ZonePart]) -> str:
    """The longest of `zones` that `name` is below."""
    while name:
        name = name.partition(".")[2]
        if name in zones:
            return name
    return ROOT


def _zone(part: ZonePart) -> ZonePart:
    where = f"zone {part.zone!r}"
    name = part.zone.lower().removesuffix(".")
    try:
        to_wire(name)
    except Malformed as error:
        raise ConfigProblem(f"{where}: {error}") from None
    for to in part.forward.to if part.forward else ():
        if not to.startswith("/"):
            target(to)
    hosts = part.hosts
    if hosts is not None:
        hosts = msgspec.structs.replace(hosts, entries=_entries(hosts, name, where))
    return msgspec.structs.replace(part, zone=name, hosts=hosts)


def _entries(hosts: Hosts, zone: str, where: str) -> dict[str, tuple[str, ...]]:
    """Addresses and names in one form; names outside the zone would never be asked for."""
    found: dict[str, tuple[str, ...]] = {}
    for address, names in hosts.entries.items():
        if not is_address(address):
            raise ConfigProblem(f"{where}, hosts: {address!r} is no address")
        lower = tuple(name.lower().removesuffix(".") for name in names)
        for name in lower:
            if zone and name != zone and not name.endswith(f".{zone}"):
                raise ConfigProblem(f"{where}, hosts: {name!r} is not in the zone")
            try:
                to_wire(name)
            except Malformed as error:
                raise ConfigProblem(f"{where}, hosts: {error}") from None
        found[str(ip_address(address))] = lower
    return found


def _check_rewrite(rule: Rewrite) -> None:
    where = f"rewrite {rule.match} {rule.name!r}"
    if not rule.name:
        raise ConfigProblem(f"{where}: name is empty")
    try:
        if rule.match == "regex":
            groups = re.compile(rule.name).groups
            if any(int(number) > groups for number in re.findall(r"\{(\d+)\}", rule.to)):
                raise ConfigProblem(f"{where}: {rule.to!r} names a group that is not there")
        elif rule.match == "exact":
            to_wire(rule.name)
            to_wire(rule.to)
    except (re.error, Malformed) as error:
        raise ConfigProblem(f"{where}: {error}") from None


class Target(Struct, frozen=True):
    """A server to ask. With `tls` over TLS, and it has to show a certificate for `name` (or for its address)."""

    host: str
    port: int
    tls: bool = False
    name: str = ""

    def __str__(self) -> str:
        at = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"tls://{at}{f'%{self.name}' if self.name else ''}" if self.tls else at


def target(text: str) -> Target:
    """10.0.0.1, 10.0.0.1:53, [fd00::1]:53, dns://…, tls://10.0.0.1:853%dns.example. Raises ConfigProblem."""
    tls = text.startswith("tls://")
    bare, _, name = text.removeprefix("tls://").removeprefix("dns://").partition("%")
    at = address(bare, _PORTS[tls])
    if at is None or (name and not tls):
        raise ConfigProblem(f"{text} is no server: write 10.0.0.1, [fd00::1]:53 or tls://10.0.0.1%NAME")
    return Target(*at, tls, name)


def address(text: str, default: int | None = None) -> tuple[str, int] | None:
    """1.2.3.4:53, [::1]:53, fd00::1; without a port only where there is a default. None if it is not that."""
    if is_address(text):
        return (text, default) if default is not None else None
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    host, digits = match["six"] or match["four"], match["port"]
    port = int(digits) if digits else default
    return (host, port) if is_address(host) and port is not None and port <= 65535 else None


def servers_of(resolv_conf: str) -> tuple[Target, ...]:
    """The name servers of a resolv.conf, the first three as everywhere."""
    words = (line.split() for line in resolv_conf.splitlines())
    named = (each[1] for each in words if len(each) > 1 and each[0] == "nameserver")
    return tuple(Target(each, 53) for each in named)[:3]
