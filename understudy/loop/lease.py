"""Leader election on a Lease, with a fence: who does not hold it (any more) does not write.

Called by `loop.process` around the controllers and the scheduler. On call (`loop.call`), they campaign only while the
Lease's annotations ask for them, and then rob upstream of it.
Answers to client-go tools/leaderelection (LeaderElector, LeaseLock). Unlike there, a leader that sees another holder
stops at once, its transport refuses writes from two thirds of the Lease after the last renewal on, and a Lease taken
from a living holder is not acted upon before that holder has surely noticed.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec

from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.errors import AlreadyExists, ApiError, Conflict, NotFound
from understudy.kinds.coordination import LEASES
from understudy.loop.call import RELAY, CalledOff, OnCall, Recast, is_ours
from understudy.loop.roster import LEADING, STANDING_BY, WAITING
from understudy.obs.metrics import LEADER
from understudy.plan.steps import Event
from understudy.values import timestamp

log = logging.getLogger(__name__)

JITTER = 1.2
"""A candidate pauses for `retry` and up to this share of it more, so that candidates do not move in step."""
FENCE = 2 / 3
"""Share of the Lease, from the start of the last renewal on, in which its holder may write."""


class LeaseLost(Exception):
    """We no longer lead; the text says why."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The Lease as last seen: `holder` "" for nobody, `since` as an RFC 3339 time, `duration` in seconds."""

    holder: str = ""
    since: str = ""
    transitions: int = 0
    duration: int = 0


class Lease:
    """One candidate for one Lease. Times are seconds; the transport of `client` is the one that is fenced.

    Raises ValueError for times that cannot work together. `tell` takes the Events upstream records. With `on_call` it
    campaigns only while the Lease asks for us, and never creates it.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        rng: random.Random | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        tell: Callable[[Event], None] = lambda event: None,  # noqa: ARG005
        on_call: OnCall | None = None,
    ) -> None:
        _check_times(duration, renew_deadline, retry)
        self.namespace, self.name, self.identity = namespace, name, identity
        self.leading = False
        self._client = client
        self._duration, self._renew_deadline, self._retry = duration, renew_deadline, retry
        self._rng = rng or random.Random()
        self._clock, self._monotonic, self._tell = clock, monotonic, tell
        self._on_call = on_call
        self._raw: dict[str, Any] = {}
        self._seen_at = -math.inf  # when the spec last changed, as far as we saw: renewTime is another clock's
        self._renewed = -math.inf  # when the last renewal that succeeded was begun
        self._owed = 0.0  # seconds to wait because the Lease was robbed
        LEADER.labels(name).set(0)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def record(self) -> LeaseRecord:
        spec = self._raw.get("spec") or {}
        return LeaseRecord(
            spec.get("holderIdentity") or "",
            spec.get("acquireTime") or "",
            spec.get("leaseTransitions") or 0,
            spec.get("leaseDurationSeconds") or 0,
        )

    @property
    def state(self) -> str:
        """LEADING, WAITING for a robbed holder to be done, or STANDING_BY."""
        if self.leading:
            return LEADING
        return WAITING if self._owed and self.record.holder == self.identity else STANDING_BY

    async def acquire(self, *, steal: bool = False) -> None:
        """Return when leading; until then the transport refuses every write but those of Leases.

        With `steal` a living holder is robbed, and its Lease's duration waited out before this returns; on call, one
        that is not ours is. Raises Recast if other controllers are asked for than we run.
        """
        self._client.transport.fence = -math.inf
        log.info("attempting to acquire leader lease %s", self)
        while not (await self._attempt(steal) and await self._waited_out() and await self._still_wanted()):
            await asyncio.sleep(self._pause())
        self.leading = True
        self._open_fence()
        LEADER.labels(self.name).set(1)
        log.info("successfully acquired lease %s", self)
        self._say("became leader")

    async def keep(self) -> NoReturn:
        """Renew until the Lease is lost: raises LeaseLost. Begin as soon as `acquire` returns.

        Raises CalledOff, still leading, when the Lease does not ask for us any more: stop all work, then release.
        """
        try:
            while True:
                self._heed()
                await asyncio.sleep(self._retry)
                await self._renew()
        except LeaseLost:
            self._step_down()
            raise

    async def release(self, *, relay: bool = False) -> bool:
        """Give the Lease back, so that another candidate need not wait; True if that was written.

        Call it when nothing writes any more and `keep` is cancelled. With `relay` it is free for our own at once, and
        for others only if none of ours took it in two tries. A Lease whose robbed holder may still be writing is left
        to run out.
        """
        if not self.leading:
            return False
        self._say("stopped leading")
        self._step_down()
        return await self._give_back(self._relayed() if relay else self._nobodys())

    # Taking it

    def _pause(self) -> float:
        """Seconds until the next try: a jittered pause, but no longer than until the Lease runs out."""
        pause = self._retry * (1 + JITTER * self._rng.random())
        left = self._seen_at + self.record.duration - self._monotonic()
        return min(pause, left) if left > 0 else pause

    async def _attempt(self, steal: bool) -> bool:
        try:
            return await self._take(steal)
        except (Conflict, AlreadyExists) as error:
            log.debug("another candidate for lease %s was faster: %s", self, error)
        except (ApiError, Lost) as error:
            log.warning("cannot acquire lease %s, trying again: %s", self, error)
        return False

    async def _waited_out(self) -> bool:
        """Whether a robbed holder is surely done: its Lease's duration passed while we kept ours."""
        if not self._owed:
            return True
        log.info("lease %s was taken from its holder, who may write for %g s more", self, self._owed)
        try:
            await self._renew_until(self._monotonic() + self._owed)
        except LeaseLost as lost:
            log.warning("lease %s was lost again: %s", self, lost)
            return False
        self._owed = 0.0
        return True

    async def _still_wanted(self) -> bool:
        """Whether we are still to lead after the wait; if not, the Lease was given back."""
        try:
            self._heed()
        except CalledOff as off:
            log.info("lease %s is given back: %s", self, off)
            await self._give_back(self._relayed() if isinstance(off, Recast) else self._nobodys())
            return False
        return True

    def _heed(self) -> None:
        if self._on_call is not None:
            self._on_call.heed(self._annotations)

    @property
    def _annotations(self) -> Mapping[str, str]:
        return (self._raw.get("metadata") or {}).get("annotations") or {}

    async def _take(self, steal: bool) -> bool:
        """Take the Lease if that is allowed; False if it is another's, or we are not asked for."""
        there, called = await self._read(), self._on_call
        if called is not None and not (there and called.wanted(self._annotations)):
            return False
        if not there:
            await self._create()
            return True
        if not self._free():
            if not (steal or (called is not None and not is_ours(self.record.holder))):
                return False
            # Remembered before the write, whose answer may be lost although it took the Lease.
            self._owed = max(self._owed, float(self.record.duration))
        await self._put(self._ours())
        return True

    def _free(self) -> bool:
        """Nobody's, ours, or not renewed for as long as its holder promised."""
        record = self.record
        return record.holder in ("", RELAY, self.identity) or self._monotonic() >= self._seen_at + record.duration

    # Keeping it

    async def _renew_until(self, until: float) -> None:
        """Renew every `retry` seconds. Raises LeaseLost."""
        while (now := self._monotonic()) < until:
            await asyncio.sleep(min(self._retry, until - now))
            await self._renew()

    async def _renew(self) -> None:
        """One try, which may fail until `renew_deadline`. Who wakes up after that has one `retry` left to try."""
        left = self._renewed + self._renew_deadline - self._monotonic()
        why: Exception
        try:
            async with asyncio.timeout(left if left > 0 else self._retry):
                if await self._hold():
                    return
        except TimeoutError:
            why = Lost("no answer in time")
        except (ApiError, Lost) as error:
            why = error
        else:
            raise LeaseLost(f"{self.record.holder or 'nobody'} holds lease {self} now")
        log.warning("cannot renew lease %s: %s", self, why)
        if self._monotonic() >= self._renewed + self._renew_deadline:
            raise LeaseLost(f"lease {self} could not be renewed for {self._renew_deadline:g} s: {why}")

    async def _hold(self) -> bool:
        """Renew the Lease, blindly at first; False if it is another's."""
        if self.record.holder == self.identity:
            try:
                await self._put(self._ours())
            except (Conflict, NotFound):
                log.debug("lease %s is not as we left it", self)
            else:
                return True
        if not await self._read():
            await self._create()
            return True
        if self.record.holder != self.identity:
            return False
        await self._put(self._ours())
        return True

    def _open_fence(self) -> None:
        self._client.transport.fence = self._renewed + self._duration * FENCE

    def _step_down(self) -> None:
        self.leading = False
        self._client.transport.fence = -math.inf
        LEADER.labels(self.name).set(0)

    async def _give_back(self, spec: Mapping[str, Any]) -> bool:
        """Whether `spec` was written over our holding it."""
        try:
            async with asyncio.timeout(self._renew_deadline):
                return await self._replace(spec)
        except (ApiError, Lost, TimeoutError) as error:
            log.warning("lease %s was not released, other candidates wait until it runs out: %s", self, error)
            return False

    async def _replace(self, spec: Mapping[str, Any]) -> bool:
        """A renewal that was cancelled on its way may come between: then look again."""
        while await self._read() and self.record.holder == self.identity:
            try:
                await self._put(spec)
            except Conflict:
                continue
            return True
        return False

    # The object: what we do not know of it is kept as it is

    def _ours(self) -> dict[str, Any]:
        now, record = timestamp.format_micro(self._clock()), self.record
        renewal = record.holder == self.identity
        # While a robbed holder may still write, whoever comes after us must wait for it as long as we do.
        duration = max(self._duration, self._owed)
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(duration),
            "acquireTime": record.since if renewal and record.since else now,
            "renewTime": now,
            "leaseTransitions": record.transitions if renewal else record.transitions + 1,
        }

    def _nobodys(self) -> dict[str, Any]:
        now = timestamp.format_micro(self._clock())
        return {"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": now, "renewTime": now}

    def _relayed(self) -> dict[str, Any]:
        patience = 2 * self._retry * (1 + JITTER)
        return self._nobodys() | {"holderIdentity": RELAY, "leaseDurationSeconds": math.ceil(patience)}

    async def _read(self) -> bool:
        """See how the Lease is; False if there is none."""
        try:
            self._saw(await self._call("GET", self.name))
        except NotFound:
            self._raw = {"metadata": {"annotations": self._annotations}}  # what it asked for, a leader puts back
            return False
        return True

    async def _create(self) -> None:
        started = self._monotonic()
        metadata: dict[str, Any] = {"name": self.name, "namespace": self.namespace}
        if self._annotations:
            metadata["annotations"] = self._annotations
        spec = {**self._ours(), "leaseTransitions": 0}
        body = {"apiVersion": LEASES.api, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        self._saw(await self._call("POST", "", body))
        self._holds(started)

    async def _put(self, spec: Mapping[str, Any]) -> None:
        """Write over what was last read, and only over that: its resourceVersion goes with it."""
        started = self._monotonic()
        body = {**self._raw, "spec": {**(self._raw.get("spec") or {}), **spec}}
        self._saw(await self._call("PUT", self.name, body))
        if spec["holderIdentity"] == self.identity:
            self._holds(started)

    async def _call(self, method: str, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        limit = self._renew_deadline / 2
        try:
            async with asyncio.timeout(limit):
                answer = await self._client.call(method, LEASES.path(self.namespace, name), body)
        except TimeoutError:
            raise Lost(f"no answer within {limit:g} s") from None
        raw: dict[str, Any] = msgspec.json.decode(answer)
        return raw

    def _saw(self, raw: dict[str, Any]) -> None:
        if raw.get("spec") != self._raw.get("spec"):
            self._seen_at = self._monotonic()
        self._raw = raw

    def _holds(self, started: float) -> None:
        self._renewed = started
        if self.leading:
            self._open_fence()

    def _say(self, what: str) -> None:
        obj = msgspec.convert(self._raw, LEASES.type)
        self._tell(Event(LEASES, obj, "LeaderElection", f"{self.identity} {what}"))


def _check_times(duration: float, renew_deadline: float, retry: float) -> None:
    given = f"duration {duration:g} s, renew_deadline {renew_deadline:g} s, retry {retry:g} s"
    if duration <= renew_deadline:
        raise ValueError(f"the duration of a Lease must be more than its renew_deadline, not {given}")
    if renew_deadline <= JITTER * retry:
        raise ValueError(f"the renew_deadline of a Lease must be more than {JITTER} times its retry, not {given}")
    if retry <= 0:
        raise ValueError(f"the retry of a Lease must be more than 0, not {given}")
