"""Where pods would go that are not there yet, and who would have to leave for them: decisions on a copy of a cluster.

`snapshot` makes the copy, `manifests` the pods, `cli` shows the answer. Each decided pod stays on its node for the next
ones, and who would have to leave is gone, as if it had all been done. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.kinds import Pod
from understudy.scheduler.preemption import Plan
from understudy.scheduler.shape import PodInfo
from understudy.scheduler.state import State

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one pod: `victims` would have to leave `node`."""

    pod: str
    node: str
    score: int | None
    message: str
    victims: tuple[str, ...] = ()

    def as_json(self) -> Json:
        said: Json = {"pod": self.pod, "node": self.node or None, "message": self.message}
        if self.score is not None:
            said["score"] = self.score
        return {**said, "victims": list(self.victims)} if self.victims else said


def simulate(state: State, wanted: Iterable[Pod], draws: Random) -> list[Outcome]:
    """Decide on all of them, the most important first; in the order they were given."""
    given = list(wanted)
    said: dict[int, Outcome] = {}
    for at in sorted(range(len(given)), key=lambda at: -given[at].spec.priority):
        said[at] = _one(state, given[at], draws)
    return [said[at] for at in range(len(given))]


def _one(state: State, pod: Pod, draws: Random) -> Outcome:
    name = str(pod.key)
    if not state.profiles.serves(pod.spec.schedulerName):
        return Outcome(name, "", None, f"no scheduler of ours is named {pod.spec.schedulerName}")
    gate = state.profiles.of(pod.spec.schedulerName).gate(pod)
    if gate is not None:
        return Outcome(name, "", None, gate.why)
    info = state.shapes.describe(pod)
    said = state.cycle.choose(info, draws.random())
    if isinstance(said, Placement):
        _assume(state, info, said.node)
        among = "" if said.equals == 1 else f"one of the {said.equals} best"
        return Outcome(name, said.node, said.score, among)
    return _preempt(state, info, said, draws)


def _preempt(state: State, info: PodInfo, said: Diagnosis, draws: Random) -> Outcome:
    name = str(info.key)
    if info.shape.asked.profile.preemption is None or info.pod.spec.preemptionPolicy == "Never":
        return Outcome(name, "", None, said.message)
    if not len(said.hopeful) or state.preemption.pointless(info):
        return Outcome(name, "", None, said.message)
    plan = state.preemption.plan(info, said, draws.random())
    if not isinstance(plan, Plan):
        return Outcome(name, "", None, said.refused(plan).message)
    for victim in plan.victims:
        state.cache.drop(victim.pod.uid)
    _assume(state, info, plan.node)
    broken = f", breaking {plan.violations} disruption budgets" if plan.violations else ""
    victims = tuple(str(each.pod.key) for each in plan.victims)
    return Outcome(name, plan.node, None, f"{len(victims)} would have to leave{broken}", victims)


def _assume(state: State, info: PodInfo, node: str) -> None:
    state.cache.assume(info.pod, info.shape.usage, info.badge, node)
