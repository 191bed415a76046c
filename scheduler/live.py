"""SchedulerProfile objects, applied while the scheduler runs; and what their status says of it.

A profile that makes no sense changes nothing: the last good one of its name stays in force, and the status says which
and why. The leader writes each status at most every ten seconds, and only what differs; conditions are the operator's
(`operators.custom.schedulerprofile`). crds/schedulerprofile.yaml, docs/scheduler-profiles.md.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from msgspec import field

from understudy.api.client import MERGE, METADATA, Client
from understudy.api.transport import Fenced, Lost
from understudy.errors import ApiError
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.scheduler.kinds import Pod
from understudy.scheduler.loop import Loop
from understudy.scheduler.tally import Tally
from understudy.state.store import Store

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two looks at what the statuses should say."""


class SchedulerProfile(Obj, gc=False):
    """`metadata.name` is a schedulerName. `profiles.Spec` reads the spec."""

    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)


SCHEDULER_PROFILES = Kind(
    "understudy.dev/v1alpha1", "schedulerprofiles", "SchedulerProfile", SchedulerProfile, namespaced=False
)


class Live:
    """`saw` is a hook of the profiles' store; `run` writes while leading."""

    def __init__(self, client: Client, loop: Loop, pods: Callable[[], Collection[Pod]]) -> None:
        self.store: Store[SchedulerProfile] = Store(SCHEDULER_PROFILES)
        self.store.hooks.append(self.saw)
        self._client = client
        self._loop = loop
        self._pods = pods
        self._in_force: dict[str, int] = {}
        self._errors: dict[str, str] = {}

    def saw(self, new: SchedulerProfile | None, old: SchedulerProfile | None) -> None:
        """A profile came, changed or went."""
        one = new or old
        if one is None:
            return
        if new is None:
            self._errors.pop(one.name, None)
            self._in_force.pop(one.name, None)
            if self._loop.profiles.remove(one.name):
                self._loop.saw_profile(one.name, self._pods())
        elif old is None or old.spec != new.spec or self._in_force.get(new.name) is None:
            self._apply(new)
        elif new.name not in self._errors:
            self._in_force[new.name] = new.metadata.generation

    def _apply(self, profile: SchedulerProfile) -> None:
        try:
            self._loop.profiles.set(profile.name, profile.spec)
        except Exception as error:  # noqa: BLE001 - a user's plugin may raise anything when it is made
            self._errors[profile.name] = str(error) or type(error).__name__
            log.warning("profile %s is not applied: %s", profile.name, error)
            return
        self._errors.pop(profile.name, None)
        self._in_force[profile.name] = profile.metadata.generation
        self._loop.saw_profile(profile.name, self._pods())

    # The status

    async def run(self) -> None:
        """Keep the statuses true, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            pending = Counter(info.pod.spec.schedulerName for info in self._loop.queue.pods())
            for profile in list(self.store.all()):
                told = self.status(profile.name, pending[profile.name])
                if told != profile.status.get("scheduler"):
                    await self._write(profile, told)

    def status(self, name: str, pending: int) -> dict[str, Any]:
        """What the scheduler says of the profile of that name."""
        tally = self._loop.tallies.of(name)
        return {
            "generationInForce": self._in_force.get(name, 0),
            "error": self._errors.get(name, ""),
            "scheduled": tally.bound,
            "pending": pending,
            **_latency(tally),
        }

    async def _write(self, profile: SchedulerProfile, told: dict[str, Any]) -> None:
        # What is not said any more has to be taken away by name.
        gone = dict.fromkeys(profile.status.get("scheduler", {}).keys() - told.keys())
        body = {"metadata": {"uid": profile.uid}, "status": {"scheduler": {**gone, **told}}}
        path = SCHEDULER_PROFILES.path("", profile.name, "status")
        try:
            await self._client.call("PATCH", path, body, content_type=MERGE, accept=METADATA)
        except (ApiError, Lost) as error:
            log.debug("status of profile %s not written: %s", profile.name, error)
        except Fenced:
            return


def _latency(tally: Tally) -> dict[str, Any]:
    found = {"p50Milliseconds": tally.percentile(50), "p99Milliseconds": tally.percentile(99)}
    return {"latency": {name: round(1000 * seconds) for name, seconds in found.items() if seconds is not None}}
