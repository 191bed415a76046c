"""Reads what the add-ons' decisions ask for, and writes what they say.

Used by the ControlPlane's handlers (`operators.custom.controlplane`), and by the chart's hook that gives everything
back where no operator does (`understudy.withdraw`).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from understudy.api.client import MERGE, Client
from understudy.errors import NotFound
from understudy.operators.custom.addons import ADDONS
from understudy.operators.custom.addons.addon import SETTLED, Addon, Verdict, Write
from understudy.takeover.read import found

log = logging.getLogger(__name__)

PAUSE = 1.0


class Addons:
    """All of one cluster's. Everything raises ApiError and Lost."""

    def __init__(self, client: Client, every: Sequence[Addon] = ADDONS) -> None:
        self._client, self._every = client, every

    async def direct(self, wanted: Mapping[str, bool]) -> dict[str, Verdict]:
        """One step of each towards what is wanted; those left out go back to upstream."""
        verdicts = {}
        for addon in self._every:
            seen = {name: await found(self._client, path) for name, path in addon.reads.items()}
            verdicts[addon.name] = verdict = addon.decide(wanted.get(addon.name, False), seen)
            for write in verdict.writes:
                await self._send(addon, write)
        return verdicts

    async def give_back(self, timeout: float) -> list[str]:
        """Until none of them is ours, at most that many seconds; what is still under way then."""
        end = asyncio.get_running_loop().time() + timeout
        while True:
            left = [each.moving[1] for each in (await self.direct({})).values() if each.moving != SETTLED]
            if not left or asyncio.get_running_loop().time() >= end:
                return left
            await asyncio.sleep(PAUSE)

    async def _send(self, addon: Addon, write: Write) -> None:
        log.info("%s: %s %s: %s", addon.name, write.method, write.path, write.why)
        content = MERGE if write.method == "PATCH" else "application/json"
        try:
            await self._client.call(write.method, write.path, write.body, content_type=content)
        except NotFound:
            log.info("%s: %s is gone meanwhile", addon.name, write.path)
