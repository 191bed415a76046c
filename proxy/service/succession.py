"""Coming after kube-proxy and going before it: what one node's service proxy does besides its own rules.

Run by `agent`. While kube-proxy has rules on this node and its DaemonSet stands aside with no pod left, they are
cleaned away. When this process ends because its own DaemonSet stands aside, or is gone, it goes on until kube-proxy's
rules are here, and takes its own away then; when it is only restarted they stay. Who stands aside when, the
ControlPlane's add-on decides (`operators.custom.addons.serviceproxy`). Answers to kube-proxy --cleanup.
"""

import asyncio
import logging
from collections.abc import Sequence
from enum import Enum

from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.errors import ApiError, Forbidden, Unauthorized
from understudy.proxy.network.host import HostError
from understudy.proxy.service.leftovers import Leftovers
from understudy.takeover.crew import Crew
from understudy.takeover.proxies import KUBE_PROXY, OURS, crews
from understudy.takeover.read import found

log = logging.getLogger(__name__)

LOOK, REST = 2.0, 30.0
"""Seconds between looks while kube-proxy's rules are here: at first, and at most, as where there are none."""
STEP = 0.5
PATIENCE = 45.0
"""Seconds kube-proxy has to write its rules until ours go without; it takes 24 s for 10,000 Services."""


def may_clean(theirs: Crew | None) -> bool:
    """Whether nobody keeps kube-proxy's rules any more. Without a DaemonSet it may run some other way."""
    return theirs is not None and theirs.gone


class Ending(Enum):
    """What the end of our process means for the node."""

    RESTART = "another of ours comes"
    HELD_BACK = "nobody comes: kube-proxy is still told to stand aside"
    SUCCEEDED = "kube-proxy comes"
    ALONE = "nobody comes, and nobody was there before"


def ending(ours: Crew | None, theirs: Crew | None) -> Ending:
    """By the DaemonSets as they are."""
    if ours is not None and not ours.aside:
        return Ending.RESTART
    if theirs is None:
        return Ending.ALONE
    return Ending.HELD_BACK if theirs.aside else Ending.SUCCEEDED


class Succession:
    """`leftovers` are looked at in threads."""

    def __init__(self, client: Client, leftovers: Sequence[Leftovers]) -> None:
        self._client, self._leftovers = client, leftovers
        self._busy = asyncio.Lock()

    async def run(self) -> None:
        """Clean after kube-proxy, whenever it has left."""
        pause = LOOK
        while True:
            waits = await self._clean()
            await asyncio.sleep(pause if waits else REST)
            pause = min(pause * 2, REST) if waits else LOOK

    async def withdrawn(self) -> bool:
        """Whether our rules are to go, with the process. Returns when kube-proxy serves in their place.

        An upgrade of the chart may take our DaemonSet away, rights and all, before kube-proxy is called back.
        """
        end = _now() + PATIENCE
        try:
            while (how := ending(*await self._crews())) is Ending.HELD_BACK and _now() < end:
                await asyncio.sleep(STEP)
        except (Unauthorized, Forbidden):
            return await self._succeeded(end)
        except (ApiError, Lost, HostError) as error:
            log.warning("our rules stay: whether the service proxy is to come back cannot be known: %s", error)
            return False
        if how is Ending.SUCCEEDED and not await self._succeeded(end):
            log.warning("kube-proxy has no rules here after %g s; ours go nevertheless", PATIENCE)
        return how in (Ending.SUCCEEDED, Ending.ALONE)

    def close(self) -> None:
        for each in self._leftovers:
            each.close()

    async def _clean(self) -> bool:
        """Whether kube-proxy has rules here that may have to be cleaned away soon."""
        try:
            if not await self._serving():
                return False
            _, theirs = await self._crews()
            if not may_clean(theirs):
                return True
            async with self._busy:
                removed = sum([await asyncio.to_thread(each.remove) for each in self._leftovers])
        except (ApiError, Lost, HostError) as error:
            log.warning("kube-proxy's rules could not be cleaned away: %s; trying again", error)
            return True
        log.info("kube-proxy has left: its %d chains are cleaned away", removed)
        return False

    async def _succeeded(self, end: float) -> bool:
        while not await self._serving():
            if _now() >= end:
                return False
            await asyncio.sleep(STEP)
        return True

    async def _serving(self) -> bool:
        async with self._busy:
            return any([await asyncio.to_thread(each.serving) for each in self._leftovers])

    async def _crews(self) -> tuple[Crew | None, Crew | None]:
        return crews(await found(self._client, OURS), await found(self._client, KUBE_PROXY))


def _now() -> float:
    return asyncio.get_running_loop().time()
