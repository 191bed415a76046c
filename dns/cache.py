"""What others answered, kept as long as it holds: pure, time is an argument. Used by `forward`.

Stale answers are given while nobody gives a newer one, and those often asked for are renewed before they run out.
Answers to CoreDNS plugin/cache, RFC 2308 and RFC 8767.
"""

from dataclasses import dataclass
from typing import NamedTuple

from understudy.dns.config import Cache as Settings
from understudy.dns.message import Reply
from understudy.dns.names import NOERROR

Asked = tuple[bytes, bool, bool]
"""Question in lower case, DO, CD: what two askers must have in common to get the same answer."""


@dataclass(slots=True)
class Kept:
    """`asked`: how often, never longer apart than the settings say; `last`: when."""

    reply: Reply
    since: float
    life: float
    asked: int = 0
    last: float = 0.0


class Hit(NamedTuple):
    """`age` in seconds. `stale`: it has run out; `renew`: it is to be asked for anew behind the asker's back."""

    reply: Reply
    age: int
    stale: bool
    renew: bool


class Cache:
    """At most `settings.entries`, the oldest make room."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kept: dict[Asked, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, asked: Asked, now: float) -> Hit | None:
        """What is known, even if stale, as far as that is wanted."""
        kept = self._kept.get(asked)
        if kept is None:
            return None
        age = now - kept.since
        left = kept.life - int(age)
        if left <= 0:
            return Hit(kept.reply, int(age), True, True) if age - kept.life < self.settings.stale else None
        return Hit(kept.reply, int(age), False, self._popular(kept, now, left))

    def put(self, asked: Asked, reply: Reply, now: float) -> None:
        """Keep it, unless it says that it must not be kept."""
        positive = reply.rcode == NOERROR and reply.counts[0] > 0
        life = min(reply.life, self.settings.seconds if positive else self.settings.negativeSeconds)
        if life <= 0:
            return
        old = self._kept.pop(asked, None)
        self._kept[asked] = Kept(reply, now, life, old.asked if old else 0, old.last if old else 0.0)
        if len(self._kept) > self.settings.entries:
            del self._kept[next(iter(self._kept))]

    def _popular(self, kept: Kept, now: float, left: float) -> bool:
        wanted = self.settings.prefetch
        if wanted is None:
            return False
        kept.asked = kept.asked + 1 if now - kept.last <= wanted.seconds else 1
        kept.last = now
        return kept.asked >= wanted.amount and left <= max(wanted.share * kept.life, 1.0)
