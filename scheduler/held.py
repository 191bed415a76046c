"""Pods between decision and binding that wait for somebody: for a Permit plugin's word, or for a step's `Until`.

`binding` waits here, `loop` tells of every change. Answers to waiting_pods_map.go and `WaitOnPermit` in
pkg/scheduler/framework/runtime.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from understudy.scheduler.shape import PodInfo


@dataclass(slots=True, eq=False)
class _Held:
    """`until`: by plugin, the moment its patience ends."""

    info: PodInfo
    until: dict[str, float]
    refused: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Held:
    """The pods that Permit plugins hold up: what such plugins are given as `Handle.waiting`."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def held(self) -> Mapping[str, PodInfo]:
        """By uid."""
        return {uid: each.info for uid, each in self._held.items()}

    def hold(self, info: PodInfo, until: Mapping[str, float]) -> None:
        """The pod waits for these plugins, for each at most until that moment of the event loop's clock."""
        self._held[info.uid] = _Held(info, dict(until))

    def allow(self, uid: str, plugin: str) -> None:
        """That plugin has no objection any more."""
        held = self._held.get(uid)
        if held is not None and held.until.pop(plugin, None) is not None:
            held.changed.set()

    def reject(self, uid: str, plugin: str, reason: str) -> None:
        """The pod is not to be bound."""
        held = self._held.get(uid)
        if held is not None:
            held.refused = reason or f"pod rejected while waiting on permit by plugin {plugin}"
            held.changed.set()

    async def wait(self, uid: str) -> str:
        """Why the pod must not be bound, or "" once every plugin allows it; at once if none holds it up."""
        held = self._held.get(uid)
        if held is None:
            return ""
        try:
            while held.until and not held.refused:
                await _change(held)
            return held.refused
        finally:
            self._held.pop(uid, None)


async def _change(held: _Held) -> None:
    """Until a plugin says something, or the patience of one ends."""
    plugin, end = min(held.until.items(), key=lambda each: each[1])
    held.changed.clear()
    try:
        async with asyncio.timeout_at(end):
            await held.changed.wait()
    except TimeoutError:
        held.refused = held.refused or f"rejected due to timeout after waiting at plugin {plugin}"


class Pending:
    """Conditions somebody waits for, asked again after each change."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Whether it held within so many seconds."""
        if ready():
            return True
        done = asyncio.get_running_loop().create_future()
        self._waiting[done] = ready
        try:
            async with asyncio.timeout(timeout):
                await done
        except TimeoutError:
            return ready()
        finally:
            del self._waiting[done]
        return True

    def poke(self) -> None:
        """Something has changed."""
        for done, ready in list(self._waiting.items()):
            if not done.done() and ready():
                done.set_result(None)
