"""What an nftables rule can say here, as data: `encode` writes it for the kernel, `trace` plays it for a packet.

A rule is a tuple of these, carried out from the left until one does not hold. A set or map is looked up by a key made
of fields of the packet, one after the other. `layout` and `plans` are written in it. Answers to nft(8).
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Family(Enum):
    """`ip` or `ip6`, nft's words; each has a table of its own."""

    IPV4 = "ip"
    IPV6 = "ip6"

    @property
    def size(self) -> int:
        """Bytes of an address."""
        return 4 if self is IPV4 else 16

    @property
    def bits(self) -> int:
        return self.size * 8


IPV4, IPV6 = Family
"""Looking a member up in its Enum takes longer than what is decided by it: it is asked for each Service."""


class Field(Enum):
    SOURCE = "saddr"
    DESTINATION = "daddr"
    PROTOCOL = "l4proto"
    PORT = "dport"
    SLOT = "priority"
    """The packet's priority: a scratch word of our own from the first lookup to postrouting, which clears it."""


Key = tuple[Field, ...]
TARGET: Key = (Field.DESTINATION, Field.PROTOCOL, Field.PORT)
CLIENT: Key = (Field.SOURCE, *TARGET)


class Action(Enum):
    """The kernel's numbers (NF_DROP, NFT_JUMP and so on)."""

    DROP = 0
    JUMP = -3
    GOTO = -4
    RETURN = -5


class Verdict(NamedTuple):
    action: Action
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Within:
    """Go on if the key is in the set, or with `absent` if it is not."""

    key: Key
    name: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class FromHere:
    """Go on if the source is an address of this node."""


@dataclass(frozen=True, slots=True)
class New:
    """Go on for the first packet of a connection."""


@dataclass(frozen=True, slots=True)
class Translated:
    """Go on if the connection's destination was translated."""


@dataclass(frozen=True, slots=True)
class IsProtocol:
    number: int


@dataclass(frozen=True, slots=True)
class Unmarked:
    """Go on if the packet is not to be masqueraded."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The packet is to be masqueraded, or (`on=False`) that is done with."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class SetSlot:
    value: int


@dataclass(frozen=True, slots=True)
class RandomSlot:
    """One of `count` slots from `offset` on, each as likely."""

    count: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class FindSlot:
    """What the map holds for the key; go on only if it holds something."""

    key: Key
    name: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Do what the verdict map says for the key; go on if it holds nothing."""

    key: Key
    name: str


@dataclass(frozen=True, slots=True)
class Translate:
    """Send the connection to the endpoint the map holds for the key, and end; go on if it holds none."""

    key: Key
    name: str


@dataclass(frozen=True, slots=True)
class Do:
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Under an address of this node, with ports chosen at random; ends."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse, by a TCP reset or by port unreachable; ends."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Remember:
    """Let the dynamic map hold the slot for the key, `timeout` seconds from now. No room: the rule ends."""

    key: Key
    name: str
    timeout: int


@dataclass(frozen=True, slots=True)
class Forget:
    key: Key
    name: str


Statement = (
    Within | FromHere | New | Translated | IsProtocol | Unmarked | Mark | SetSlot | RandomSlot | FindSlot | Branch
    | Translate | Do | Masquerade | Reject | Remember | Forget
)  # fmt: skip
Rule = tuple[Statement, ...]


class Hook(NamedTuple):
    """Where packets enter a base chain: its type, the kernel's hook and its priority (lower goes first)."""

    type: str
    hook: str
    priority: int


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    rules: tuple[Rule, ...]
    hook: Hook | None = None


class Holds(Enum):
    """What belongs to a key: nothing (a set), a slot, a verdict, or an endpoint (address and port)."""

    NOTHING = "nothing"
    SLOT = "slot"
    VERDICT = "verdict"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Table:
    """A set or map. `ranges`: each element is all keys from one to another. `room`: filled by packets, that many."""

    name: str
    key: Key
    holds: Holds = Holds.NOTHING
    ranges: bool = False
    room: int = 0


def jump(chain: str) -> Do:
    return Do(Verdict(Action.JUMP, chain))


def goto(chain: str) -> Do:
    return Do(Verdict(Action.GOTO, chain))


DROP, RETURN = Do(Verdict(Action.DROP)), Do(Verdict(Action.RETURN))
