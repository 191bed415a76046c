"""PodDisruptionBudgets, as far as choosing victims goes: which pods may be deleted without breaking one.

`component` feeds it, `preemption` asks. Answers to `filterPodsWithPDBViolation` in
plugins/defaultpreemption/default_preemption.go.
"""

from collections.abc import Iterable

from understudy.kinds.meta import Key
from understudy.scheduler import terms
from understudy.scheduler.cache import Tenant
from understudy.scheduler.kinds import Budget, Pod
from understudy.values.selector import Selector


class Budgets:
    """`version` moves with every change."""

    def __init__(self) -> None:
        self.version = 0
        self._known: dict[Key, tuple[Budget, Selector]] = {}

    def saw(self, new: Budget | None, old: Budget | None) -> None:
        """A budget came, changed or went."""
        self.version += 1
        if new is not None:
            self._known[new.key] = (new, terms.read(new.spec.selector))
        elif old is not None:
            self._known.pop(old.key, None)

    def split(self, tenants: Iterable[Tenant]) -> tuple[list[Tenant], list[Tenant]]:
        """Those whose deletion would break a budget if all before them were deleted, and the others; order is kept."""
        allowed = {key: budget.status.disruptionsAllowed for key, (budget, _) in self._known.items()}
        violating, others = list[Tenant](), list[Tenant]()
        for tenant in tenants:
            broken = False
            for key in self._about(tenant.pod):
                allowed[key] -= 1
                broken |= allowed[key] < 0
            (violating if broken else others).append(tenant)
        return violating, others

    def _about(self, pod: Pod) -> list[Key]:
        """The budgets that select the pod and have not let it go already; an empty selector selects nothing here."""
        if not pod.metadata.labels:
            return []
        return [
            key
            for key, (budget, picks) in self._known.items()
            if key.namespace == pod.namespace
            and not picks.is_everything()
            and picks.matches(pod.metadata.labels)
            and pod.name not in (budget.status.disruptedPods or {})
        ]
