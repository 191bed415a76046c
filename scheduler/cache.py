"""Where every pod is, or is assumed to be, kept in step with the columns; the one place that counts pods on nodes.

`assume` counts a pod on its node as soon as it is decided, before the API server knows. It stays counted until the
watch shows the pod bound or gone, or its binding is known to have failed: never merely because time passes, so no room
is given away twice. Answers to pkg/scheduler/backend/cache/cache.go.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from understudy.scheduler.columns import Changes, Columns
from understudy.scheduler.kinds import Pod
from understudy.scheduler.shape import Usage
from understudy.scheduler.terms import Badge


@dataclass(slots=True, eq=False)
class Tenant:
    """A pod on a node: the object as last seen, what it takes there, what it is to others."""

    pod: Pod
    usage: Usage
    badge: Badge
    node: str
    assumed: bool

    @property
    def priority(self) -> int:
        return self.pod.spec.priority


class Cache:
    """Methods that give room back return the row it is on, which may help pods that wait."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._held: dict[str, Tenant] = {}
        self._on: dict[str, dict[str, Tenant]] = {}
        self.assumed = 0
        """How many pods are assumed and not yet seen bound."""
        self.changes = Changes()
        """The rows of pods that came, went, or are others to those that may make them leave."""
        self.priorities: Counter[int] = Counter()
        """How many pods there are of each priority."""

    def __len__(self) -> int:
        return len(self._held)

    def get(self, uid: str) -> Tenant | None:
        """The pod, if it is counted on a node."""
        return self._held.get(uid)

    def node_of(self, uid: str) -> str | None:
        """The node the pod is counted on."""
        held = self._held.get(uid)
        return None if held is None else held.node

    def on(self, node: str) -> Collection[Tenant]:
        """The pods counted on that node."""
        return self._on.get(node, {}).values()

    def assume(self, pod: Pod, usage: Usage, badge: Badge, node: str) -> None:
        """It is decided that the pod goes to that node; it must not be counted yet."""
        assert pod.uid not in self._held, "a pod is decided once"
        self._enter(Tenant(pod, usage, badge, node, assumed=True))
        self.assumed += 1

    def forget(self, uid: str) -> int | None:
        """The binding failed; nothing if the watch has shown it bound all the same, or gone."""
        held = self._held.get(uid)
        return self.drop(uid) if held is not None and held.assumed else None

    def place(self, pod: Pod, usage: Usage, badge: Badge, node: str) -> int | None:
        """The watch shows the pod on that node: confirm it, count it, or count it anew if it moved or was resized."""
        held = self._held.get(pod.uid)
        if held is None:
            self._enter(Tenant(pod, usage, badge, node, assumed=False))
            return None
        self.assumed -= held.assumed
        held.assumed = False
        if held.pod.status.startTime != pod.status.startTime:
            self._mark(held)
        held.pod = pod
        if (held.node, held.usage) == (node, usage):
            self._rename(held, badge)
            return None
        row = self._leave(held)
        held.node, held.usage, held.badge = node, usage, badge
        self._enter(held)
        return row

    def drop(self, uid: str) -> int | None:
        """The pod is gone or has finished."""
        held = self._held.get(uid)
        if held is None:
            return None
        self.assumed -= held.assumed
        return self._leave(held)

    def _rename(self, held: Tenant, badge: Badge) -> None:
        if held.badge != badge:
            self._mark(held)
            self._columns.rename(held.badge, badge, held.node)
            held.badge = badge

    def _mark(self, tenant: Tenant) -> None:
        self.changes.mark(self._columns.row_of[tenant.node])

    def _enter(self, tenant: Tenant) -> None:
        self._held[tenant.pod.uid] = tenant
        self._on.setdefault(tenant.node, {})[tenant.pod.uid] = tenant
        self.priorities[tenant.priority] += 1
        self._columns.add(tenant.usage, tenant.node, tenant.badge)
        self._mark(tenant)

    def _leave(self, tenant: Tenant) -> int:
        self._mark(tenant)
        del self._held[tenant.pod.uid]
        there = self._on[tenant.node]
        del there[tenant.pod.uid]
        if not there:
            del self._on[tenant.node]
        self.priorities[tenant.priority] -= 1
        if not self.priorities[tenant.priority]:
            del self.priorities[tenant.priority]
        return self._columns.remove(tenant.usage, tenant.node, tenant.badge)
