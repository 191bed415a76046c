"""Endpoints into slices, with as few changed slices as possible and at most a hundred endpoints in each.

Pure data in, pure data out; called by the decision for each address family. It answers to reconcileByAddressType,
reconcileByPortMapping and finalize in k8s.io/endpointslice/reconciler.go: what is in a slice stays in it, slices that
change anyway are filled first, what is left goes into the slice it fills best, or into new ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from understudy.kinds.discovery import Endpoint, EndpointSlice, SlicePort
from understudy.operators.common.slices import Identity, PortKey, identity, is_same, port_key
from understudy.operators.endpointslice.endpoints import Group

MAX_ENDPOINTS = 100
"""Upstream's default of --max-endpoints-per-slice."""


@dataclass(slots=True, eq=False)
class Draft:
    """A slice as it should be; `held` is the one that becomes it, None if it is new."""

    family: str
    ports: tuple[SlicePort, ...]
    endpoints: list[Endpoint]
    held: EndpointSlice | None = None


@dataclass(slots=True)
class Changes:
    """Slices to create, to change and to delete."""

    create: list[Draft] = field(default_factory=list)
    update: list[Draft] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)

    def add(self, more: "Changes") -> None:
        self.create += more.create
        self.update += more.update
        self.delete += more.delete


@dataclass(frozen=True, slots=True)
class Packer:
    """What is the same for all slices of a Service: their `labels`."""

    labels: Mapping[str, str]
    capacity: int = MAX_ENDPOINTS

    def pack(self, family: str, held: Iterable[EndpointSlice], wanted: Mapping[PortKey, Group]) -> Changes:
        """What turns the slices `held`, all of this family and owned by the Service, into `wanted`."""
        by_ports: dict[PortKey, list[EndpointSlice]] = {}
        for each in held:
            by_ports.setdefault(port_key(each.ports or ()), []).append(each)
        changes, count = Changes(), sum(map(len, by_ports.values()))
        for key, group in wanted.items():
            changes.add(self._pack_group(family, by_ports.pop(key, []), group))
        for unwanted in by_ports.values():
            changes.delete += unwanted
        if len(changes.delete) == count and not changes.create:
            self._leave_placeholder(family, changes)
        _recycle(changes)
        return changes

    def _pack_group(self, family: str, held: Iterable[EndpointSlice], group: Group) -> Changes:
        changes, unchanged = Changes(), []
        left = dict(group.endpoints)
        for each in held:
            kept, differs = self._keep(each, left)
            draft = Draft(family, group.ports, kept, each)
            if not kept and each.endpoints:
                changes.delete.append(each)
            elif differs or each.metadata.labels != self.labels:
                changes.update.append(draft)
            else:
                unchanged.append(draft)
        self._place(family, list(left.values()), group.ports, changes, unchanged)
        return changes

    def _keep(self, held: EndpointSlice, left: dict[Identity, Endpoint]) -> tuple[list[Endpoint], bool]:
        """The endpoints of a slice that are still wanted, as they should be, and whether anything differs."""
        kept: list[Endpoint] = []
        old = held.endpoints or ()
        changed = False
        for each in old:
            endpoint = left.pop(identity(each), None)
            if endpoint is None:
                continue
            kept.append(endpoint)
            changed = changed or not is_same(endpoint, each)
        return kept, changed or len(kept) != len(old)

    def _place(
        self,
        family: str,
        left: list[Endpoint],
        ports: tuple[SlicePort, ...],
        changes: Changes,
        unchanged: list[Draft],
    ) -> None:
        """Find room for endpoints that are in no slice yet."""
        for draft in sorted(changes.update, key=_size, reverse=True):
            self._fill(draft, left)
        while left:
            roomy = self._best_fit(unchanged, len(left))  # takes all that is left, so that it is needed once
            draft = roomy or Draft(family, ports, [])
            (changes.update if roomy else changes.create).append(draft)
            self._fill(draft, left)

    def _fill(self, draft: Draft, left: list[Endpoint]) -> None:
        room = max(0, self.capacity - len(draft.endpoints))
        draft.endpoints += left[:room]
        del left[:room]

    def _best_fit(self, drafts: Iterable[Draft], count: int) -> Draft | None:
        """The slice that is fullest with `count` endpoints more; None if they do not fit into one."""
        fitting = [draft for draft in drafts if len(draft.endpoints) + count <= self.capacity]
        return max(fitting, key=_size, default=None)

    def _leave_placeholder(self, family: str, changes: Changes) -> None:
        """A Service without endpoints has one empty slice, so that nobody thinks its controller has not looked yet."""
        if len(changes.delete) == 1 and self._is_placeholder(changes.delete[0]):
            changes.delete.clear()
        else:
            changes.create.append(Draft(family, (), []))

    def _is_placeholder(self, held: EndpointSlice) -> bool:
        return not held.endpoints and not held.ports and held.metadata.labels == self.labels


def _recycle(changes: Changes) -> None:
    """Rather change a slice than delete it and create another."""
    while changes.create and changes.delete:
        draft = changes.create.pop()
        draft.held = changes.delete.pop(0)
        changes.update.append(draft)


def _size(draft: Draft) -> int:
    return len(draft.endpoints)
