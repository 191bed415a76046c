"""A Corefile made into our configuration, as far as that goes; what has no counterpart is named, line by line. Pure.

Called by `understudy dns convert`. Answers to CoreDNS's plugin documentation and to Caddy 1's file format.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understudy.dns.names import is_address, is_below

Object = dict[str, Any]
NOTHING_TO_DO = ("errors", "ready", "loop", "reload", "loadbalance", "cancel", "nsid", "ready", "minimal", "any")
"""What ours always does, or what makes no difference to who asks."""
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_SERVER = re.compile(r"(?:dns://)?(\[[^]]+\]|[^:]*)(?::(\d+))?")


class BadCorefile(ValueError):
    """It cannot be read; says where."""


@dataclass(slots=True)
class Directive:
    """One line of a block, with the lines of its own block."""

    line: int
    words: list[str]
    block: "list[Directive]" = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def args(self) -> list[str]:
        return self.words[1:]

    def __str__(self) -> str:
        return f"line {self.line}: {' '.join(self.words)}"


@dataclass(slots=True)
class Converted:
    """`config` is our file, `flags` are options of `understudy run dns`; `cannot`: what is lost, and where."""

    zones: dict[str, Object] = field(default_factory=dict)
    rewrite: list[Object] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)
    cannot: list[str] = field(default_factory=list)

    @property
    def config(self) -> Object:
        zones = [{"zone": name or ".", **part} for name, part in self.zones.items() if part]
        return {key: value for key, value in (("zones", zones), ("rewrite", self.rewrite)) if value}

    def zone(self, name: str) -> Object:
        return self.zones.setdefault(name.lower().removesuffix("."), {})


def convert(text: str) -> Converted:
    """Raises BadCorefile."""
    out = Converted()
    lines = _lines(text)
    every = list(_block(lines, top=True))
    snippets = {each.name: each.block for each in every if re.fullmatch(r"\(.+\)", each.name)}
    for server in every:
        if server.name not in snippets:
            zones = [_zone_of(key, server, out) for key in server.words]
            for directive in _imported(server.block, snippets):
                _one(directive, [zone for zone in zones if zone is not None], out)
    return out


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        words: list[str] = []
        for match in _TOKEN.finditer(line):
            if match[2] is not None and match[2].startswith("#"):
                break
            words.append(match[2] if match[2] is not None else re.sub(r"\\(.)", r"\1", match[1]))
        if words:
            yield number, words


def _block(lines: Iterator[tuple[int, list[str]]], *, top: bool = False) -> Iterator[Directive]:
    for number, words in lines:
        if words == ["}"]:
            if top:
                raise BadCorefile(f"line {number}: a }} that closes nothing")
            return
        opens = words[-1] == "{"
        names = [part for word in (words[:-1] if opens else words) for part in ([word] if not top else word.split(","))]
        if top and not opens:
            raise BadCorefile(f"line {number}: a server block begins with zones and ends with {{")
        if not names:
            raise BadCorefile(f"line {number}: nothing before {{")
        yield Directive(number, [each for each in names if each], list(_block(lines)) if opens else [])
    if not top:
        raise BadCorefile("a block is not closed: a } is missing at the end")


def _imported(block: Sequence[Directive], snippets: Mapping[str, list[Directive]]) -> Iterator[Directive]:
    for each in block:
        if each.name == "import" and f"({''.join(each.args)})" in snippets:
            yield from snippets[f"({each.args[0]})"]
        else:
            yield each


def _zone_of(key: str, server: Directive, out: Converted) -> str | None:
    """The zone of a server block's key; None for one served by other means than DNS."""
    scheme, separator, _ = key.partition("://")
    match = _SERVER.fullmatch(key)
    if match is None or (separator and scheme != "dns"):
        out.cannot.append(f"line {server.line}: {key}: only plain DNS is served")
        return None
    if match[2] not in (None, "53"):
        out.flags["dns-address"] = f":{match[2]}"
    return (match[1] or ".").lower().removesuffix(".")


def _one(each: Directive, zones: Sequence[str], out: Converted) -> None:
    if each.name in NOTHING_TO_DO:
        return
    handler = _HANDLERS.get(each.name)
    if handler is None:
        out.cannot.append(f"{each}: there is no counterpart of the plugin {each.name}")
        return
    try:
        handler(each, zones, out)
    except (ValueError, IndexError) as error:
        out.cannot.append(f"{each}: {error}")


def _options(each: Directive, known: Mapping[str, Callable[[list[str]], None]], out: Converted) -> None:
    """The lines of its block, by their first words."""
    for line in each.block:
        take = known.get(line.name)
        if take is None:
            out.cannot.append(f"{line}: {each.name} has no counterpart of this")
            continue
        try:
            take(line.args)
        except (ValueError, IndexError) as error:
            out.cannot.append(f"{line}: {str(error) or 'something is missing'}")


def seconds(text: str) -> float:
    """5s, 1h30m, 250ms; a bare number is seconds. Raises ValueError."""
    if re.fullmatch(r"\d+", text):
        return float(text)
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _kubernetes(each: Directive, zones: Sequence[str], out: Converted) -> None:
    named = [name.lower().removesuffix(".") for name in each.args or zones if not name.rstrip(".").endswith(".arpa")]
    if named:
        out.flags["cluster-domain"] = named[0]
    out.cannot += [f"{each}: only one cluster domain is answered, not {name} too" for name in named[1:]]

    def ttl(args: list[str]) -> None:
        if args[0] != "30":
            raise ValueError("answers hold 30 s")

    def fallthrough(args: list[str]) -> None:
        if not args or not all(name.rstrip(".").endswith(".arpa") for name in args):
            raise ValueError("names of the cluster that are not there are not asked of others")

    def pods(args: list[str]) -> None:
        out.flags["dns-pods"] = args[0]

    _options(each, {"ttl": ttl, "fallthrough": fallthrough, "pods": pods}, out)


def _forward(each: Directive, zones: Sequence[str], out: Converted) -> None:
    base, *to = each.args
    made: Object = {"to": to}
    tls: list[str] = []

    def name(args: list[str]) -> None:
        tls.append(args[0])

    def ca(args: list[str]) -> None:
        if len(args) not in (0, 1):
            raise ValueError("no certificate of one's own is shown to servers")
        made.update({"ca": args[0]} if args else {})

    def number(key: str, read: Callable[[str], float]) -> Callable[[list[str]], None]:
        return lambda args: made.update({key: read(args[0])})

    known: dict[str, Callable[[list[str]], None]] = {
        "max_concurrent": number("maxConcurrent", int),
        "max_fails": number("maxFails", int),
        "expire": number("expire", seconds),
        "health_check": number("healthCheck", seconds),
        "policy": lambda args: made.update(policy=args[0]),
        "force_tcp": lambda _: made.update(forceTCP=True),
        "prefer_udp": lambda _: None,
        "tls": ca,
        "tls_servername": name,
    }
    _options(each, known, out)
    if tls:
        made["to"] = [f"{server}%{tls[0]}" if server.startswith("tls://") else server for server in to]
    for zone in zones if base == "." else [base]:
        out.zone(zone)["forward"] = made


def _cache(each: Directive, zones: Sequence[str], out: Converted) -> None:
    args = list(each.args)
    made: Object = {}
    if args and args[0].isdecimal():
        made |= {"seconds": int(args[0]), "negativeSeconds": int(args[0])}
        args.pop(0)

    def success(given: list[str]) -> None:
        made["entries"] = int(given[0])
        made.update({"seconds": int(given[1])} if len(given) > 1 else {})

    def denial(given: list[str]) -> None:
        made.update({"negativeSeconds": int(given[1])} if len(given) > 1 else {})

    def prefetch(given: list[str]) -> None:
        amount, gap, share = [*given, *("1m", "10%")[len(given) - 1 :]][:3]
        made["prefetch"] = {"amount": int(amount), "seconds": seconds(gap), "share": int(share.rstrip("%")) / 100}

    def stale(given: list[str]) -> None:
        made["stale"] = seconds(given[0]) if given else 3600.0
        made.update({"staleMode": given[1]} if len(given) > 1 else {})

    def disable(given: list[str]) -> None:
        """What is answered from the table of the cluster's names is never old: nothing is lost."""
        if not given[1:]:
            made["seconds" if given[0] == "success" else "negativeSeconds"] = 0

    known = {"success": success, "denial": denial, "prefetch": prefetch, "serve_stale": stale, "disable": disable}
    _options(each, known, out)
    for zone in args or zones:
        out.zone(zone)["cache"] = made


def _hosts(each: Directive, zones: Sequence[str], out: Converted) -> None:
    files = [word for word in each.args if "/" in word]
    out.cannot += [f"{each}: the file {file} is not read: write its lines into entries" for file in files]
    entries: dict[str, list[str]] = {}
    made: Object = {"fallthrough": False}

    def fallthrough(args: list[str]) -> None:
        if args:
            raise ValueError("either all names of the zone are asked of others or none")
        made["fallthrough"] = True

    for line in each.block:
        if is_address(line.name):
            entries.setdefault(line.name, []).extend(line.args)
    rest = Directive(each.line, each.words, [line for line in each.block if not is_address(line.name)])
    ttl: Callable[[list[str]], None] = lambda args: made.update(ttl=int(args[0]))  # noqa: E731
    _options(rest, {"ttl": ttl, "fallthrough": fallthrough, "reload": lambda _: None}, out)
    for zone in [word for word in each.args if "/" not in word] or zones:
        out.zone(zone)["hosts"] = made | {"entries": _within(zone, entries)}


def _within(zone: str, entries: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The names of one of the zones that share a block."""
    origin = zone.lower().removesuffix(".")
    found = {
        at: [name for name in names if is_below(name.lower().rstrip("."), origin)] for at, names in entries.items()
    }
    return {at: names for at, names in found.items() if names}


def _log(each: Directive, zones: Sequence[str], out: Converted) -> None:
    made: Object = {}

    def classes(args: list[str]) -> None:
        made["classes"] = args

    _options(each, {"class": classes}, out)
    names = [word for word in each.args if "{" not in word]
    if len(names) < len(each.args):
        out.cannot.append(f"{each}: the form of the lines is CoreDNS's usual one")
    for zone in names or zones:
        out.zone(zone)["log"] = made


def _rewrite(each: Directive, zones: Sequence[str], out: Converted) -> None:
    del zones
    words, more = list(each.args), False
    if words and words[0] in ("stop", "continue"):
        more = words.pop(0) == "continue"
    lines = [words] if words else [[line.name, *line.args] for line in each.block]
    for line in lines:
        if line[0] == "answer":
            continue  # the answer always has the name that was asked for
        if line[0] != "name":
            out.cannot.append(f"{each}: only names are rewritten, not {line[0]}")
            continue
        rule = line[1:]
        match = rule.pop(0) if rule[0] in ("exact", "prefix", "suffix", "substring", "regex") else "exact"
        made = {"match": match, "name": rule[0], "to": rule[1]}
        out.rewrite.append(made | ({"more": True} if more else {}))


def _health(each: Directive, zones: Sequence[str], out: Converted) -> None:
    del zones

    def lame_duck(args: list[str]) -> None:
        out.flags["dns-lame-duck"] = f"{seconds(args[0]):g}"

    _options(each, {"lameduck": lame_duck}, out)


def _prometheus(each: Directive, zones: Sequence[str], out: Converted) -> None:
    del each, zones
    out.flags["dns-metrics"] = "coredns"


_HANDLERS: Mapping[str, Callable[[Directive, Sequence[str], Converted], None]] = {
    "kubernetes": _kubernetes,
    "forward": _forward,
    "cache": _cache,
    "hosts": _hosts,
    "log": _log,
    "rewrite": _rewrite,
    "health": _health,
    "prometheus": _prometheus,
}
