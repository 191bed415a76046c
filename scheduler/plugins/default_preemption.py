"""DefaultPreemption: how many nodes are tried, which pods are spared first, and which node loses the least.

`preemption` takes pods off nodes and puts them back by this; `room` makes them leave. Answers to
plugins/defaultpreemption/default_preemption.go and `pickOneNodeForPreemption` in framework/preemption.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.scheduler.cache import Tenant

_LATE = "~"
"""The start of a pod that has not started, as text: after all others."""
_OFFSET = 2**31
"""Added to priorities before they are summed: many low ones weigh more than few."""

Harm = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class DefaultPreemption:
    """Candidates are looked for until there are `percentage` of the nodes that may help, at least `absolute`."""

    percentage: int = 10
    absolute: int = 100
    NAME = "DefaultPreemption"

    def wanted(self, nodes: int) -> int:
        """How many candidates are enough."""
        return min(nodes, max(nodes * self.percentage // 100, self.absolute))


def importance(tenant: Tenant) -> tuple[int, str]:
    """The lowest is spared first: the highest priority, then the earliest start."""
    return -tenant.priority, start(tenant)


def harm(victims: Sequence[Tenant], violations: int) -> Harm:
    """The lower, the better: budgets broken, the most important victim, the sum of priorities, their number."""
    return violations, victims[0].priority, sum(each.priority + _OFFSET for each in victims), len(victims)


def youth(victims: Sequence[Tenant]) -> str:
    """Of nodes that lose alike, the later the better: when the first of the most important victims started."""
    return min(start(each) for each in victims if each.priority == victims[0].priority)


def start(tenant: Tenant) -> str:
    return tenant.pod.status.startTime or _LATE
