"""All rules and elements of one IP family, kept up Service by Service; what each batch of changes changes. Pure.

`keeper` holds one for each family. `render` makes one from everything at once. Two Services that claim the same address
cannot both have it: a cluster IP goes first, then who is older. Answers to the bookkeeping of syncProxyRules in
pkg/proxy/nftables/proxier.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain as chained
from typing import NamedTuple

from msgspec import Struct

from understudy.kinds.meta import Key
from understudy.proxy.service import packed
from understudy.proxy.service.elements import Data, Elements, Facts, Group, Slots, Writer, common, fronts, place
from understudy.proxy.service.endpoints import Choice, Endpoint, Place, choose, endpoints_of
from understudy.proxy.service.kinds import ProxyService, ProxySlice
from understudy.proxy.service.layout import FIXED, TABLES
from understudy.proxy.service.plans import Plan, affinity_chains, chain_of
from understudy.proxy.service.ports import ServicePort, ports_of
from understudy.proxy.service.statements import Chain, goto

UDP = 17


class Changes(NamedTuple):
    """New chains in the order to make them; then what to drop, then what to add."""

    chains: tuple[Chain, ...]
    drop: Elements
    add: Elements

    def __bool__(self) -> bool:
        return bool(self.chains or self.drop or self.add)

    @property
    def size(self) -> int:
        return sum(map(len, self.drop.values())) + sum(map(len, self.add.values()))


class Served(NamedTuple):
    """A Service port, its endpoints, and which of them are used here."""

    port: ServicePort
    endpoints: Sequence[Endpoint]
    choice: Choice


class _Claim(NamedTuple):
    """Who may have an address: not external, older, by name of Service and port. And what it would be then.

    `serving` are its UDP endpoints, None of other protocols.
    """

    external: bool
    created: str
    key: Key
    port: str
    group: Group
    serving: frozenset[bytes] | None

    def rank(self) -> tuple[bool, str, Key, str]:
        return self[:4]


_NO_SLOTS = Slots()
_NOBODY = _Claim(True, "", Key("", ""), "", [], None)


class _Part(Struct):
    """What one Service has put into the model."""

    slots: dict[str, Slots] = {}
    claims: dict[bytes, _Claim] = {}
    shared: frozenset[tuple[str, bytes]] = frozenset()
    lonely: tuple[str, ...] = ()


def serve(service: ProxyService | None, slices: Sequence[ProxySlice], facts: Facts, where: Place) -> tuple[Served, ...]:
    """Its ports and who serves them here; none if there is no such Service."""
    found = []
    for port in ports_of(service, facts.family) if service is not None else ():
        endpoints = endpoints_of(slices, port, facts.family, where)
        found.append(Served(port, endpoints, choose(endpoints, port, where)))
    return tuple(found)


class Model:
    """`chains` and `elements` are all there is to be; `put` changes them, `take` tells what changed since the last."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.chains: dict[str, Chain] = {chain.name: chain for chain in FIXED}
        self.elements: Elements = {table.name: {} for table in TABLES.values() if not table.room}
        self.udp: dict[bytes, frozenset[bytes]] = {}
        """UDP addresses, and all endpoints that serve them."""
        self.udp_changed = False
        """Set when `udp` changes; whoever has acted on that takes it back."""
        self.lonely = {"internal": 0, "external": 0}
        """Service ports with that traffic policy Local, endpoints, and none of them here."""
        self._parts: dict[Key, _Part] = {}
        self._claims: dict[bytes, tuple[_Claim, ...]] = {}
        """By address, who goes first coming first."""
        self._shared: dict[tuple[str, bytes], int] = {}
        self._numbers: dict[Plan, int] = {}
        self._before: dict[tuple[str, bytes], Data | None] | None = None
        """What changed elements were; None as long as nothing is written at all."""
        self._new_chains: list[Chain] = list(FIXED)
        self.elements |= common(facts)

    def put(self, key: Key, created: str, served: Iterable[Served]) -> None:
        """The Service is like this now; with nothing served it is gone."""
        old = self._parts.pop(key, None) or _Part()
        new = _Part()
        shared: set[tuple[str, bytes]] = set()
        for each in served:
            self._add_port(new, shared, key, created, each, old.slots.get(each.port.name, _NO_SLOTS))
        if not (new.claims or old.claims):
            return
        new.shared = frozenset(shared)
        self._reclaim(old.claims, new.claims)
        for policy in new.lonely:
            self.lonely[policy] += 1
        for policy in old.lonely:
            self.lonely[policy] -= 1
        self._share(old.shared, new.shared)
        if new.claims:
            self._parts[key] = new

    def take(self) -> Changes:
        """What has changed since the last time."""
        drop: Elements = {}
        add: Elements = {}
        if self._before is None:
            add = {name: dict(each) for name, each in self.elements.items() if each}
        for (name, key), before in (self._before or {}).items():
            now = self.elements[name].get(key)
            if now == before:
                continue
            if before is not None:
                drop.setdefault(name, {})[key] = before
            if now is not None:
                add.setdefault(name, {})[key] = now
        chains = tuple(self._new_chains)
        self.settle()
        return Changes(chains, drop, add)

    def settle(self) -> None:
        """Everything is written as it is now: nothing has changed since."""
        self._new_chains, self._before = [], {}

    def _add_port(
        self, part: _Part, shared: set[tuple[str, bytes]], key: Key, created: str, served: Served, before: Slots
    ) -> None:
        port, choice = served.port, served.choice
        if port.uses_local and choice.any and not choice.local:
            part.lonely += ("internal",) * port.internal_local + ("external",) * port.external_local
        slots = part.slots[port.name] = place(before, choice)
        writer = Writer(port, self.facts, slots, choice.any, self._number)
        serving = None
        if port.protocol == UDP:
            serving = frozenset(each.address for each in served.endpoints if each.serving)
        for front in fronts(port, self.facts):
            target, group = writer.group(front)
            claim = _Claim(front.external, created, key, port.name, group, serving)
            if target not in part.claims or claim.rank() <= part.claims[target].rank():
                part.claims[target] = claim
        shared.add(("cluster-ips", packed.address(port.cluster_ip)))
        for each in (*choice.cluster, *choice.local):
            if each.local:
                shared.add(("hairpin", each.address[:-4] * 2))

    def _number(self, plan: Plan) -> int:
        """The plan's number; a new plan gets its chain."""
        number = self._numbers.get(plan)
        if number is None:
            number = self._numbers[plan] = len(self._numbers) + 1
            chain = chain_of(plan)
            for each in chained(affinity_chains(plan.affinity) if plan.affinity else (), (chain,)):
                if each.name not in self.chains:
                    self.chains[each.name] = each
                    self._new_chains.append(each)
            self._set("plans", packed.slot(number), goto(plan.chain).verdict)
        return number

    def _reclaim(self, old: Mapping[bytes, _Claim], new: Mapping[bytes, _Claim]) -> None:
        """Let the claims `new` stand in the place of `old`; the first by rank is what counts."""
        for target in old:
            if target not in new:
                self._claim(target, old[target], None)
        for target, claim in new.items():
            self._claim(target, old.get(target), claim)

    def _claim(self, target: bytes, old: _Claim | None, new: _Claim | None) -> None:
        claims = self._claims.get(target, ())
        before = claims[0] if claims else _NOBODY
        if old is not None:
            claims = tuple(each for each in claims if each.rank() != old.rank())
        if new is not None:
            claims = tuple(sorted((*claims, new), key=_Claim.rank)) if claims else (new,)
        after = claims[0] if claims else _NOBODY
        if claims:
            self._claims[target] = claims
        else:
            del self._claims[target]
        self._replace(before.group, after.group)
        if before.serving != after.serving:
            self.udp_changed = True
            self.udp.pop(target, None)
            if after.serving is not None:
                self.udp[target] = after.serving

    def _replace(self, before: Group, after: Group) -> None:
        if self._before is None:
            for name, at, _ in before:
                del self.elements[name][at]
            for name, at, data in after:
                self.elements[name][at] = data
            return
        was, now = ({(name, at): data for name, at, data in group} for group in (before, after))
        for each in was.keys() - now.keys():
            self._unset(*each)
        for each, data in now.items():
            if was.get(each) != data:
                self._set(*each, data)

    def _share(self, old: frozenset[tuple[str, bytes]], new: frozenset[tuple[str, bytes]]) -> None:
        for at in new - old:
            self._shared[at] = self._shared.get(at, 0) + 1
            if self._shared[at] == 1:
                self._set(*at, b"")
        for at in old - new:
            self._shared[at] -= 1
            if not self._shared[at]:
                del self._shared[at]
                self._unset(*at)

    def _set(self, name: str, key: bytes, data: Data) -> None:
        if self._before is not None:
            self._before.setdefault((name, key), self.elements[name].get(key))
        self.elements[name][key] = data

    def _unset(self, name: str, key: bytes) -> None:
        data = self.elements[name].pop(key)
        if self._before is not None:
            self._before.setdefault((name, key), data)


def render(
    services: Iterable[ProxyService], slices: Mapping[Key, Sequence[ProxySlice]], facts: Facts, where: Place
) -> Model:
    """All of it at once; `slices` by Service."""
    model = Model(facts)
    for service in services:
        served = serve(service, slices.get(service.key, ()), facts, where)
        model.put(service.key, service.metadata.creationTimestamp or "", served)
    return model


def difference(held: Elements, wanted: Elements) -> Changes:
    """From what the kernel holds to what it shall hold."""
    drop: Elements = {}
    add: Elements = {}
    for name, elements in wanted.items():
        there = held.get(name, {})
        if there == elements:
            continue
        drop[name] = {key: data for key, data in there.items() if elements.get(key) != data}
        add[name] = {key: data for key, data in elements.items() if there.get(key) != data}
    return Changes((), _filled(drop), _filled(add))


def _filled(elements: Elements) -> Elements:
    return {name: each for name, each in elements.items() if each}
