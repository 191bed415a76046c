"""The policy group's kinds, as far as the controllers read them (k8s.io/api policy/v1/types.go)."""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class PodDisruptionBudgetSpec(Struct, gc=False):
    selector: dict[str, Any] | None = None
    minAvailable: int | str | None = None
    maxUnavailable: int | str | None = None


class PodDisruptionBudgetStatus(Struct, gc=False):
    observedGeneration: int = 0
    disruptedPods: dict[str, str] | None = None
    disruptionsAllowed: int = 0
    currentHealthy: int = 0
    desiredHealthy: int = 0
    expectedPods: int = 0
    conditions: list[Condition] | None = None


class PodDisruptionBudget(Obj, gc=False):
    spec: PodDisruptionBudgetSpec = field(default_factory=PodDisruptionBudgetSpec)
    status: PodDisruptionBudgetStatus = field(default_factory=PodDisruptionBudgetStatus)


POD_DISRUPTION_BUDGETS = Kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", PodDisruptionBudget)
