"""How many Pods there should be under a budget, and how many of them must stay healthy.

Called by the controller's decision. Answers to getExpectedPodCount and getExpectedScale in
pkg/controller/disruption/disruption.go.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.kinds.core import Pod
from understudy.kinds.meta import controller_of
from understudy.kinds.policy import PodDisruptionBudget
from understudy.operators.disruption.errors import NotCountable
from understudy.operators.disruption.scale import wanted_by
from understudy.plan.steps import Step
from understudy.state.view import View
from understudy.values import intstr


@dataclass(frozen=True, slots=True)
class Expected:
    """`unmanaged` are the names of Pods that no controller owns, where the number depends on controllers."""

    pods: int
    healthy: int
    unmanaged: Sequence[str] = ()


def expect(pdb: PodDisruptionBudget, pods: Sequence[Pod], view: View) -> Generator[Step, Any, Expected]:
    """What the budget asks for. Raises NotCountable, ApiError."""
    most, least = pdb.spec.maxUnavailable, pdb.spec.minAvailable
    if most is not None:
        total, unmanaged = yield from _total(pods, view)
        return Expected(total, max(0, total - _share(most, total)), unmanaged)
    if isinstance(least, str):
        total, unmanaged = yield from _total(pods, view)
        return Expected(total, _share(least, total), unmanaged)
    return Expected(0, 0) if least is None else Expected(len(pods), least)


def _share(value: int | str, total: int) -> int:
    try:
        return intstr.scaled(value, total, round_up=True)
    except ValueError as error:
        raise NotCountable(str(error)) from None


def _total(pods: Iterable[Pod], view: View) -> Generator[Step, Any, tuple[int, Sequence[str]]]:
    """What all the controllers of these Pods want together, and the names of the Pods that have none."""
    scales: dict[str, int] = {}
    asked: set[str] = set()
    unmanaged = []
    for pod in pods:
        reference = controller_of(pod)
        if reference is None:
            unmanaged.append(pod.name)
        elif reference.uid not in asked:
            asked.add(reference.uid)
            wanted = yield from wanted_by(reference, pod.namespace, view)
            if wanted is None:
                raise NotCountable(f'found no controllers for pod "{pod.name}"')
            scales[wanted.uid] = wanted.replicas
    return sum(scales.values()), unmanaged
