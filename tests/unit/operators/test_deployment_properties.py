"""Whatever users and pods do, and in whatever order the news of it arrives: the promises of a rolling update hold.

A Deployment is decided about amid random changes of its template, size, limits and pause, with ReplicaSets whose
controller counts, makes and removes pods whenever it pleases. Checked after every single write.
"""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, of, run
from tests.unit.operators.deployments import current, deployment, edit, progressing, report, seen, template
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment, ReplicaSet
from understudy.operators.deployment import decide
from understudy.operators.deployment.annotations import REVISION
from understudy.operators.deployment.fenceposts import fenceposts
from understudy.operators.deployment.rollout import Rollout, asked
from understudy.operators.deployment.scaling import is_scaled
from understudy.plan.steps import Create, Step

LIMITS = st.sampled_from([0, 1, 3, "25%", "60%"])
MOVES = st.one_of(
    st.just(("decide",)),
    *[st.tuples(st.just("turn"), st.integers(0, 6))] * 4,
    st.tuples(st.just("count"), st.integers(0, 4)),
    st.tuples(st.just("ready"), st.integers(0, 4), st.integers(1, 5)),
    st.tuples(st.just("break"), st.integers(0, 4), st.integers(1, 3)),
    st.tuples(st.just("image"), st.sampled_from(["web:1", "web:2", "web:3"])),
    st.tuples(st.just("size"), st.integers(0, 12)),
    st.tuples(st.just("limits"), LIMITS, LIMITS),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("strategy"), st.sampled_from(["Recreate", "RollingUpdate"])),
)


class World:
    """A Deployment, its ReplicaSets, and how many pods these really have and how many of those are available."""

    def __init__(self, web: Deployment) -> None:
        self.view = seen(web)
        self.now = NOW
        self.pods: dict[str, tuple[int, int]] = {}
        self.revision = 0

    @property
    def replica_sets(self) -> list[ReplicaSet]:
        return sorted(self.view.all(REPLICA_SETS), key=lambda each: each.name)

    def do(self, move: tuple[Any, ...]) -> None:
        what, *values = move
        getattr(self, f"do_{what}")(*values)

    # Users

    def spec(self, **changes: Any) -> None:
        edit(self.view, DEPLOYMENTS, current(self.view), {"spec": changes})

    def do_image(self, image: str) -> None:
        self.spec(template=template(image))

    def do_size(self, replicas: int) -> None:
        self.spec(replicas=replicas)

    def do_limits(self, surge: int | str, unavailable: int | str) -> None:
        self.spec(strategy={"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})

    def do_pause(self, paused: bool) -> None:
        self.spec(paused=paused)

    def do_strategy(self, strategy: str) -> None:
        self.spec(strategy={"type": strategy})

    # Pods

    def nth(self, number: int) -> ReplicaSet | None:
        return self.replica_sets[number] if number < len(self.replica_sets) else None

    def do_count(self, number: int) -> None:
        """The ReplicaSet controller runs: makes or removes pods, unavailable ones first, and reports."""
        found = self.nth(number)
        if found is not None:
            _, available = self.pods.get(found.name, (0, 0))
            self.pods[found.name] = (found.spec.replicas, min(available, found.spec.replicas))
            report(self.view, found, *self.pods[found.name])

    def do_ready(self, number: int, count: int) -> None:
        found = self.nth(number)
        if found is not None:
            actual, available = self.pods.get(found.name, (0, 0))
            self.pods[found.name] = (actual, min(actual, available + count))

    def do_break(self, number: int, count: int) -> None:
        self.do_ready(number, 0)
        found = self.nth(number)
        if found is not None:
            actual, available = self.pods[found.name]
            self.pods[found.name] = (actual, max(0, available - count))

    def do_turn(self, ready: int) -> None:
        """All is well for a moment: everybody does what they have to, and some pods become available."""
        self.do_decide()
        for number in range(len(self.replica_sets)):
            self.do_count(number)
            self.do_ready(number, ready)
            self.do_count(number)

    # The controller

    def do_decide(self) -> None:
        self.now += timedelta(seconds=1)
        web = current(self.view)
        before = Rollout.of(web, self.replica_sets, self.now)
        watcher = Watcher(self, before)
        steps = run(decide(web, self.view, self.now), self.view, watcher.check)
        watcher.check(None)
        if web.spec.paused:
            assert not of(steps, Create), "a paused Deployment starts no rollout"
        told = int(current(self.view).metadata.annotations.get(REVISION, "0"))
        assert told >= self.revision, "revisions only grow"
        self.revision = told

    def settle(self) -> None:
        """Nobody interferes any more and all pods become available."""
        self.do_pause(False)
        for _ in range(80):
            before = self.revisions()
            self.do_turn(100)
            if before == self.revisions():
                return
        raise AssertionError("the rollout never ends")

    def revisions(self) -> list[int]:
        return [each.revision for each in (current(self.view), *self.replica_sets)]


class Watcher:
    """Checks the promises between the writes of one decision."""

    def __init__(self, world: World, before: Rollout) -> None:
        self.world = world
        self.most = max(asked(before.every), before.most)
        rolls = not before.deployment.spec.paused and not is_scaled(before)
        self.least = min(self.available(), before.least) if rolls and before.limits != (0, 0) else 0

    def available(self) -> int:
        """How many pods that are available by the last report will not be removed."""
        held = self.world.replica_sets
        return sum(min(each.status.availableReplicas, each.spec.replicas) for each in held)

    def check(self, _: Step | None) -> None:
        assert asked(self.world.replica_sets) <= self.most, "too many pods"
        assert self.available() >= self.least, "too few available pods, and we took them"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, max_size=40), st.integers(0, 12), LIMITS, LIMITS)
def test_a_rollout_keeps_its_promises_and_ends(
    moves: list[tuple[Any, ...]], replicas: int, surge: int | str, unavailable: int | str
) -> None:
    world = World(deployment(replicas, surge=surge, unavailable=unavailable))
    for move in moves:
        world.do(move)
    world.settle()
    web = current(world.view)
    (new,) = (each for each in world.replica_sets if each.spec.replicas or _is_new(web, each))
    assert _is_new(web, new)
    assert new.spec.replicas == new.status.availableReplicas == web.spec.replicas
    assert web.status.updatedReplicas == web.status.replicas == web.spec.replicas
    assert web.status.observedGeneration == web.metadata.generation
    assert new.metadata.annotations[REVISION] == web.metadata.annotations[REVISION]
    revisions = [int(each.metadata.annotations[REVISION]) for each in world.replica_sets]
    assert len(set(revisions)) == len(revisions)
    assert max(revisions) == int(web.metadata.annotations[REVISION])
    assert progressing(world.view)[:2] == ("True", "NewReplicaSetAvailable")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), LIMITS, LIMITS, st.lists(st.integers(1, 4), min_size=1, max_size=10))
def test_an_undisturbed_rollout_never_has_too_few_pods(
    replicas: int, surge: int | str, unavailable: int | str, pace: list[int]
) -> None:
    """By the pods themselves, not by reports, with news of them arriving late."""
    world = World(deployment(replicas, image="web:1", surge=surge, unavailable=unavailable))
    world.settle()
    least = replicas - fenceposts(current(world.view).spec).unavailable
    world.do_image("web:2")
    for turn in range(60):
        for _ in range(pace[turn % len(pace)]):
            world.do_decide()
        for number in range(len(world.replica_sets)):
            if (turn + number) % 2:
                world.do_count(number)
            world.do_ready(number, pace[turn % len(pace)])
        assert sum(available for _, available in world.pods.values()) >= least


def _is_new(web: Deployment, each: ReplicaSet) -> bool:
    return bool(each.spec.template["spec"] == web.spec.template["spec"])
