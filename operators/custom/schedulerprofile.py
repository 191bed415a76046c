"""The kopf handler of SchedulerProfile: thin, it asks `profiles.decide` and leaves the writing to kopf.

`operators.custom.operator` runs it. It handles every event and keeps nothing on the object but its status: no
finalizer, no annotation, for the scheduler itself notices when a profile goes.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import kopf

from understudy.operators.custom import profiles

KIND = ("understudy.dev", "v1alpha1", "schedulerprofiles")


def register(registry: kopf.OperatorRegistry, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Add the handler."""

    async def judge(type: str | None, body: Mapping[str, Any], patch: kopf.Patch, **_: Any) -> None:  # noqa: A002
        status = None if type == "DELETED" else profiles.decide(body, clock())
        if status is not None:
            patch.status.update(status)

    kopf.on.event(*KIND, id="judge", registry=registry)(judge)
