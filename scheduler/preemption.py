"""DefaultPreemption: which pods have to leave which node so that a more important one can have it. Pure.

Of each node that could help, all less important pods are taken off, then as many put back as fit beside the pod, those
whose budget would break first, the most important first. Of the nodes the one is chosen that breaks the fewest budgets,
then loses the least important pods, then the least in sum, then the fewest, then the youngest. `loop` calls this when a
pod fits nowhere. Answers to plugins/defaultpreemption and framework/preemption/preemption.go.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler import trial
from understudy.scheduler.budgets import Budgets
from understudy.scheduler.cache import Cache, Tenant
from understudy.scheduler.columns import Columns
from understudy.scheduler.diagnosis import NO_VICTIMS, NOT_HELPFUL, Diagnosis, histogram, no_node
from understudy.scheduler.kinds import Pod
from understudy.scheduler.nominations import Nominations
from understudy.scheduler.shape import PodInfo
from understudy.scheduler.trial import Trial
from understudy.values import conditions

DISRUPTION = "DisruptionTarget"
BY_SCHEDULER = "PreemptionByScheduler"
TERMINATING = "not eligible due to a terminating pod on the nominated node."
LEAST_SHARE = 10
LEAST_NODES = 100
"""How many candidates are looked for: so many percent of the nodes that may help, at least so many."""
KEPT = 128

_LATE = "~"
"""The start of a pod that has not started, as text: after all others."""
_OFFSET = 2**31
"""Added to priorities before they are summed: many low ones weigh more than few."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A node, and the pods that have to leave it, the most important first; `violations`: whose budget breaks."""

    node: str
    victims: tuple[Tenant, ...]
    violations: int = 0


Refusal = str
_State = tuple[object, ...]


class Preemption:
    """Plans on what others keep. That nothing helps is remembered until something changes."""

    def __init__(self, columns: Columns, cache: Cache, nominations: Nominations, budgets: Budgets) -> None:
        self._columns = columns
        self._cache = cache
        self._nominations = nominations
        self._budgets = budgets
        self._refused: OrderedDict[_State, Refusal] = OrderedDict()

    def pointless(self, info: PodInfo) -> bool:
        """Whether there is nobody less important on any node."""
        return not any(priority < info.priority for priority in self._cache.priorities)

    def plan(self, info: PodInfo, diagnosis: Diagnosis, draw: float) -> Plan | Refusal:
        """Who has to leave, or what upstream says if that does not help; a draw in [0, 1) says where to begin."""
        if self._leaving(info, diagnosis):
            return TERMINATING
        state = self._state(info)
        if (refused := self._refused.get(state)) is not None:
            return refused
        found, reasons = self._candidates(info, diagnosis.hopeful, draw)
        if found:
            return _best(found)
        reasons[NOT_HELPFUL] += self._columns.count - len(diagnosis.hopeful)
        refused = self._refused[state] = f"{no_node(self._columns.count)} {histogram(reasons)}."
        if len(self._refused) > KEPT:
            self._refused.popitem(last=False)
        return refused

    def _leaving(self, info: PodInfo, diagnosis: Diagnosis) -> bool:
        """Whether pods that have to leave for this one are still on their way."""
        node = self._nominations.node_of(info.uid)
        row = None if node is None else self._columns.row_of.get(node)
        if node is None or row is None or row not in diagnosis.hopeful:
            return False
        there = self._cache.on(node)
        return any(each.priority < info.priority and _leaves(each.pod) for each in there)

    def _candidates(self, info: PodInfo, rows: NDArray[np.intp], draw: float) -> tuple[list[Plan], Counter[str]]:
        """Enough nodes that would do; if there are none, why not, counted over all."""
        wanted = min(len(rows), max(len(rows) * LEAST_SHARE // 100, LEAST_NODES))
        clean, broken, reasons = list[Plan](), list[Plan](), Counter[str]()
        for row in np.roll(rows, -int(draw * len(rows))).tolist():
            said = self._victims(info, row)
            if isinstance(said, Plan):
                (broken if said.violations else clean).append(said)
            else:
                reasons.update(said)
            if clean and len(clean) + len(broken) >= wanted:
                break
        return clean + broken, reasons

    def _victims(self, info: PodInfo, row: int) -> Plan | Sequence[str]:
        """The least that has to leave the node of that row, or why that would not help."""
        node = self._columns.names[row]
        below = [each for each in self._cache.on(node) if each.priority < info.priority]
        if not below:
            return [NO_VICTIMS]
        rivals = [each for each in self._nominations.on(node) if _rival(each.info, info)]
        on_trial = trial.begin(info.shape, self._columns, row, rivals)
        try:
            for each in below:
                on_trial.remove(each)
            if reasons := on_trial.reasons():
                return reasons
            below.sort(key=_importance)
            violating, others = self._budgets.split(below)
            left, lost = _reprieve(on_trial, violating), _reprieve(on_trial, others)
        finally:
            on_trial.end()
        victims = sorted((*left, *lost), key=_importance)
        return Plan(node, tuple(victims), len(left)) if victims else [NOT_HELPFUL]

    def _state(self, info: PodInfo) -> _State:
        nodes, pods = self._columns.node_changes.end, self._cache.version
        return info.shape, info.priority, nodes, pods, self._nominations.version, self._budgets.version


def _reprieve(on_trial: Trial, tenants: list[Tenant]) -> list[Tenant]:
    """Put back whom there is room for beside the pod; the others."""
    victims = []
    for each in tenants:
        on_trial.add(each)
        if on_trial.reasons():
            on_trial.remove(each)
            victims.append(each)
    return victims


def _best(plans: list[Plan]) -> Plan:
    lowest = min(map(_harm, plans))
    return max((each for each in plans if _harm(each) == lowest), key=_youth)


def _harm(plan: Plan) -> tuple[int, int, int, int]:
    total = sum(each.priority + _OFFSET for each in plan.victims)
    return plan.violations, plan.victims[0].priority, total, len(plan.victims)


def _youth(plan: Plan) -> str:
    """When the first of the most important victims started; later is better."""
    top = plan.victims[0].priority
    return min(_start(each) for each in plan.victims if each.priority == top)


def _importance(tenant: Tenant) -> tuple[int, str]:
    return -tenant.priority, _start(tenant)


def _start(tenant: Tenant) -> str:
    return tenant.pod.status.startTime or _LATE


def _rival(one: PodInfo, other: PodInfo) -> bool:
    return one.priority >= other.priority and one.uid != other.uid


def _leaves(pod: Pod) -> bool:
    found = conditions.find(pod.status.conditions, DISRUPTION)
    return pod.deleting and found is not None and found.status == "True" and found.reason == BY_SCHEDULER
