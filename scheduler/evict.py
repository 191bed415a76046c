"""Make pods leave a node for a more important one: say why in their status, delete them, tell it as an Event.

`loop` starts one of these for each preemption, in the background. Answers to `PreemptPod` in
framework/preemption/preemption.go.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from understudy.api.client import METADATA, STRATEGIC, Client
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound
from understudy.scheduler.kinds import PODS, Pod
from understudy.scheduler.preemption import BY_SCHEDULER, DISRUPTION
from understudy.values import conditions, timestamp

TRIES = 4
PAUSE = 0.2
OPTIONS = {"kind": "DeleteOptions", "apiVersion": "v1"}


async def evict(client: Client, victim: Pod, preemptor: Pod, clock: Callable[[], datetime]) -> bool:
    """Delete the victim, by its uid; False if it was gone already. Raises ApiError and Lost."""
    path = PODS.path(victim.namespace, victim.name)
    condition = _condition(victim, preemptor, clock())
    try:
        if condition is not None:
            body = {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}
            await _insist(client, "PATCH", f"{path}/status", body, content_type=STRATEGIC)
        await _insist(client, "DELETE", path, OPTIONS | {"preconditions": {"uid": victim.uid}})
    except NotFound:
        return False
    return True


async def _insist(client: Client, method: str, path: str, body: dict[str, Any], **more: str) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            await client.call(method, path, body, accept=METADATA, **more)
        except (ApiError, Lost) as error:
            if attempt == TRIES or (isinstance(error, ApiError) and error.status < 500):
                raise
            await asyncio.sleep(PAUSE * 2**attempt)
        else:
            return


def _condition(victim: Pod, preemptor: Pod, now: datetime) -> dict[str, Any] | None:
    """The condition to write; None if the victim has it."""
    message = f"{preemptor.spec.schedulerName}: preempting to accommodate a higher priority pod"
    old = conditions.find(victim.status.conditions, DISRUPTION)
    if old is not None and (old.status, old.reason, old.message) == ("True", BY_SCHEDULER, message):
        return None
    kept = old.lastTransitionTime if old is not None and old.status == "True" else None
    return {
        "type": DISRUPTION,
        "status": "True",
        "reason": BY_SCHEDULER,
        "message": message,
        "observedGeneration": victim.metadata.generation,
        "lastProbeTime": None,
        "lastTransitionTime": kept or timestamp.format(now),
    }
