"""DefaultPreemption: which pods have to leave which node so that a more important one can have it. Pure.

Of each node that could help, all less important pods are taken off, then as many put back as fit beside the pod, those
whose budget would break first, the most important first. Of the nodes the one is chosen that breaks the fewest budgets,
then loses the least important pods, then the least in sum, then the fewest, then the youngest. `loop` calls this when a
pod fits nowhere. Answers to plugins/defaultpreemption and framework/preemption/preemption.go.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler import trial
from understudy.scheduler.budgets import Budgets
from understudy.scheduler.cache import Cache, Tenant
from understudy.scheduler.columns import Columns
from understudy.scheduler.diagnosis import NO_VICTIMS, NOT_HELPFUL, Diagnosis, histogram, no_node
from understudy.scheduler.kinds import Pod
from understudy.scheduler.nominations import Nominations, Nominee
from understudy.scheduler.plugins.default_preemption import Harm, harm, importance, youth
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.trial import Trial
from understudy.values import conditions

DISRUPTION = "DisruptionTarget"
BY_SCHEDULER = "PreemptionByScheduler"
TERMINATING = "not eligible due to a terminating pod on the nominated node."
KEPT = 128
KEPT_MEMORIES = 8
"""How many refusals are remembered, and for how many shapes what was found out about each node."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A node, and the pods that have to leave it, the most important first; `violations`: whose budget breaks.

    `harm`: the less, the better; of equals the later `youth`, when the first of the most important victims started.
    """

    node: str
    victims: tuple[Tenant, ...]
    violations: int
    harm: Harm
    youth: str


Refusal = str
_State = tuple[object, ...]
_Said = Plan | Sequence[str]


@dataclass(slots=True)
class _Memory:
    """What was found out for one shape and priority, by row, with the rivals there were; and up to which changes."""

    seen: tuple[int, int, int]
    rows: dict[int, tuple[list[str], _Said]] = field(default_factory=dict)


class Preemption:
    """Plans on what others keep. What was found out about a node is remembered until something changes there.

    But not for pods that want something of others: for those a change anywhere may matter.
    """

    def __init__(self, columns: Columns, cache: Cache, nominations: Nominations, budgets: Budgets) -> None:
        self._columns = columns
        self._cache = cache
        self._nominations = nominations
        self._budgets = budgets
        self._refused: OrderedDict[_State, Refusal] = OrderedDict()
        self._memories: OrderedDict[tuple[Shape, int], _Memory] = OrderedDict()

    def pointless(self, info: PodInfo) -> bool:
        """Whether there is nobody less important on any node."""
        return not any(priority < info.priority for priority in self._cache.priorities)

    def plan(self, info: PodInfo, diagnosis: Diagnosis, draw: float) -> Plan | Refusal:
        """Who has to leave, or what upstream says if that does not help; a draw in [0, 1) says where to begin."""
        found = self.candidates(info, diagnosis, draw)
        return self.best(found) if isinstance(found, list) else found

    def candidates(self, info: PodInfo, diagnosis: Diagnosis, draw: float) -> list[Plan] | Refusal:
        """What could be done, on enough nodes to choose from; else what upstream says."""
        if self._leaving(info, diagnosis):
            return TERMINATING
        state = self._state(info)
        if (refused := self._refused.get(state)) is not None:
            return refused
        found, reasons = self._candidates(info, diagnosis.hopeful, draw)
        if found:
            return found
        reasons[NOT_HELPFUL] += self._columns.count - len(diagnosis.hopeful)
        refused = self._refused[state] = f"{no_node(self._columns.count)} {histogram(reasons)}."
        if len(self._refused) > KEPT:
            self._refused.popitem(last=False)
        return refused

    @staticmethod
    def best(plans: list[Plan]) -> Plan:
        """The one that does the least harm."""
        least = min(each.harm for each in plans)
        return max((each for each in plans if each.harm == least), key=lambda plan: plan.youth)

    @staticmethod
    def planned(node: str, victims: Sequence[Tenant], violations: int) -> Plan:
        """That these leave that node."""
        ordered = sorted(victims, key=importance)
        return Plan(node, tuple(ordered), violations, harm(ordered, violations), youth(ordered))

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
        by = info.shape.asked.profile.preemption
        wanted = by.wanted(len(rows)) if by is not None else 0
        memory = self._memory(info)
        clean, broken, reasons = list[Plan](), list[Plan](), Counter[str]()
        for row in np.roll(rows, -int(draw * len(rows))).tolist():
            said = self._said(info, row, memory)
            if isinstance(said, Plan):
                (broken if said.violations else clean).append(said)
            else:
                reasons.update(said)
            if clean and len(clean) + len(broken) >= wanted:
                break
        return clean + broken, reasons

    def _memory(self, info: PodInfo) -> _Memory:
        """What is still true of what was found out for such pods."""
        nodes, pods = self._columns.node_changes, self._cache.changes
        seen = (nodes.end, pods.end, self._budgets.version)
        if info.shape.asked.wide or info.shape.asked.versioned:
            return _Memory(seen)
        key = (info.shape, info.priority)
        memory = self._memories.pop(key, None) or _Memory(seen)
        changed = (nodes.since(memory.seen[0]), pods.since(memory.seen[1]))
        if changed[0] is None or changed[1] is None or memory.seen[2] != seen[2]:
            memory = _Memory(seen)
        else:
            for row in (*changed[0], *changed[1]):
                memory.rows.pop(row, None)
        memory.seen = seen
        self._memories[key] = memory
        if len(self._memories) > KEPT_MEMORIES:
            self._memories.popitem(last=False)
        return memory

    def _said(self, info: PodInfo, row: int, memory: _Memory) -> _Said:
        node = self._columns.names[row]
        rivals = self._nominations.rivals(info, node)
        there = [each.info.uid for each in rivals]
        known = memory.rows.get(row)
        if known is not None and known[0] == there:
            return known[1]
        said = self._victims(info, row, rivals)
        memory.rows[row] = (there, said)
        return said

    def _victims(self, info: PodInfo, row: int, rivals: list[Nominee]) -> _Said:
        """The least that has to leave the node of that row, or why that would not help."""
        node = self._columns.names[row]
        below = [each for each in self._cache.on(node) if each.priority < info.priority]
        if not below:
            return [NO_VICTIMS]
        on_trial = trial.begin(info.shape, self._columns, row, rivals)
        try:
            for each in below:
                on_trial.remove(each)
            if reasons := on_trial.reasons():
                return reasons
            below.sort(key=importance)
            violating, others = self._budgets.split(below)
            left, lost = _reprieve(on_trial, violating), _reprieve(on_trial, others)
        finally:
            on_trial.end()
        victims = (*left, *lost)
        return self.planned(node, victims, len(left)) if victims else [NOT_HELPFUL]

    def _state(self, info: PodInfo) -> _State:
        nodes, pods = self._columns.node_changes.end, self._cache.changes.end
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


def _leaves(pod: Pod) -> bool:
    found = conditions.find(pod.status.conditions, DISRUPTION)
    return pod.deleting and found is not None and found.status == "True" and found.reason == BY_SCHEDULER
