"""One node on trial: pods taken off it and put back, and whether another would fit then. Nothing is changed for others.

`preemption` makes one for each node it considers. Most pods look at what is on the node alone: for those plain sums do.
For pods that want something of others the counts of all nodes matter, so the columns themselves are changed and changed
back. Answers to the AddPod and RemovePod extensions of upstream's filters.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from understudy.scheduler.cache import Tenant
from understudy.scheduler.columns import Columns, NodeView
from understudy.scheduler.diagnosis import count
from understudy.scheduler.nominations import Nominee
from understudy.scheduler.resources import PODS
from understudy.scheduler.shape import Shape, Usage


class Trial(Protocol):
    """`end` puts everything back as it was."""

    def remove(self, tenant: Tenant) -> None:
        """Without that pod, which is there."""

    def add(self, tenant: Tenant) -> None:
        """With that pod again."""

    def reasons(self) -> list[str]:
        """Why the pod does not fit as it is now; none if it does."""

    def end(self) -> None: ...


def begin(shape: Shape, columns: Columns, row: int, rivals: Iterable[Nominee]) -> Trial:
    """A trial of that row, which is real, with the pods nominated for it."""
    if not shape.asked.wide:
        return _Alone(shape, columns.view(row), rivals)
    return _Among(shape, columns, row, rivals)


class _Alone:
    """For pods that others do not matter to: sums in plain Python."""

    def __init__(self, shape: Shape, view: NodeView, rivals: Iterable[Nominee]) -> None:
        self._shape = shape
        self._filters = shape.asked.pod_filters
        self._used = dict(view.requested)
        self._ports = list(view.ports)
        self._mounts = Counter(view.mounts)
        self._view = replace(view, requested=self._used, ports=self._ports, mounts=self._mounts)
        for each in rivals:
            self._count(each.info.shape.usage, 1)

    def remove(self, tenant: Tenant) -> None:
        self._count(tenant.usage, -1)

    def add(self, tenant: Tenant) -> None:
        self._count(tenant.usage, 1)

    def reasons(self) -> list[str]:
        return next((found for each in self._filters if (found := each.reasons(self._shape, self._view))), [])

    def end(self) -> None: ...

    def _count(self, usage: Usage, sign: int) -> None:
        for resource, amount in usage.requests:
            self._used[resource] = self._used.get(resource, 0) + sign * amount
        self._used[PODS] = self._used.get(PODS, 0) + sign
        for port in usage.ports:
            if sign > 0:
                self._ports.append(port)
            else:
                self._ports.remove(port)
        for mount in usage.mounts:
            self._mounts[mount] += sign


class _Among:
    """For pods that want something of others: the columns, for a while."""

    def __init__(self, shape: Shape, columns: Columns, row: int, rivals: Iterable[Nominee]) -> None:
        self._shape = shape
        self._columns = columns
        self._rows = np.array([row], np.intp)
        self._node = columns.names[row]
        self._rivals = list(rivals)
        self._removed: dict[str, Tenant] = {}
        self._before = columns.crowd.version, columns.crowd.stirs
        self._enter()

    def remove(self, tenant: Tenant) -> None:
        self._removed[tenant.pod.uid] = tenant
        self._columns.remove(tenant.usage, self._node, tenant.badge)

    def add(self, tenant: Tenant) -> None:
        del self._removed[tenant.pod.uid]
        self._columns.add(tenant.usage, self._node, tenant.badge)

    def reasons(self) -> list[str]:
        if (found := self._said()) or not self._rivals:
            return found
        # They may never come: nobody's affinity is met by them.
        self._leave()
        try:
            return self._said()
        finally:
            self._enter()

    def end(self) -> None:
        for tenant in list(self._removed.values()):
            self.add(tenant)
        self._leave()
        self._columns.crowd.version, self._columns.crowd.stirs = self._before

    def _said(self) -> list[str]:
        counts, _ = count(self._shape, self._columns, self._rows)
        return [reason for reasons in counts.values() for reason in reasons]

    def _enter(self) -> None:
        for each in self._rivals:
            self._columns.add(each.info.shape.usage, self._node, each.info.badge)

    def _leave(self) -> None:
        for each in self._rivals:
            self._columns.remove(each.info.shape.usage, self._node, each.info.badge)
