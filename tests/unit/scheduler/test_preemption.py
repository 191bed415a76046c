"""Preemption: plans equal those of a slow reference, and the single rules by which a node is chosen."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler import reference
from tests.unit.scheduler.builders import Json, container, node, pod
from tests.unit.scheduler.test_wide import HOST, ZONE, Both, anti_affinity
from understudy.scheduler.budgets import Budgets
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.kinds import Budget, Pod
from understudy.scheduler.nominations import Nominations
from understudy.scheduler.preemption import TERMINATING, Plan, Preemption
from understudy.scheduler.shape import PodInfo

NAMES = ["node-0", "node-1", "node-2"]
LEAVING = {
    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
}


def budget(allowed: int, name: str = "pdb", app: str = "web", disrupted: Iterable[str] = (), **more: Any) -> Budget:
    selector = more.get("selector", {"matchLabels": {"app": app}})
    body = {
        "metadata": {"name": name, "namespace": more.get("namespace", "default"), "uid": name},
        "spec": {"selector": selector},
        "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, "2026-01-01T00:00:00Z")},
    }
    return msgspec.convert(body, Budget)


def lesser(name: str, priority: int, cpu: str = "1", *, app: str = "web", start: int | None = 0, **spec: Any) -> Pod:
    """A pod that may have to leave, started so many minutes after midnight."""
    status = {} if start is None else {"startTime": f"2026-01-01T00:{start:02}:00Z"}
    return pod(name, container(cpu), status=status, meta={"labels": {"app": app}}, priority=priority, **spec)


class Stage(Both):
    """Nodes of 4 cpus, or as they are given."""

    def __init__(self, *nodes: Any) -> None:
        labels = [{HOST: name, ZONE: "aab"[at]} for at, name in enumerate(NAMES)]
        super().__init__(*(nodes or (node(name, cpu="4", labels=labels[at]) for at, name in enumerate(NAMES))))
        self.nominations = Nominations()
        self.budgets = Budgets()
        self.preemption = Preemption(self.columns, self.cache, self.nominations, self.budgets)

    def wanting(self, cpu: str = "4", priority: int = 100, **spec: Any) -> PodInfo:
        meta = {"labels": spec.pop("labels", {"app": "new"})}
        return self.shapes.describe(pod("new", container(cpu), meta=meta, priority=priority, **spec))

    def plan(self, info: PodInfo, draw: float = 0.0) -> Plan | str:
        diagnosis = self.cycle.pick(info.shape, 0.0)
        assert isinstance(diagnosis, Diagnosis), "it fits as it is"
        return self.preemption.plan(info, diagnosis, draw)

    def chosen(self, info: PodInfo) -> tuple[str, list[str]]:
        found = self.plan(info)
        assert isinstance(found, Plan), found
        return found.node, [each.pod.name for each in found.victims]


# The reference: as kube-scheduler goes about it, one node and one pod after the other


def fits(stage: Stage, info: PodInfo, name: str, there: list[Pod]) -> bool:
    world = stage.crowd.world
    kept, world.pods[name] = world.pods.get(name, []), there
    found = world.views()[name]
    reasons = reference.reasons(info.shape, found)
    reasons = reasons or reference.spread_reasons(info.pod, info.shape, found.node, world)
    reasons = reasons or reference.affinity_reasons(info.pod, found.node, stage.crowd)
    world.pods[name] = kept
    return not reasons


def importance(one: Pod) -> tuple[int, str]:
    return -one.spec.priority, one.status.startTime or "~"


def reference_victims(stage: Stage, info: PodInfo, name: str, allowed: int | None) -> tuple[list[Pod], int] | None:
    there = stage.crowd.world.pods.get(name, [])
    stay = [each for each in there if each.spec.priority >= info.priority]
    below = sorted((each for each in there if each.spec.priority < info.priority), key=importance)
    if not below or not fits(stage, info, name, stay):
        return None
    protected = [each for each in below if allowed is not None and each.metadata.labels.get("app") == "web"]
    violating = protected[allowed:] if allowed is not None else []
    victims, violations = list[Pod](), 0
    for each in violating + [one for one in below if one not in violating]:
        if fits(stage, info, name, [*stay, each]):
            stay.append(each)
        else:
            victims.append(each)
            violations += each in violating
    return sorted(victims, key=importance), violations


def harm(victims: list[Pod], violations: int) -> tuple[int, ...]:
    priorities = [each.spec.priority for each in victims]
    return violations, max(priorities), sum(each + 2**31 for each in priorities), len(victims)


def youth(victims: list[Pod]) -> str:
    top = max(each.spec.priority for each in victims)
    return min(each.status.startTime or "~" for each in victims if each.spec.priority == top)


lessers = st.builds(
    lesser,
    st.integers(0, 10**9).map(lambda number: f"p-{number}"),
    st.sampled_from([-5, 0, 0, 50, 100, 200]),
    st.sampled_from(["1", "1500m", "2"]),
    app=st.sampled_from(["web", "db"]),
    start=st.one_of(st.none(), st.integers(0, 59)),
)
wanted: st.SearchStrategy[Json] = st.sampled_from(
    [
        {"cpu": "4"},
        {"cpu": "2500m"},
        {"cpu": "3", "priority": 50},
        {"cpu": "1", "affinity": anti_affinity(HOST, app="db")},
        {"cpu": "1", "affinity": anti_affinity(ZONE, app="web")},
        {
            "cpu": "1",
            "labels": {"app": "db"},
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": ZONE,
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchLabels": {"app": "db"}},
                }
            ],
        },
    ]
)


@given(
    st.lists(st.tuples(lessers, st.sampled_from(NAMES)), max_size=9),
    wanted,
    st.sampled_from([None, 0, 1]),
    st.floats(0, 0.99),
)
def test_plans_equal_the_reference(there: list[tuple[Pod, str]], wish: Json, allowed: int | None, draw: float) -> None:
    stage = Stage()
    for one, name in there:
        stage.add(one, name)
    if allowed is not None:
        stage.budgets.saw(budget(allowed), None)
    info = stage.wanting(**wish)
    diagnosis = stage.cycle.pick(info.shape, 0.0)
    if not isinstance(diagnosis, Diagnosis):
        return
    said = stage.preemption.plan(info, diagnosis, draw)
    again = stage.preemption.plan(info, diagnosis, draw)
    expected = {}
    for row in diagnosis.hopeful.tolist():
        name = stage.columns.names[row]
        if (found := reference_victims(stage, info, name, allowed)) is not None:
            expected[name] = found

    assert stage.cycle.pick(info.shape, 0.0) == diagnosis, "trials leave no trace"
    if not expected:
        assert isinstance(said, str)
        assert again == said
        return
    assert isinstance(said, Plan)
    victims, violations = expected[said.node]
    assert ([each.pod.uid for each in said.victims], said.violations) == ([each.uid for each in victims], violations)
    least = min(harm(*each) for each in expected.values())
    equals = [each for each, number in expected.values() if harm(each, number) == least]
    assert harm(victims, violations) == least
    assert youth(victims) == max(map(youth, equals))


# Single rules


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([lesser("a", 5)], [lesser("b", 9)]),
        ([lesser("a", 5), lesser("b", 1)], [lesser("c", 6)]),
        ([lesser("a", 5, "2"), lesser("b", 1, "2")], [lesser("c", 5, "2"), lesser("d", 2, "2")]),
        ([lesser("a", -5, "4")], [lesser("b", -5, "2"), lesser("c", -5, "2")]),
        ([lesser("a", 5, start=30)], [lesser("b", 5, start=20)]),
        ([lesser("a", 5, start=None)], [lesser("b", 5, start=20)]),
        ([lesser("a", 9, app="free")], [lesser("b", 5)]),
    ],
    ids=["lowest", "lowest of the most important", "least in sum", "fewest", "youngest", "not started", "no budget"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_which_node_is_chosen(one: list[Pod], other: list[Pod], swapped: bool) -> None:
    stage = Stage(*(node(name, cpu="4") for name in NAMES[:2]))
    stage.budgets.saw(budget(0), None) if one[0].metadata.labels["app"] == "free" else None
    for name, pods in zip(NAMES, (other, one) if swapped else (one, other), strict=False):
        for each in pods:
            stage.add(each, name)
    chosen, victims = stage.chosen(stage.wanting("4"))

    assert chosen == NAMES[swapped]
    assert victims == [each.name for each in one]


def test_as_many_as_fit_stay_the_most_important_first_those_with_a_budget_before_others() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.budgets.saw(budget(0, app="db"), None)
    for name, priority, app in (("a", 9, "web"), ("b", 5, "web"), ("c", 1, "db"), ("d", 2, "db")):
        stage.add(lesser(name, priority, app=app), "node-0")

    assert stage.chosen(stage.wanting("2")) == ("node-0", ["a", "b"])
    assert stage.chosen(stage.wanting("1")) == ("node-0", ["b"])
    found = stage.plan(stage.wanting("3"))
    assert isinstance(found, Plan)
    assert ([each.pod.name for each in found.victims], found.violations) == (["a", "b", "c"], 1)


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        (budget(1), ["b", "c"]),
        (budget(3), []),
        (budget(0, disrupted=["a", "b"]), ["c"]),
        (budget(0, selector={}), []),
        (budget(0, selector=None), []),
        (budget(0, namespace="other"), []),
        (budget(0, app="db"), []),
    ],
)
def test_whose_deletion_breaks_a_budget(found: Budget, broken: list[str]) -> None:
    stage = Stage(node("node-0", cpu="4"))
    for name in "abc":
        stage.place(lesser(name, 0), "node-0")
    stage.budgets.saw(found, None)
    violating, others = stage.budgets.split(stage.cache.on("node-0"))

    assert [each.pod.name for each in violating] == broken
    assert len(violating) + len(others) == 3
    stage.budgets.saw(None, found)
    assert stage.budgets.split(stage.cache.on("node-0"))[0] == []


def test_a_port_that_two_pods_have_taken_is_free_when_both_have_left() -> None:
    """Somebody else than a scheduler put them on one node."""
    stage = Stage(node("node-0"))
    taking = container("1", ports=[{"hostPort": 80}])
    for number in range(2):
        stage.place(pod(f"twin-{number}", taking, node_name="node-0", priority=0), "node-0")

    assert stage.chosen(stage.wanting("1", containers=[taking])) == ("node-0", ["twin-0", "twin-1"])


def test_pods_nominated_for_the_node_are_counted_unless_less_important() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "3"), "node-0")
    rival = stage.shapes.describe(lesser("rival", 100, "3"))
    stage.nominations.set(rival, "node-0")

    said = stage.plan(stage.wanting("2"))
    assert said == "0/1 nodes are available: 1 Insufficient cpu."
    assert stage.chosen(stage.wanting("2", priority=101)) == ("node-0", ["low"])


def test_nobody_leaves_for_a_pod_whose_friend_is_only_nominated() -> None:
    stage = Stage(node("node-0", labels={HOST: "node-0"}))
    stage.add(lesser("low", 1, "4"), "node-0")
    friend = stage.shapes.describe(lesser("friend", 100, "1", app="friend"))
    stage.nominations.set(friend, "node-0")
    near = {"podAffinity": anti_affinity(HOST, app="friend")["podAntiAffinity"]}

    alone = stage.plan(stage.wanting("1", affinity=near))
    assert alone == "0/1 nodes are available: 1 node(s) didn't match pod affinity rules."
    stage.add(lesser("there", 100, "0", app="friend"), "node-0")
    assert stage.chosen(stage.wanting("1", affinity=near)) == ("node-0", ["low"])


def test_what_was_said_is_remembered_until_something_changes() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "1"), "node-0")
    stage.add(lesser("equal", 100, "3"), "node-0")
    info = stage.wanting("4")
    assert stage.plan(info) == "0/1 nodes are available: 1 Insufficient cpu."

    stage.change("drop", ("node-0", 1))
    assert stage.chosen(info) == ("node-0", ["low"])


def test_nobody_else_leaves_while_pods_leave_the_nominated_node() -> None:
    stage = Stage()
    meta = {"labels": {"app": "web"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    leaving = pod("leaving", container("4"), meta=meta, status=LEAVING, priority=1)
    stage.place(leaving, "node-0")
    for name in NAMES[1:]:
        stage.add(lesser("low", 0, "4"), name)
    info = stage.wanting("4")
    stage.nominations.set(info, "node-0")
    assert stage.plan(info) == TERMINATING

    stage.change("node", node("node-0", cpu="4", unschedulable=True))
    assert stage.chosen(info)[0] != "node-0"


def test_the_nominated_node_is_taken_if_it_will_do_and_left_to_the_nominated() -> None:
    stage = Stage()
    stage.cycle._nominations = stage.nominations
    info = stage.wanting("3")
    stage.nominations.set(info, "node-2")
    for name in NAMES:
        stage.add(lesser("there", 0, "500m"), name)
    mine = stage.cycle.choose(info, 0.0)
    assert (mine.node, mine.equals) == ("node-2", 1)  # type: ignore[union-attr]

    other = stage.shapes.describe(lesser("other", 100, "3"))
    taken = {stage.cycle.choose(other, draw / 10).node for draw in range(10)}  # type: ignore[union-attr]
    assert taken == {"node-0", "node-1"}
    above = stage.shapes.describe(lesser("above", 101, "3"))
    assert "node-2" in {stage.cycle.choose(above, draw / 10).node for draw in range(10)}  # type: ignore[union-attr]


def test_rooms_kept_for_others_are_told_as_if_they_were_taken() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.cycle._nominations = stage.nominations
    stage.nominations.set(stage.wanting("3"), "node-0")
    said = stage.cycle.choose(stage.shapes.describe(lesser("late", 0, "2")), 0.0)

    assert isinstance(said, Diagnosis)
    assert said.bare == "0/1 nodes are available: 1 Insufficient cpu."


HAPPENINGS = ["drop", "add", "nominate"]


@given(
    st.lists(st.tuples(lessers, st.sampled_from(NAMES)), min_size=4, max_size=9),
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(0, 2), st.sampled_from(["drop", "add", "nominate"])), max_size=6
    ),
)
def test_what_is_remembered_of_nodes_changes_nothing(
    there: list[tuple[Pod, str]], happens: list[tuple[str, int, str]]
) -> None:
    stage = Stage()
    for one, name in there:
        stage.add(one, name)
    info = stage.wanting("4")
    for name, which, what in happens:
        match what:
            case "drop":
                stage.change("drop", (name, which))
            case "add":
                stage.add(lesser("more", which * 60), name)
            case "nominate":
                stage.nominations.set(stage.shapes.describe(lesser(f"rival-{which}", 100 + which, "2")), name)
        if isinstance(diagnosis := stage.cycle.pick(info.shape, 0.0), Diagnosis):
            fresh = Preemption(stage.columns, stage.cache, stage.nominations, stage.budgets)
            assert stage.preemption.plan(info, diagnosis, 0.3) == fresh.plan(info, diagnosis, 0.3)
