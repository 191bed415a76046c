"""Plays the rules for the first packet of a connection, as the kernel would, and says what becomes of it. Pure.

The unit tests compare it with a plain model of Services; the debug page `path` shows what it says about any packet.
Answers to nft(8) for what a statement does, and to the netfilter hooks for the order.
"""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from understudy.proxy.service import packed
from understudy.proxy.service import statements as say
from understudy.proxy.service.elements import Data, Elements
from understudy.proxy.service.layout import TABLES
from understudy.proxy.service.statements import Action, Chain, Field, Key, Rule, Statement, Verdict


class Fate(Enum):
    PASSES = "passes"
    DROPPED = "is dropped"
    REFUSED = "is refused"


class Packet(NamedTuple):
    """The first of a connection. `from_here`: a process of the node sends it, not a pod or somebody outside."""

    source: str
    destination: str
    protocol: int
    port: int
    from_here: bool = False


class Outcome(NamedTuple):
    """Where it goes in the end. `steps` tell in words how."""

    fate: Fate
    to: tuple[str, int]
    translated: bool
    masqueraded: bool
    steps: tuple[str, ...]


Memory = MutableMapping[tuple[str, bytes], bytes]
"""Clients' choices: by map and client, the token."""


@dataclass(slots=True)
class Ground:
    """What a packet meets. `here` are the node's addresses; `pick(n)` answers 0 to n-1; `memory` is written to."""

    chains: Mapping[str, Chain]
    elements: Elements
    here: frozenset[str]
    pick: Callable[[int], int]
    memory: Memory = field(default_factory=dict)


def trace(packet: Packet, ground: Ground) -> Outcome:
    """All hooks it passes, to the end."""
    walk = _Walk(packet, ground)
    fate = walk.hook("output" if packet.from_here else "prerouting")
    if fate is Fate.PASSES and not packet.from_here:
        fate = walk.hook("input" if walk.destination in walk.here else "forward")
    if fate is Fate.PASSES and (packet.from_here or walk.destination not in walk.here):
        walk.hook("postrouting")
    to = packed.text(walk.destination), walk.port
    return Outcome(fate, to, walk.translated, walk.masqueraded, tuple(walk.steps))


_ENDS = Fate | Verdict


class _Walk:
    """One packet on its way: what the rules have written on it so far."""

    def __init__(self, packet: Packet, ground: Ground) -> None:
        self.source, self.destination = packed.address(packet.source), packed.address(packet.destination)
        self.protocol, self.port = packet.protocol, packet.port
        self.slot, self.marked, self.translated, self.masqueraded = 0, False, False, False
        self.steps: list[str] = []
        self.here = frozenset(map(packed.address, ground.here))
        self._ground = ground

    def hook(self, name: str) -> Fate:
        """The base chains of a hook, in order; to let a packet pass ends one of them, anything else all."""
        every = [chain for chain in self._ground.chains.values() if chain.hook is not None and chain.hook.hook == name]
        for chain in sorted(every, key=_priority):
            fate = self._chain(chain)
            if fate in (Fate.DROPPED, Fate.REFUSED):
                return fate
        return Fate.PASSES

    def _chain(self, chain: Chain) -> Fate | None:
        """None: it came to its end without saying anything."""
        for rule in chain.rules:
            end = self._rule(chain.name, rule)
            if isinstance(end, Fate):
                return end
            if end is not None and end.action is Action.RETURN:
                return None
            if end is not None:
                fate = self._chain(self._ground.chains[end.chain])
                if fate is not None or end.action is Action.GOTO:
                    return fate
        return None

    def _rule(self, name: str, rule: Rule) -> _ENDS | None:
        for statement in rule:
            went_on = self._match(statement) if isinstance(statement, _MATCHES) else self._do(name, statement)
            if went_on is False:
                return None
            if went_on is not True:
                return went_on
        return None

    def _match(self, statement: Statement) -> bool:
        match statement:
            case say.Within(key, name, absent):
                return self._is_in(name, self._key(key)) is not absent
            case say.FromHere():
                return self.source in self.here
            case say.Translated():
                return self.translated
            case say.IsProtocol(number):
                return self.protocol == number
            case say.Unmarked():
                return not self.marked
            case _:  # New: it is the first packet
                return True

    def _do(self, name: str, statement: Statement) -> bool | _ENDS:
        match statement:
            case say.SetSlot(value):
                self.slot = value
            case say.RandomSlot(count, offset):
                self.slot = offset + self._ground.pick(count)
                self.steps.append(f"{name}: slot {self.slot % (1 << 20)} of {count}")
            case say.Mark(on):
                self.marked = on
            case say.Do(verdict) if verdict.action is Action.DROP:
                self.steps.append(f"{name}: dropped")
                return Fate.DROPPED
            case say.Do(verdict):
                return verdict
            case say.Masquerade():
                self.masqueraded = True
                self.steps.append(f"{name}: under an address of the node")
                return Fate.PASSES
            case say.Reject(reset):
                self.steps.append(f"{name}: refused by {'a TCP reset' if reset else 'port unreachable'}")
                return Fate.REFUSED
            case _:
                return self._look_up(name, statement)
        return True

    def _look_up(self, name: str, statement: Statement) -> bool | _ENDS:
        match statement:
            case say.FindSlot(key, table):
                found = self._get(table, key)
                self.slot = packed.slot_number(found) if isinstance(found, bytes) else self.slot
                return found is not None
            case say.Branch(key, table):
                return self._branch(name, self._get(table, key))
            case say.Translate(key, table):
                return self._translate(name, self._get(table, key))
            case say.Remember(key, table, _):
                # what is remembered is only made to last longer: it must be forgotten to be replaced
                self._ground.memory.setdefault((table, self._key(key)), packed.slot(self.slot))
            case say.Forget(key, table):
                self._ground.memory.pop((table, self._key(key)), None)
            case _:
                raise TypeError(f"no such statement: {statement!r}")
        return True

    def _branch(self, name: str, found: Data | None) -> bool | _ENDS:
        if not isinstance(found, Verdict):
            return True
        self.steps.append(f"{name}: {found.action.name.lower()} {found.chain}".rstrip())
        return Fate.DROPPED if found.action is Action.DROP else found

    def _translate(self, name: str, found: Data | None) -> bool | Fate:
        if not isinstance(found, bytes):
            return False
        ip, self.port = packed.read_endpoint(found)
        self.destination, self.translated = packed.address(ip), True
        self.steps.append(f"{name}: to {ip} port {self.port}")
        return Fate.PASSES

    def _get(self, table: str, key: Key) -> Data | None:
        at = self._key(key)
        if table in self._ground.elements:
            return self._ground.elements[table].get(at)
        return self._ground.memory.get((table, at))

    def _is_in(self, table: str, at: bytes) -> bool:
        elements = self._ground.elements[table]
        if not TABLES[table].ranges:
            return at in elements
        return any(isinstance(last, bytes) and first <= at <= last for first, last in elements.items())

    def _key(self, key: Key) -> bytes:
        return b"".join([self._field(each) for each in key])

    def _field(self, field_: Field) -> bytes:
        match field_:
            case Field.SOURCE:
                return self.source
            case Field.DESTINATION:
                return self.destination
            case Field.PROTOCOL:
                return packed.protocol(self.protocol)
            case Field.PORT:
                return packed.port(self.port)
            case Field.SLOT:
                return packed.slot(self.slot)


def _priority(chain: Chain) -> int:
    return chain.hook.priority if chain.hook is not None else 0


_MATCHES = (say.Within, say.FromHere, say.New, say.Translated, say.IsProtocol, say.Unmarked)
