"""One family's table in the kernel: written whole, changed by elements, compared.

Everything is one transaction: packets meet the old rules or the new, never half of them. Clients' choices stay where
the table is written over. Answers to knftables and to setupNFTables in pkg/proxy/nftables/proxier.go. It blocks:
`keeper` calls it in threads.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from errno import ENOENT
from typing import Protocol

from understudy.proxy.service import encode
from understudy.proxy.service import netlink as nl
from understudy.proxy.service.elements import Data, Elements
from understudy.proxy.service.layout import TABLE, TABLES
from understudy.proxy.service.model import Changes
from understudy.proxy.service.netlink import Interrupted, Message, Netlink, Refused, text
from understudy.proxy.service.statements import Chain, Family


class Rules(Protocol):
    """What the keeper asks of the kernel for one family. Each method may raise HostError."""

    def load(self, chains: Mapping[str, Chain], elements: Elements) -> None:
        """Let exactly this be there."""

    def change(self, changes: Changes) -> None:
        """All of it or nothing."""

    def intact(self) -> bool:
        """Whether nobody has changed anything in nftables since our last transaction. Costs nothing."""

    def held(self) -> Elements | None:
        """The elements that are there; None if rules or sets are not ours any more and must be loaded again."""

    def remove(self) -> None:
        """Let nothing be there."""

    def close(self) -> None: ...


class Generations:
    """nftables counts the transactions of a network namespace: up to which each family knows all there were.

    What one family writes is no news for the others of the same process.
    """

    def __init__(self) -> None:
        self._known: dict[Family, int] = {}

    def wrote(self, before: int) -> None:
        """A transaction of ours followed `before`. If somebody else's came in between, the count will tell."""
        self._known = {family: before + 1 if known == before else known for family, known in self._known.items()}

    def looked(self, family: Family, now: int) -> None:
        self._known[family] = now

    def knows(self, family: Family, now: int) -> bool:
        return self._known.get(family) == now


class KernelRules:
    """See `Rules`."""

    def __init__(self, family: Family, generations: Generations | None = None) -> None:
        self._family = family
        self._generations = generations or Generations()
        self._netlink = Netlink(encode.FAMILIES[family])
        self._listed: frozenset[bytes] = frozenset()

    def load(self, chains: Mapping[str, Chain], elements: Elements) -> None:
        """Over what is there if that has our shape, else anew."""
        others = [name for name in self._chains() if name not in chains]
        try:
            now = self._commit([*self._over(others), *self._everything(chains.values(), elements)])
        except Refused:
            anew = [encode.new_table(), encode.drop_table(), encode.new_table()]
            now = self._commit([*anew, *self._sets(), *self._everything(chains.values(), elements)])
        self._generations.looked(self._family, now)
        self._note()

    def change(self, changes: Changes) -> None:
        self._commit([
            *(encode.new_chain(chain) for chain in changes.chains),
            *(message for chain in changes.chains for message in encode.new_rules(chain, self._family)),
            *encode.drop_elements(changes.drop),
            *encode.add_elements(changes.add),
        ])  # fmt: skip
        if changes.chains:
            self._note()

    def intact(self) -> bool:
        return self._generations.knows(self._family, self._now())

    def held(self) -> Elements | None:
        with suppress(Interrupted):
            now = self._now()
            if self._rules() != self._listed:
                return None
            try:
                found = {name: self._elements(name) for name, table in TABLES.items() if not table.room}
            except Refused as refused:
                if refused.number == ENOENT:
                    return None
                raise
            self._generations.looked(self._family, now)
            return found
        return None

    def remove(self) -> None:
        self._commit([encode.new_table(), encode.drop_table()])

    def close(self) -> None:
        self._netlink.close()

    def _over(self, others: Iterable[str]) -> list[Message]:
        """Make room in the table, or make it. Rules go first, then what they referred to."""
        return [
            encode.new_table(),
            *self._sets(),
            encode.drop_all_rules(),
            *(encode.empty(name) for name, table in TABLES.items() if not table.room),
            *(encode.drop_chain(name) for name in others),
        ]

    def _sets(self) -> list[Message]:
        return [encode.new_set(table, self._family, serial) for serial, table in enumerate(TABLES.values(), 1)]

    def _everything(self, chains: Iterable[Chain], elements: Elements) -> list[Message]:
        every = list(chains)
        return [
            *(encode.new_chain(chain) for chain in every),
            *(message for chain in every for message in encode.new_rules(chain, self._family)),
            *encode.add_elements(elements),
        ]

    def _commit(self, messages: list[Message]) -> int:
        """The count of transactions with this one, if nobody else's came in between."""
        before = self._now()
        self._netlink.commit(messages)
        self._generations.wrote(before)
        return before + 1

    def _now(self) -> int:
        """nftables' own count of transactions in this network namespace."""
        answer = self._netlink.ask(nl.GETGEN, dump=False)
        return int.from_bytes(dict(nl.attributes(answer[0]))[1])

    def _note(self) -> None:
        """How the kernel lists our rules."""
        with suppress(Interrupted):
            self._listed = self._rules()

    def _rules(self) -> frozenset[bytes]:
        listed = self._netlink.ask(nl.GETRULE, text(1, TABLE))
        ours = text(1, TABLE)
        return frozenset([*(each for each in listed if each.startswith(ours)), *map(str.encode, self._chains())])

    def _chains(self) -> list[str]:
        found = []
        for body in self._netlink.ask(nl.GETCHAIN):
            parts = dict(nl.attributes(body))
            if parts[1] == TABLE.encode() + b"\0":
                found.append(parts[3].rstrip(b"\0").decode())
        return found

    def _elements(self, name: str) -> dict[bytes, Data]:
        bodies = self._netlink.ask(nl.GETSETELEM, text(1, TABLE) + text(2, name))
        return encode.read_elements(TABLES[name], bodies)
