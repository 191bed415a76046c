"""Which devices there are, which are taken or promised, and on which rows claims could get theirs.

What was found out for claims that want the same is kept row by row: most devices are local to a node, so an allocation
makes one row's verdict wrong. One `Inventory` serves the plugins of all profiles. Answers to dra_manager.go and
allocateddevices.go in plugins/dynamicresources.
"""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from understudy.kinds.kind import Kind
from understudy.scheduler.columns import Changes, Columns
from understudy.scheduler.devices.kinds import (
    DEVICE_CLASSES,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    DeviceClass,
    ResourceClaim,
)
from understudy.scheduler.devices.pools import DeviceId, Pool, Shelf, is_near, pools, shelf
from understudy.scheduler.devices.results import allocation
from understudy.scheduler.devices.search import Picked, Unallocatable, search
from understudy.scheduler.framework import Handle
from understudy.scheduler.kinds import Node
from understudy.state.store import Store

READS: tuple[Kind[Any], ...] = (RESOURCE_CLAIMS, RESOURCE_SLICES, DEVICE_CLASSES)
CANNOT = "cannot allocate all claims"
KEPT = 64
"""Groups of claims that want the same, whose verdicts are kept."""
EVERYWHERE = ""
"""In the place of a node's name, for what is not local to one."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An allocation that the server does not know of yet."""

    pod: str
    allocation: dict[str, Any]
    devices: tuple[DeviceId, ...]


@dataclass(slots=True)
class _Memory:
    """What was said of each row, and up to which changes: "" where all claims can be allocated."""

    epoch: int
    nodes_seen: int
    rows_seen: int
    said: list[str]


class Inventory:
    """One for all plugins (`handle.share`). `version` moves with each change that may matter to any pod with claims."""

    def __init__(self, handle: Handle) -> None:
        self._columns: Columns = handle.columns
        self._view = handle.view
        self.version = 0
        self._epoch = 0
        self._rows = Changes()
        self._local: defaultdict[str, dict[str, Shelf]] = defaultdict(dict)
        self._where: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._taken: Counter[DeviceId] = Counter()
        self._promises: dict[str, Promise] = {}
        self._memories: OrderedDict[tuple[bytes, ...], _Memory] = OrderedDict()
        for kind, saw in (
            (RESOURCE_SLICES, self._saw_slice),
            (RESOURCE_CLAIMS, self._saw_claim),
            (DEVICE_CLASSES, self._saw_class),
        ):
            store: Store[Any] = self._view.store(kind)
            store.hooks.append(saw)
            for each in store.all():
                saw(each, None)

    # What could be allocated

    def device_class(self, name: str) -> DeviceClass | None:
        return self._view.get(DEVICE_CLASSES, "", name)

    def pools(self, node: Node) -> list[Pool]:
        """What is offered near that node."""
        shared = (each for each in self._local[EVERYWHERE].values() if is_near(each.spec, node))
        return pools([*self._local.get(node.name, {}).values(), *shared])

    def pick(self, claims: Sequence[ResourceClaim], node: Node) -> list[list[Picked]] | None:
        """The devices of each claim, if the pod went to that node; None if they cannot be had. Raises Unallocatable."""
        return search(claims, self.pools(node), self._taken, self.device_class)

    def verdict(self, claims: Sequence[ResourceClaim], node: Node) -> str:
        """Why they cannot be allocated for that node; "" if they can."""
        try:
            return CANNOT if self.pick(claims, node) is None else ""
        except Unallocatable as error:
            return str(error)

    def verdicts(self, claims: Sequence[ResourceClaim]) -> list[str]:
        """As `verdict`, for each row in use; rows without a node cannot have any."""
        key = tuple(msgspec.json.encode(each.spec) for each in claims)
        memory = self._memories.pop(key, None)
        stale = self._stale(memory)
        said = memory.said if memory is not None and memory.epoch == self._epoch else []
        said += [CANNOT] * (self._columns.size - len(said))
        for row in stale:
            node = self._columns.nodes[row]
            said[row] = CANNOT if node is None else self.verdict(claims, node)
        if set(said) <= {"", CANNOT}:  # other words name the claim
            self._memories[key] = _Memory(self._epoch, self._columns.node_changes.end, self._rows.end, said)
        if len(self._memories) > KEPT:
            self._memories.popitem(last=False)
        return said

    def _stale(self, memory: _Memory | None) -> Iterable[int]:
        """The rows to look at again."""
        if memory is not None and memory.epoch == self._epoch:
            nodes, rows = self._columns.node_changes.since(memory.nodes_seen), self._rows.since(memory.rows_seen)
            if nodes is not None and rows is not None:
                return dict.fromkeys([*nodes, *rows])
        return range(self._columns.size)

    # What is promised

    def promise(self, pod: str, claims: Sequence[ResourceClaim], picked: Sequence[Sequence[Picked]]) -> None:
        """The pod of that uid gets these devices, unless they are given back."""
        for claim, devices in zip(claims, picked, strict=True):
            ids = tuple(each.offer.id for each in devices if not each.want.admin)
            self._promises[claim.uid] = Promise(pod, allocation(claim, devices), ids)
            self._count(ids, 1)

    def promised(self, claim: ResourceClaim) -> Promise | None:
        """What the claim is to have, while the server does not know."""
        return self._promises.get(claim.uid)

    def settle(self, claim: ResourceClaim) -> None:
        """The server knows now, or will not have it. Nothing if nothing is promised."""
        promise = self._promises.pop(claim.uid, None)
        if promise is not None:
            self._count(promise.devices, -1)

    def release(self, pod: str) -> None:
        """The pod is not to have what it was promised."""
        for uid, promise in list(self._promises.items()):
            if promise.pod == pod:
                del self._promises[uid]
                self._count(promise.devices, -1)

    # What the watches tell

    def _saw_slice(self, new: Any, old: Any) -> None:
        for each, sign in ((old, -1), (new, 1)):
            if each is None:
                continue
            node = each.spec.nodeName or EVERYWHERE
            if sign > 0:
                self._local[node][each.name] = shelf(each)
            else:
                self._local[node].pop(each.name, None)
            places = self._where[each.spec.driver, each.spec.pool.name]
            places[node] += sign
            if not places[node]:
                del places[node]
            self._touch(node)
        self.version += 1

    def _saw_claim(self, new: Any, old: Any) -> None:
        before, after = _devices(old), _devices(new)
        if before != after:
            self._count(before, -1)
            self._count(after, 1)
        self.version += 1

    def _saw_class(self, new: Any, old: Any) -> None:  # noqa: ARG002 - what a store calls a hook with
        self._epoch += 1
        self.version += 1

    def _count(self, devices: Iterable[DeviceId], sign: int) -> None:
        for each in devices:
            self._taken[each] += sign
            if not self._taken[each]:
                del self._taken[each]
            for node in self._where.get((each.driver, each.pool), ()):
                self._touch(node)
        self.version += 1

    def _touch(self, node: str) -> None:
        """What could be allocated there may be otherwise."""
        if node == EVERYWHERE:
            self._epoch += 1
        elif (row := self._columns.row_of.get(node)) is not None:
            self._rows.mark(row)


def _devices(claim: ResourceClaim | None) -> tuple[DeviceId, ...]:
    """The devices that nobody else may have beside the claim."""
    found = claim.status.allocation if claim is not None else None
    results = found.devices.results if found is not None else ()
    return tuple(DeviceId(each.driver, each.pool, each.device) for each in results if not each.adminAccess)
