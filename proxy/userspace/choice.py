"""Where a connection goes: the very rules that are in the kernel elsewhere, played for its first packet.

Clients' choices are remembered for as long as the Service says, refreshed by each connection. Pure: time and chance are
given. Used by `forwarder`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from understudy.proxy.service import packed
from understudy.proxy.service.model import Model
from understudy.proxy.service.plans import memory_of
from understudy.proxy.service.trace import Fate, Ground, Memory, Packet, trace
from understudy.proxy.userspace.doors import LOCALHOST, Behind

Address = tuple[str, int]


@dataclass(slots=True)
class Chooser:
    """`pick(n)` answers 0 to n-1."""

    pick: Callable[[int], int]
    _memory: Memory = field(default_factory=dict)
    _seen: dict[bytes, float] = field(default_factory=dict)

    def choose(self, model: Model, behind: Behind, protocol: int, client: str, now: float) -> Address | None:
        """The endpoint; None if there is none for this client. `now` is in seconds, from anywhere."""
        who = packed.address(client) + packed.target(behind.ip, protocol, behind.port)
        if now - self._seen.get(who, now) > behind.affinity:
            for local in (False, True):
                self._memory.pop((memory_of(local=local), who), None)
        ground = Ground(model.chains, model.elements, frozenset({LOCALHOST, client}), self.pick, self._memory)
        outcome = trace(Packet(client, behind.ip, protocol, behind.port, from_here=True), ground)
        if behind.affinity:
            self._seen[who] = now
        return outcome.to if outcome.fate is Fate.PASSES and outcome.translated else None
