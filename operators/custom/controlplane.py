"""The kopf handlers of ControlPlane: thin, they read, ask `stage.decide` and write through `takeover.leases`.

Add-ons take their steps first (`addons.keeper`), and what they said becomes part of the status.

`operators.custom.operator` runs them. kopf writes its finalizer and its own annotations on ControlPlanes only, under
understudy.dev. Every handler does the whole round from what the server says now, never from the event: a lost or
repeated one does no harm.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import kopf

from understudy.api.transport import Lost
from understudy.components import choose
from understudy.errors import ApiError
from understudy.loop.call import UNDERSTUDY
from understudy.operators.custom import stage
from understudy.operators.custom.addons.addon import SETTLED
from understudy.operators.custom.addons.keeper import Addons
from understudy.takeover.leases import Leases
from understudy.takeover.seen import LEASE_OF
from understudy.values import timestamp

log = logging.getLogger(__name__)

KIND = ("understudy.dev", "v1alpha1", "controlplanes")
FINALIZER = "understudy.dev/give-back"
PREFIX = "understudy.dev"
INTERVAL = 2.0
"""Seconds between two looks at the Leases, as often as upstream's candidates look."""
RETRY = 1.0
PATIENCE = stage.PATIENCE + 60.0
"""Seconds a deletion waits for ours to give the Leases back: more than a robbed Lease's wait and a retry besides."""


def names(chosen: Sequence[str]) -> list[str]:
    """Our controllers for the entries of `run`. Raises UnknownController."""
    return [controller.name for controller in choose(chosen)]


class Director:
    """One round at a time of reading, deciding and writing. `quiet` is how long ago one last succeeded, in seconds."""

    def __init__(
        self, leases: Leases, addons: Addons, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._leases, self._addons, self._clock = leases, addons, clock
        self._done = time.monotonic()

    @property
    def quiet(self) -> float:
        return time.monotonic() - self._done

    async def direct(self) -> list[str]:
        """Bring annotations, add-ons and status in line with the ControlPlane; what of it all ours held before."""
        body = await self._leases.control_plane()
        if body is None:
            return []
        addons = await self._addons.direct(stage.wanted(body))
        seen = {component: await self._leases.look(component) for component in LEASE_OF}
        plan = stage.decide(body, seen, self._clock(), names, addons)
        for component, annotations in plan.annotations.items():
            log.info("asking lease %s for %s", LEASE_OF[component], annotations)
            await self._leases.annotate(component, annotations)
        if stage.trimmed(plan.status) != body.get("status"):
            await self._leases.report(plan.status)
        self._done = time.monotonic()
        held = [each.lease for each in seen.values() if each.leader == UNDERSTUDY]
        return [*held, *(name for name, each in addons.items() if each.moving != SETTLED)]

    async def round(self, **_: Any) -> None:
        """`direct` for kopf: what the server refuses is tried again."""
        await self._tried()

    async def leave(self, meta: Mapping[str, Any], **_: Any) -> None:
        """Let the object go when ours have given everything back, or PATIENCE is over."""
        held = await self._tried()
        if not held:
            return
        waited = self._clock().timestamp() - timestamp.seconds(meta["deletionTimestamp"])
        if waited < PATIENCE:
            raise kopf.TemporaryError(f"waiting for {', '.join(held)} to be given back", delay=RETRY)
        log.warning("%s not given back after %g s: gone without waiting any longer", ", ".join(held), PATIENCE)

    async def _tried(self) -> list[str]:
        try:
            return await self.direct()
        except (ApiError, Lost) as error:
            raise kopf.TemporaryError(str(error), delay=RETRY) from error


def registered(director: Director, *, admission: bool) -> kopf.OperatorRegistry:
    """The handlers; with `admission` also the webhook, for which the settings must name a server."""
    registry = kopf.OperatorRegistry()
    for on in (kopf.on.create, kopf.on.update, kopf.on.resume):
        on(*KIND, id="direct", registry=registry)(director.round)
    kopf.on.delete(*KIND, id="leave", registry=registry)(director.leave)
    kopf.timer(*KIND, id="look", interval=INTERVAL, registry=registry)(director.round)
    kopf.on.probe(id="quiet", registry=registry)(lambda **_: director.quiet)
    if admission:
        kopf.on.validate(*KIND, id="validate", operations=["CREATE", "UPDATE"], registry=registry)(validate)
    return registry


async def validate(name: str, spec: Mapping[str, Any], **_: Any) -> None:
    """Refuse what cannot be done: the webhook's answer."""
    if why := stage.refusal(name, spec, names):
        raise kopf.AdmissionError(why, code=422)
