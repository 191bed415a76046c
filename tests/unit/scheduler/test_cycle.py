"""Decisions equal those of a slow reference, whatever happened before, however little of it was looked at again."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler import reference
from tests.unit.scheduler.builders import Json, affinity, container, info, label_in, name_in, node, pod, shape, taint
from tests.unit.scheduler.reference import World
from understudy.scheduler import standing
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Cycle, Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.kinds import Node
from understudy.scheduler.registry import DEFAULT
from understudy.scheduler.shape import Shape, usage_of

NAMES = [f"node-{number}" for number in range(7)]
TOLERATE = [{"key": "a", "operator": "Exists"}]
WISHES: list[Json] = [
    {"containers": [container("500m", "1Gi")]},
    {"containers": [container("500m", "1Gi")], "tolerations": TOLERATE},
    {"containers": [container("1", example_com__gpu="1")]},
    {"containers": [container("0", "3Gi", ephemeral_storage="1Gi")]},
    {"containers": [container()]},
    {"containers": [container(ports=[{"hostPort": 80}])]},
    {"containers": [container("1", ports=[{"hostPort": 80, "hostIP": "10.0.0.1"}])]},
    {"containers": [container("1")], "nodeSelector": {"zone": "a"}},
    {"containers": [container("1")], "affinity": affinity(name_in("node-1"), name_in("node-2"))},
    {"affinity": affinity({"matchFields": [*name_in("node-1")["matchFields"], *name_in("node-2")["matchFields"]]})},
    {"affinity": affinity(preferred=[(3, label_in("zone", "a")), (8, label_in("disk", "ssd"))])},
    {"containers": [container("250m")], "nodeName": "node-3"},
    {"containers": [{"name": "c", "image": "web"}, {"name": "d", "image": "registry:5000/big:1"}]},
]
IMAGES = {"web:latest": 400_000_000, "registry:5000/big:1": 3_000_000_000, "other:2": 99_000_000}
TAINTS = [taint("a"), taint("a", "PreferNoSchedule"), taint("b", "PreferNoSchedule"), taint("c", "NoExecute")]

nodes = st.builds(
    node,
    st.sampled_from(NAMES),
    st.sampled_from(["1", "2", "4", "1500m", ""]),
    st.sampled_from(["2Gi", "8Gi", ""]),
    st.sampled_from(["1", "3", "110"]),
    labels=st.dictionaries(st.sampled_from(["zone", "disk"]), st.sampled_from(["a", "ssd"])),
    taints=st.lists(st.sampled_from(TAINTS), max_size=2),
    unschedulable=st.sampled_from([False, False, False, True]),
    example_com__gpu=st.sampled_from(["", "2"]),
    ephemeral_storage=st.sampled_from(["", "2Gi"]),
    images=st.sampled_from([{}, IMAGES, {"web:latest": 400_000_000}, {"other:2": 99_000_000}]),
)
wishes = st.sampled_from(WISHES)
changes = st.one_of(
    st.tuples(st.just("node"), nodes),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.just("add"), st.tuples(wishes, st.sampled_from(NAMES))),
    st.tuples(st.just("drop"), st.tuples(st.sampled_from(NAMES), st.integers(0, 5))),
)
rounds = st.lists(st.tuples(st.lists(changes, max_size=8), wishes, st.floats(0, 1, exclude_max=True)), max_size=12)


class Both:
    """A world and columns that ought to say the same."""

    def __init__(self, *nodes: Node) -> None:
        self.world = World()
        self.columns = Columns(capacity=2)
        self.cycle = Cycle(self.columns)
        for each in nodes:
            self.change("node", each)

    def change(self, what: str, of: object) -> None:
        match what, of:
            case "node", Node():
                self.world.nodes[of.name] = of
                self.columns.set_node(of)
            case "remove", str():
                self.world.nodes.pop(of, None)
                self.columns.remove_node(of)
            case "add", (dict() as wish, str() as name):
                self.add(wish, name)
            case "drop", (str() as name, int() as which):
                there = self.world.pods.get(name, [])
                if which < len(there):
                    self.columns.remove(usage_of(there.pop(which)), name)

    def add(self, wish: Json, name: str) -> None:
        one = pod("other", **wish)
        self.world.pods.setdefault(name, []).append(one)
        self.columns.add(usage_of(one), name)

    def check(self, of: Shape, draw: float) -> Placement | Diagnosis:
        """Decide, and compare with the reference."""
        found = self.cycle.pick(of, draw)
        scores = reference.totals(of, reference.feasible(of, self.world))
        if isinstance(found, Placement):
            assert found.node in reference.best(scores)
            assert (found.score, found.equals) == (scores[found.node], len(reference.best(scores)))
        else:
            assert not scores
            if self.world.nodes and not of.conflict:
                counted: Counter[str] = Counter()
                for reasons in found.reasons.values():
                    counted.update(reasons)
                assert dict(counted) == reference.histogram(of, self.world.views().values())
        return found


@given(rounds)
def test_decisions_equal_the_reference(steps: list[tuple[list[tuple[str, object]], Json, float]]) -> None:
    both = Both()
    for happened, wish, draw in steps:
        for what, of in happened:
            both.change(what, of)
        of = shape(**wish)
        found = both.check(of, draw)
        if isinstance(found, Placement):
            both.add(wish, found.node)


@given(st.lists(changes, max_size=30), wishes)
def test_both_forms_of_every_plugin_agree(happened: list[tuple[str, object]], wish: Json) -> None:
    both, of = Both(), shape(**wish)
    for what, each in happened:
        both.change(what, each)
    columns = both.columns
    rows = np.flatnonzero(columns.real)
    views = [columns.view(row) for row in rows.tolist()]
    assert {each.node.name: each.requested["pods"] for each in views} == {
        name: len(both.world.pods.get(name, ())) for name in both.world.nodes
    }
    for filter_ in DEFAULT.filters:
        if filter_.applies(of):
            assert filter_.mask(of, columns, rows).tolist() == [not filter_.reasons(of, each) for each in views]
            rejections = filter_.rejections(of, columns, rows)
            rejected = [[one.reason for one in rejections if one.where[at]] for at in range(len(rows))]
            assert rejected == [filter_.reasons(of, each) for each in views]
    for score, _ in DEFAULT.scores:
        if score.applies(of):
            assert score.scores(of, columns, rows).tolist() == [score.score(of, each) for each in views]


@given(st.lists(changes, max_size=20), wishes, st.sets(st.sampled_from(NAMES), min_size=1))
def test_a_change_helps_if_one_of_its_nodes_is_feasible(
    happened: list[tuple[str, object]], wish: Json, names: set[str]
) -> None:
    both, of = Both(), shape(**wish)
    for what, each in happened:
        both.change(what, each)
    rows = [both.columns.row_of[name] for name in names if name in both.columns.row_of]

    assert both.cycle.helps(of, rows) is any(name in names for name in reference.feasible(of, both.world))


@given(st.lists(nodes, min_size=1, max_size=4), st.lists(wishes, max_size=40), st.data())
def test_nothing_is_ever_overcommitted(there: list[Node], wanted: list[Json], data: st.DataObject) -> None:
    both = Both(*there)
    for wish in wanted:
        of = info(**wish).shape
        found = both.cycle.pick(of, data.draw(st.floats(0, 1, exclude_max=True)))
        if isinstance(found, Placement):
            both.add(wish, found.node)
    for each in both.world.views().values():
        assert all(used <= each.allocatable.get(name, 0) for name, used in each.requested.items())
        assert not any(one.conflicts(two) for at, one in enumerate(each.ports) for two in list(each.ports)[:at])


@pytest.fixture(params=[0, 100], ids=["by arrays", "by the plain forms"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FEW", request.param)


@pytest.mark.usefixtures("few")
def test_only_what_changed_is_judged_again_and_rightly() -> None:
    both = Both(*(node(name) for name in NAMES))
    of = shape(**WISHES[0])
    both.check(of, 0.0)
    for name in NAMES[:5]:
        both.add(WISHES[0], name)
        both.check(of, 0.5)
    both.change("node", node("node-6", cpu="1"))
    both.check(of, 0.9)


def test_equals_are_chosen_by_the_draw_evenly() -> None:
    both = Both(*(node(name) for name in NAMES[:4]))
    picked = [both.check(shape(), draw / 100) for draw in range(100)]

    chosen = Counter(each.node for each in picked if isinstance(each, Placement))
    assert chosen == dict.fromkeys(NAMES[:4], 25)


def test_preferences_are_relative_to_the_feasible_nodes() -> None:
    """Upstream normalises over feasible nodes: a taint count of 2 among those is the worst there is."""
    worst = [taint("x", "PreferNoSchedule"), taint("y", "PreferNoSchedule"), taint("z", "PreferNoSchedule")]
    both = Both(node("node-1", taints=worst[:2]), node("node-2", taints=worst[:1]), node("node-3", taints=worst))
    small = shape(container("1"))
    before = both.check(small, 0.0)
    both.change("node", node("node-3", taints=worst, unschedulable=True))
    after = both.check(small, 0.0)

    assert isinstance(before, Placement)
    assert isinstance(after, Placement)
    assert after.score == before.score - 3 * 67 + 3 * 50


def test_more_nodes_than_room_was_made_for() -> None:
    both = Both(*(node(f"node-{number}", cpu="4") for number in range(40)), node("big", cpu="64"))

    found = both.check(shape(container("5")), 0.0)
    assert isinstance(found, Placement)
    assert found.node == "big"


def test_many_shapes_are_remembered_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.scheduler.cycle.KEPT", 2)
    both = Both(node("node-1", cpu="64"), node("node-2", cpu="64"))
    for turn in range(9):
        both.check(shape(container(str(turn % 3 + 1))), 0.0)
        both.add({"containers": [container(str(turn % 3 + 1))]}, "node-1")


def test_a_diagnosis_is_made_once_until_something_changes() -> None:
    both = Both(node("node-1", cpu="1"))
    of = shape(container("2"))
    first = both.check(of, 0.0)

    assert both.check(of, 0.5) is first
    both.add(WISHES[4], "node-1")
    assert both.check(of, 0.5) is not first


def test_changes_longer_ago_than_is_kept() -> None:
    both = Both(node("node-1", cpu="64", pods="50000"), node("node-2", cpu="1"))
    of = shape(container("2"))
    both.check(of, 0.0)
    for _ in range(20_000):
        both.columns.usage_changes.mark(0)
    both.add({"containers": [container("63")]}, "node-1")

    assert isinstance(both.check(of, 0.0), Diagnosis)
