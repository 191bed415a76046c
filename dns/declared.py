"""The users' own names as the API server has them: zones, records, Services and Ingresses with names for the outside.

`component` watches for it. Whatever changes, all of it is settled anew (`ownership`), and handed on if it differs.
Where the kinds are not served there is none of it.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from understudy.dns.kinds import (
    DNS_RECORDS,
    DNS_ZONES,
    INGRESSES,
    DNSRecord,
    DNSZone,
    Exposed,
    Ingress,
    OutsideStatus,
    Service,
)
from understudy.dns.names import AAAA, A, is_address
from understudy.dns.ownership import EXPOSES, Settled, settle
from understudy.dns.rdata import BadData, made
from understudy.kinds.meta import Key
from understudy.state.store import Store

PAUSE = 0.02
"""Seconds in which changes gather: an apply of many records is settled once or twice, not once a record."""


class Declared:
    """`zones`, `records` and `ingresses` are filled by watches; `run` never returns and tells `apply`."""

    def __init__(self, services: Store[Service], domain: str, apply: Callable[[Settled], None]) -> None:
        self.zones: Store[DNSZone] = Store(DNS_ZONES)
        self.records: Store[DNSRecord] = Store(DNS_RECORDS)
        self.ingresses: Store[Ingress] = Store(INGRESSES)
        self.settled = Settled()
        self._domain, self._apply = domain, apply
        self._exposed: dict[tuple[str, Key], Exposed] = {}
        self._due = asyncio.Event()
        self.zones.hooks.append(self._saw)
        self.records.hooks.append(self._saw)
        services.hooks.append(lambda new, old: self._saw_exposed("Service", new, old))
        self.ingresses.hooks.append(lambda new, old: self._saw_exposed("Ingress", new, old))

    @property
    def stores(self) -> tuple[Store[Any], ...]:
        return self.zones, self.records, self.ingresses

    async def run(self) -> None:
        """Settle whenever there is something to."""
        while True:
            await self._due.wait()
            await asyncio.sleep(PAUSE)
            self.turn()

    def turn(self) -> None:
        """Settle now."""
        self._due.clear()
        before, self.settled = (
            self.settled,
            settle(self.zones.all(), self.records.all(), self._exposed.values(), self._domain),
        )
        if (before.names, before.outside) != (self.settled.names, self.settled.outside):
            self._apply(self.settled)

    def _saw(self, new: DNSZone | DNSRecord | None, old: DNSZone | DNSRecord | None) -> None:
        if new is None or old is None or new.spec != old.spec:
            self._due.set()

    def _saw_exposed(self, kind: str, new: Service | Ingress | None, old: Service | Ingress | None) -> None:
        either = new or old
        assert either is not None
        key, found = (kind, either.key), exposed(kind, new) if new is not None else None
        before = self._exposed.pop(key, None)
        if found is not None:
            self._exposed[key] = found
        if _shown(before) != _shown(found):
            self._due.set()


def _shown(each: Exposed | None) -> Any:
    """What of it matters."""
    return (each.names, each.rrsets) if each is not None else None


def exposed(kind: str, each: Service | Ingress) -> Exposed | None:
    """The names it asks for; None if that is none, or if it has no address for the outside yet."""
    wanted = each.metadata.annotations.get(EXPOSES)
    if wanted is None:
        return None
    names = tuple(dict.fromkeys(_names(wanted, each)))
    rrsets = _rrsets(each.status)
    return Exposed(kind, each, names, rrsets) if names and rrsets else None


def _names(wanted: str, each: Service | Ingress) -> Iterator[str]:
    hosts = [rule.host for rule in each.spec.rules] if isinstance(each, Ingress) and not wanted.strip() else []
    for name in (*wanted.split(","), *hosts):
        if name.strip():
            yield name.strip().lower().removesuffix(".")


def _rrsets(status: OutsideStatus) -> dict[int, tuple[str, ...]]:
    """Its addresses; if it has none, the first name it is reached by."""
    places = status.loadBalancer.ingress
    ips = [each.ip for each in places if is_address(each.ip)]
    if ips:
        four, six = [ip for ip in ips if ":" not in ip], [ip for ip in ips if ":" in ip]
        return {kind: tuple(held) for kind, held in ((A, four), (AAAA, six)) if held}
    try:
        kind, alias = made("CNAME", places[0].hostname if places else "")
    except BadData:
        return {}
    return {kind: (alias,)}
