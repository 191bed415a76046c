"""All nodes as numpy columns, one row a node: what every mask and score is computed from.

`cache` writes here as pods come and go, plugins read, and `cycle` asks which rows changed since it last looked, so that
a decision costs what has changed and not what there is. Answers to upstream's cache.NodeInfo and Snapshot.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.crowd import Crowd
from understudy.scheduler.images import Image, Images
from understudy.scheduler.kinds import Node, Taint
from understudy.scheduler.resources import CPU, EPHEMERAL, MEMORY, PODS, allocatable
from understudy.scheduler.shape import HostPort, Usage
from understudy.scheduler.terms import Badge
from understudy.scheduler.topology import Domains, Topology
from understudy.scheduler.volumes.mounted import NOTHING, Mounted
from understudy.scheduler.volumes.sources import Mount

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Rows = slice | NDArray[np.intp]

CPU_COLUMN, MEMORY_COLUMN, EPHEMERAL_COLUMN, PODS_COLUMN = range(4)
_SPARE_COLUMNS = 4
_QUESTIONS = 256
"""Questions about nodes whose answers are kept."""


class Changes:
    """The rows that changed, in order; positions count from the beginning, the oldest `limit` are forgotten."""

    def __init__(self, limit: int = 4096) -> None:
        self._rows: list[int] = []
        self._forgotten = 0
        self._limit = limit

    @property
    def end(self) -> int:
        return self._forgotten + len(self._rows)

    def mark(self, row: int) -> None:
        self._rows.append(row)
        if len(self._rows) > 2 * self._limit:
            del self._rows[: self._limit]
            self._forgotten += self._limit

    def since(self, position: int) -> list[int] | None:
        """The rows changed from `position` on, some perhaps twice; None if that is too long ago to tell."""
        start = position - self._forgotten
        return None if start < 0 else self._rows[start:]


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node in plain Python: what the plain forms of the plugins read. `requested` counts pods as "pods".

    `images` are those of all nodes, of which there are `count`; `mounts` says how many of its pods mount what.
    """

    node: Node
    allocatable: Mapping[str, int]
    requested: Mapping[str, int]
    scored: tuple[int, int]
    ports: Collection[HostPort]
    images: Mapping[str, Image]
    count: int
    mounts: Mapping[Mount, int] = field(default_factory=lambda: NOTHING)


class Columns:
    """Rows below `size` are in use; a row is `real` while its node exists, and outlives it as long as pods are on it.

    `allocatable` and `requested` have one line a resource (`column`), `scored` two: cpu and memory for scoring.
    """

    def __init__(self, capacity: int = 64) -> None:
        self.size = 0
        self.count = 0
        self.names: list[str] = []
        self.nodes: list[Node | None] = []
        self.row_of: dict[str, int] = {}
        self.node_changes = Changes()
        self.usage_changes = Changes()
        self.crowd = Crowd(capacity)
        self.images = Images()
        self.mounted = Mounted()
        self._topology = Topology(capacity)
        self._answers: OrderedDict[Hashable, tuple[int, Mask]] = OrderedDict()
        self.taint_sets: list[tuple[Taint, ...]] = [()]
        self._taint_ids: dict[tuple[Taint, ...], int] = {(): 0}
        self._columns = {CPU: CPU_COLUMN, MEMORY: MEMORY_COLUMN, EPHEMERAL: EPHEMERAL_COLUMN, PODS: PODS_COLUMN}
        self._ports: dict[tuple[str, int], dict[int, Counter[HostPort]]] = {}
        self._free: list[int] = []
        lines = len(self._columns) + _SPARE_COLUMNS
        self.real: Mask = np.zeros(capacity, np.bool_)
        self.unschedulable: Mask = np.zeros(capacity, np.bool_)
        self.taint_id: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.allocatable: Numbers = np.zeros((lines, capacity), np.int64)
        self.requested: Numbers = np.zeros((lines, capacity), np.int64)
        self.scored: Numbers = np.zeros((2, capacity), np.int64)

    # Reading

    @property
    def capacity(self) -> int:
        return len(self.real)

    @property
    def all_rows(self) -> slice:
        return slice(0, self.size)

    def column(self, resource: str) -> int | None:
        """The line of a resource; None if no node has it and no pod uses it."""
        return self._columns.get(resource)

    def all_real(self) -> list[int]:
        """The rows that have a node."""
        return np.flatnonzero(self.real).tolist()

    def each(self, rows: Rows) -> Iterable[int]:
        """The row numbers, one by one."""
        return range(*rows.indices(self.size)) if isinstance(rows, slice) else rows.tolist()

    def rows_named(self, names: Iterable[str]) -> NDArray[np.intp]:
        """The rows of those of the named nodes that exist."""
        rows = (self.row_of.get(name) for name in names)
        return np.array(sorted(row for row in rows if row is not None and self.real[row]), np.intp)

    def taking(self, ports: Iterable[HostPort]) -> set[int]:
        """The rows on which one of these ports is taken."""
        found: set[int] = set()
        for port in ports:
            taken = self._ports.get((port.protocol, port.port), {})
            found.update(row for row, there in taken.items() if any(port.conflicts(other) for other in there))
        return found

    def domains(self, key: str) -> Domains:
        """The domain of each row in use, by a topology key."""
        return self._topology.of(key, self.nodes)[: self.size]

    def domain_numbers(self, key: str) -> Mapping[str, int]:
        """The numbers of the domains, by the label's value; some may be of no row any more."""
        self._topology.of(key, self.nodes)
        return self._topology.numbers(key)

    def judged(self, question: Hashable, judge: Callable[[Node], bool]) -> Mask:
        """What `judge` says of the node of each row in use; asked again only about nodes that have changed."""
        seen, answers = self._answers.pop(question, (-1, np.zeros(0, np.bool_)))
        changed = self.node_changes.since(seen) if seen >= 0 and len(answers) == self.capacity else None
        if changed is None:
            answers, changed = np.zeros(self.capacity, np.bool_), list(range(self.size))
        for row in changed:
            node = self.nodes[row]
            answers[row] = node is not None and judge(node)
        self._answers[question] = (self.node_changes.end, answers)
        if len(self._answers) > _QUESTIONS:
            self._answers.popitem(last=False)
        return answers[: self.size]

    def view(self, row: int) -> NodeView:
        """A node that exists, in plain Python."""
        node = self.nodes[row]
        assert node is not None, "only rows that are real have a node"
        # The lines are in the order of their names: one copy of a line's numbers is far quicker than one at a time.
        used = dict(zip(self._columns, self.requested[:, row].tolist(), strict=False))
        offered = dict(zip(self._columns, self.allocatable[:, row].tolist(), strict=False))
        cpu, memory = self.scored[:, row].tolist()
        # A port can be taken twice, by pods that somebody else put there.
        taking = (taken[row] for taken in self._ports.values() if row in taken) if self._ports else ()
        ports = [port for there in taking for port in there.elements()]
        mounts = self.mounted.on(row)
        return NodeView(node, offered, used, (cpu, memory), ports, self.images.known, self.count, mounts)

    # Nodes

    def set_node(self, node: Node) -> int | None:
        """Add or replace a node; the row if anything the scheduler looks at changed, else None."""
        row = self._row(node.name)
        old = self.nodes[row]
        self.nodes[row] = node
        if old is not None and _same(old, node):
            return None
        self.count += not self.real[row]
        self.real[row] = True
        self._topology.set(row, node)
        self.images.set(row, node)
        self.unschedulable[row] = node.spec.unschedulable
        self.taint_id[row] = self._taints(node.spec.taints)
        offered = allocatable(node.status.allocatable)
        lines = {self._line(name): amount for name, amount in offered.items()}
        self.allocatable[:, row] = 0
        for line, amount in lines.items():
            self.allocatable[line, row] = amount
        self.node_changes.mark(row)
        return row

    def remove_node(self, name: str) -> None:
        """The node is gone; what its pods take stays counted until they are gone too."""
        row = self.row_of.get(name)
        if row is None or not self.real[row]:
            return
        self.count -= 1
        self.real[row] = False
        self.nodes[row] = None
        self._topology.set(row, None)
        self.images.set(row, None)
        self.crowd.stirs += 1  # counts of a domain that is no more have changed
        self.allocatable[:, row] = 0
        self.node_changes.mark(row)
        self._release(row)

    # Pods

    def add(self, usage: Usage, name: str, badge: Badge | None = None) -> None:
        """A pod is, or is assumed to be, on the node of that name, known or not."""
        row = self._row(name)
        self._count(usage, row, 1)
        if badge is not None:
            self.crowd.add(badge, row)
        for port in usage.ports:
            taken = self._ports.setdefault((port.protocol, port.port), {})
            taken.setdefault(row, Counter())[port] += 1

    def remove(self, usage: Usage, name: str, badge: Badge | None = None) -> int:
        """A pod that was added is no longer there; its row."""
        row = self.row_of[name]
        self._count(usage, row, -1)
        if badge is not None:
            self.crowd.remove(badge, row)
        for port in usage.ports:
            self._free_port(port, row)
        self._release(row)
        return row

    def rename(self, old: Badge, new: Badge, name: str) -> None:
        """A pod that was added with one badge has another now."""
        row = self.row_of[name]
        self.crowd.remove(old, row)
        self.crowd.add(new, row)
        self.usage_changes.mark(row)

    # Inside

    def _count(self, usage: Usage, row: int, sign: int) -> None:
        for resource, amount in usage.requests:
            self.requested[self._line(resource), row] += sign * amount
        self.requested[PODS_COLUMN, row] += sign
        self.scored[0, row] += sign * usage.scored[0]
        self.scored[1, row] += sign * usage.scored[1]
        if usage.mounts:
            self.mounted.count(usage.mounts, row, sign)
        self.usage_changes.mark(row)

    def _free_port(self, port: HostPort, row: int) -> None:
        taken = self._ports[port.protocol, port.port]
        there = taken[row]
        there[port] -= 1
        if not there[port]:
            del there[port]
        if not there:
            del taken[row]
        if not taken:
            del self._ports[port.protocol, port.port]

    def _row(self, name: str) -> int:
        row = self.row_of.get(name)
        if row is None:
            row = self.row_of[name] = self._free.pop() if self._free else self._append()
            self.names[row] = name
        return row

    def _append(self) -> int:
        if self.size == self.capacity:
            self._grow()
        self.names.append("")
        self.nodes.append(None)
        self.size += 1
        return self.size - 1

    def _release(self, row: int) -> None:
        """Give the row back once neither node nor pod needs it."""
        if not self.real[row] and not self.requested[PODS_COLUMN, row]:
            del self.row_of[self.names[row]]
            self.names[row] = ""
            self._free.append(row)

    def _grow(self) -> None:
        more = self.capacity
        self.crowd.grow(2 * more)
        self._topology.grow(2 * more)
        self.real = np.pad(self.real, (0, more))
        self.unschedulable = np.pad(self.unschedulable, (0, more))
        self.taint_id = np.pad(self.taint_id, (0, more))
        wider = ((0, 0), (0, more))
        self.allocatable = np.pad(self.allocatable, wider)
        self.requested = np.pad(self.requested, wider)
        self.scored = np.pad(self.scored, wider)

    def _line(self, resource: str) -> int:
        line = self._columns.get(resource)
        if line is None:
            line = self._columns[resource] = len(self._columns)
            if line == len(self.allocatable):
                deeper = ((0, _SPARE_COLUMNS), (0, 0))
                self.allocatable = np.pad(self.allocatable, deeper)
                self.requested = np.pad(self.requested, deeper)
        return line

    def _taints(self, taints: tuple[Taint, ...]) -> int:
        if len(self.taint_sets) > 2 * self.capacity:
            self._forget_taints()
        found = self._taint_ids.get(taints)
        if found is None:
            found = self._taint_ids[taints] = len(self.taint_sets)
            self.taint_sets.append(taints)
        return found

    def _forget_taints(self) -> None:
        """Number the sets anew that nodes still have: taints whose values keep changing must not pile up."""
        self.taint_sets, self._taint_ids = [()], {(): 0}
        for row, node in enumerate(self.nodes):
            if node is not None:
                self.taint_id[row] = self._taints(node.spec.taints)


def _same(old: Node, new: Node) -> bool:
    return (
        old.metadata.labels == new.metadata.labels
        and old.spec == new.spec
        and old.status.allocatable == new.status.allocatable
        and old.status.images == new.status.images
    )
