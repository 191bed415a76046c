"""Claims, volumes and classes as the volume plugins see them: what the watches tell, and what is promised already.

A volume that a decided pod is to have, and a node that was chosen for a claim, count from the decision on, before the
server knows: as `cache` does for pods. One `Storage` serves the plugins of all profiles. Answers to the assume caches
of plugins/volumebinding (assume_cache.go) and to the listers of all volume plugins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from understudy.kinds.binding import SELECTED_NODE, capacity, class_of, free_of_class, named_claim
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key
from understudy.scheduler.framework import Handle
from understudy.scheduler.volumes.kinds import (
    CSI_CAPACITIES,
    CSI_DRIVERS,
    CSI_NODES,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    PersistentVolume,
    StorageClass,
)
from understudy.scheduler.volumes.sources import Claimed
from understudy.state.store import Index

READS: tuple[Kind[Any], ...] = (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    CSI_NODES,
    CSI_DRIVERS,
    CSI_CAPACITIES,
)


FOR_CLAIM: Index[PersistentVolume] = Index("claim named", named_claim)
FREE: Index[PersistentVolume] = Index("free, by class", free_of_class)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a decided pod is to have: volumes for its claims, and claims that are to be provisioned for its node."""

    bindings: tuple[tuple[PersistentVolumeClaim, PersistentVolume], ...] = ()
    provisions: tuple[PersistentVolumeClaim, ...] = ()


class Storage:
    """One for all plugins (`handle.share`). `version` moves with each change that may matter to any pod with claims."""

    def __init__(self, handle: Handle) -> None:
        self.view = handle.view
        self.version = 0
        self._promises: dict[str, tuple[str, Promise]] = {}
        self._given: dict[str, Key] = {}
        self._chosen: dict[Key, dict[str, str]] = {}
        self._ordered: dict[str, list[PersistentVolume]] = {}
        for kind in READS:
            self.view.store(kind).hooks.append(self._changed)
        self.view.store(PERSISTENT_VOLUMES).hooks.append(self._saw_volume)

    # What there is

    def claim(self, mount: Claimed) -> PersistentVolumeClaim | None:
        """The claim that is mounted, whoever it was made for."""
        return self.view.get(PERSISTENT_VOLUME_CLAIMS, mount.namespace, mount.name)

    def volume(self, name: str) -> PersistentVolume | None:
        return self.view.get(PERSISTENT_VOLUMES, "", name)

    def storage_class(self, claim: PersistentVolumeClaim) -> StorageClass | None:
        """The class the claim asks for; None if it asks for none, or for one that is not there."""
        return self.view.get(STORAGE_CLASSES, "", class_of(claim))

    def node_for(self, claim: PersistentVolumeClaim) -> str | None:
        """The node a volume is to be provisioned for."""
        chosen = self._chosen.get(claim.key)
        if chosen:
            return next(iter(chosen.values()))
        return claim.metadata.annotations.get(SELECTED_NODE)

    def reserved(self, claim: PersistentVolumeClaim) -> list[PersistentVolume]:
        """The volumes that name the claim, or will: some user's choice, or promised already. By name."""
        named = self.view.by(PERSISTENT_VOLUMES, FOR_CLAIM, str(claim.key))
        given = [self.volume(name) for name, key in self._given.items() if key == claim.key]
        every = {each.name: each for each in (*named, *given) if each is not None}
        return [every[name] for name in sorted(every)]

    def free(self, name: str) -> Iterator[PersistentVolume]:
        """The volumes of that class that any claim may have, the smallest first."""
        ordered = self._ordered.get(name)
        if ordered is None:
            ordered = self._ordered[name] = sorted(self.view.by(PERSISTENT_VOLUMES, FREE, name), key=_size)
        return (each for each in ordered if each.name not in self._given)

    # What is promised

    def promise(self, uid: str, node: str, promise: Promise) -> None:
        """The pod of that uid gets this, on that node, unless it is given back."""
        self._promises[uid] = node, promise
        for claim, volume in promise.bindings:
            self._given[volume.name] = claim.key
        for claim in promise.provisions:
            self._chosen.setdefault(claim.key, {})[uid] = node
        self.version += 1

    def promised(self, uid: str) -> Promise | None:
        found = self._promises.get(uid)
        return None if found is None else found[1]

    def release(self, uid: str) -> None:
        """The pod has it, as the server knows, or is not to have it. Nothing if nothing is promised."""
        found = self._promises.pop(uid, None)
        if found is None:
            return
        kept = {volume.name for _, other in self._promises.values() for _, volume in other.bindings}
        for _, volume in found[1].bindings:
            if volume.name not in kept:
                self._given.pop(volume.name, None)
        self._unchoose(found[1].provisions, uid)
        self.version += 1

    def _unchoose(self, claims: Iterable[PersistentVolumeClaim], uid: str) -> None:
        for claim in claims:
            chosen = self._chosen[claim.key]
            del chosen[uid]
            if not chosen:
                del self._chosen[claim.key]

    def _changed(self, new: Any, old: Any) -> None:  # noqa: ARG002 - what a store calls a hook with
        self.version += 1

    def _saw_volume(self, new: Any, old: Any) -> None:  # noqa: ARG002 - what a store calls a hook with
        self._ordered.clear()


def _size(volume: PersistentVolume) -> tuple[int, str]:
    return capacity(volume, exact=True), volume.name
