"""Topology spread and affinity between pods: decisions equal those of a reference that counts pods one by one."""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler import reference
from tests.unit.scheduler.builders import Json, affinity, container, label_in, node, pod, taint
from tests.unit.scheduler.reference import Crowd, World
from understudy.scheduler import crowd
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Cycle, Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.kinds import Labelled, Node, PlainSelecting, Pod, Selecting, SpreadConstraint
from understudy.scheduler.plugins.topology_spread import PodTopologySpread
from understudy.scheduler.shape import usage_of
from understudy.scheduler.shapes import Shapes
from understudy.scheduler.standing import totals
from understudy.scheduler.surroundings import Surroundings
from understudy.scheduler.terms import badge_of

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
NAMES = [f"node-{number}" for number in range(6)]
SPACES = {"default": {"team": "a"}, "other": {"team": "b"}, "third": {}}

pairs = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["x", "y"]), max_size=2)
selectors: st.SearchStrategy[Json | None] = st.one_of(
    st.none(),
    st.just({}),
    pairs.map(lambda labels: {"matchLabels": labels}),
    st.just({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}),
)
keys = st.sampled_from([ZONE, HOST, "rack"])


@st.composite
def terms(draw: st.DrawFn) -> Json:
    term: Json = {"topologyKey": draw(keys), "labelSelector": draw(selectors)}
    match draw(st.integers(0, 4)):
        case 0:
            term["namespaces"] = draw(st.lists(st.sampled_from(list(SPACES)), max_size=2))
        case 1:
            term["namespaceSelector"] = draw(st.sampled_from([{}, {"matchLabels": {"team": "b"}}]))
    return {key: value for key, value in term.items() if value is not None}


@st.composite
def wishes(draw: st.DrawFn) -> Json:
    def kind() -> Json:
        weighted = st.builds(
            lambda weight, term: {"weight": weight, "podAffinityTerm": term}, st.integers(1, 9), terms()
        )
        return {
            "requiredDuringSchedulingIgnoredDuringExecution": draw(st.lists(terms(), max_size=2)),
            "preferredDuringSchedulingIgnoredDuringExecution": draw(st.lists(weighted, max_size=2)),
        }

    found: Json = {}
    if draw(st.booleans()):
        found["podAffinity"] = kind()
    if draw(st.booleans()):
        found["podAntiAffinity"] = kind()
    return found


@st.composite
def constraints(draw: st.DrawFn) -> Json:
    one = {
        "maxSkew": draw(st.integers(1, 3)),
        "topologyKey": draw(keys),
        "whenUnsatisfiable": draw(st.sampled_from(["DoNotSchedule", "ScheduleAnyway"])),
        "labelSelector": draw(selectors),
        "minDomains": draw(st.sampled_from([None, None, 1, 3])),
        "nodeAffinityPolicy": draw(st.sampled_from(["", "Honor", "Ignore"])),
        "nodeTaintsPolicy": draw(st.sampled_from(["", "Honor", "Ignore"])),
        "matchLabelKeys": draw(st.sampled_from([(), (), ("tier",)])),
    }
    return {key: value for key, value in one.items() if value is not None}


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    name = draw(st.sampled_from(NAMES))
    labels = draw(st.fixed_dictionaries({}, optional={ZONE: st.sampled_from("abc"), "rack": st.sampled_from("12")}))
    if draw(st.integers(0, 4)):
        labels[HOST] = name
    taints = draw(st.sampled_from([[], [], [taint("a")], [taint("b", "PreferNoSchedule")]]))
    return node(name, cpu="100", labels=labels, taints=taints)


@st.composite
def pods(draw: st.DrawFn, *, alone: bool = False) -> Pod:
    spec: Json = {"tolerations": draw(st.sampled_from([[], [{"key": "a", "operator": "Exists"}]]))}
    if not alone and (wish := draw(wishes())):
        spec["affinity"] = wish
    if not alone and draw(st.integers(0, 3)) == 0:
        spec["affinity"] = spec.get("affinity", {}) | affinity(label_in(ZONE, "a", "b"))
    if not alone:
        spec["topologySpreadConstraints"] = draw(st.lists(constraints(), max_size=2))
    meta = {"namespace": draw(st.sampled_from(list(SPACES))), "labels": draw(pairs)}
    if draw(st.integers(0, 5)) == 0:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return pod(f"p-{draw(st.integers(0, 10**9))}", container("1"), meta=meta, **spec)


changes = st.one_of(
    st.tuples(st.just("node"), nodes()),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.just("add"), st.tuples(pods(), st.sampled_from(NAMES))),
    st.tuples(st.just("add"), st.tuples(pods(alone=True), st.sampled_from(NAMES))),
    st.tuples(st.just("drop"), st.tuples(st.sampled_from(NAMES), st.integers(0, 3))),
    st.tuples(st.just("rename"), st.tuples(st.sampled_from(NAMES), pairs)),
)


class Both:
    """A world and columns that ought to say the same, as in `test_cycle`, with what surrounds them."""

    def __init__(self, *there: Node) -> None:
        self.crowd = Crowd(World(), dict(SPACES))
        self.numbers = itertools.count()
        self.columns = Columns(capacity=2)
        self.cache = Cache(self.columns)
        self.cycle = Cycle(self.columns)
        self.surroundings = Surroundings(self.columns.crowd)
        self.shapes = Shapes(self.surroundings)
        for name, labels in SPACES.items():
            self.surroundings.saw_namespace(
                msgspec.convert({"metadata": {"name": name, "labels": labels}}, Labelled), None
            )
        for each in there:
            self.change("node", each)

    def change(self, what: str, of: Any) -> None:
        world = self.crowd.world
        match what:
            case "node":
                world.nodes[of.name] = of
                self.columns.set_node(of)
            case "remove":
                world.nodes.pop(of, None)
                self.columns.remove_node(of)
            case "add":
                one, name = of
                self.add(one, name)
            case "drop" | "rename":
                name, how = of
                there = world.pods.get(name, [])
                if what == "drop" and how < len(there):
                    self.cache.drop(there.pop(how).uid)
                elif what == "rename" and there:
                    new = there.pop(0)
                    new = msgspec.convert(msgspec.to_builtins(new), Pod)
                    new.metadata.labels = how
                    self.place(new, name)

    def add(self, one: Pod, name: str) -> None:
        """One more such pod is there."""
        another = msgspec.convert(msgspec.to_builtins(one), Pod)
        another.metadata.uid = f"uid-{next(self.numbers)}"
        self.place(another, name)

    def place(self, one: Pod, name: str) -> None:
        self.crowd.world.pods.setdefault(name, []).append(one)
        self.cache.place(one, usage_of(one), badge_of(one), name)

    def check(self, one: Pod, draw: float = 0.0) -> Placement | Diagnosis:
        """Decide on a pod, and compare with the reference."""
        crowd, world = self.crowd, self.crowd.world
        shape = self.shapes.describe(one).shape
        said: dict[str, list[str]] = {}
        for name, found in world.views().items():
            reasons = reference.reasons(shape, found) or reference.spread_reasons(one, shape, found.node, world)
            said[name] = reasons or reference.affinity_reasons(one, found.node, crowd)
        feasible = [world.nodes[name] for name, reasons in said.items() if not reasons]
        decided = self.cycle.pick(shape, draw)
        assert self.cycle.helps(shape, [self.columns.row_of[name] for name in said]) is bool(feasible)
        if isinstance(decided, Diagnosis):
            assert not feasible
            counted: dict[str, int] = {}
            for reasons in said.values():
                for reason in reasons:
                    counted[reason] = counted.get(reason, 0) + 1
            found_counts = {reason: number for each in decided.reasons.values() for reason, number in each.items()}
            assert not world.nodes or found_counts == counted
            return decided
        views = world.views()
        scores = reference.totals(shape, {each.name: views[each.name] for each in feasible})
        wide = self.wide(one, feasible)
        total = {name: scores.get(name, 0) + 2 * sum(each[name] for each in wide) for name in wide[0]}
        best = [name for name, score in total.items() if score == max(total.values())]
        assert (decided.score, decided.equals) == (max(total.values()), len(best))
        assert decided.node in best
        rows = np.array([self.columns.row_of[each.name] for each in feasible], np.intp)
        summed = np.sum(list(totals(shape, self.columns, rows).values()), axis=0)
        assert summed.tolist() == [total[each.name] for each in feasible]
        return decided

    def wide(self, one: Pod, feasible: list[Node]) -> list[Mapping[str, int]]:
        shape = self.shapes.describe(one).shape
        spread = reference.spread_scores(one, shape, feasible, self.crowd.world)
        return [spread, reference.affinity_scores(one, feasible, self.crowd)]


@given(st.lists(st.tuples(st.lists(changes, max_size=5), pods()), max_size=4))
def test_decisions_equal_the_reference(rounds: list[tuple[list[tuple[str, Any]], Pod]]) -> None:
    both = Both(*(node(name, cpu="100", labels={HOST: name, ZONE: "ab"[at]}) for at, name in enumerate(NAMES[:2])))
    for happened, one in rounds:
        for what, of in happened:
            both.change(what, of)
        decided = both.check(one)
        if isinstance(decided, Placement):
            both.add(one, decided.node)
            both.check(pod("again", container("1"), meta={"namespace": one.namespace, "labels": one.metadata.labels}))


# Spreading by default


def owned(number: int, **meta: Any) -> Pod:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    labels = {"app": "web", "pod-template-hash": "1"}
    return pod(f"web-{number}", container("1"), meta={"labels": labels, "ownerReferences": [owner]} | meta)


def replica_set(**selector: str) -> Selecting:
    meta = {"name": "web", "namespace": "default", "uid": "rs"}
    return msgspec.convert({"metadata": meta, "spec": {"selector": {"matchLabels": selector}}}, Selecting)


def service(name: str = "web", selector: Json | None = None, namespace: str = "default") -> PlainSelecting:
    meta = {"name": name, "namespace": namespace, "uid": name}
    return msgspec.convert({"metadata": meta, "spec": {"selector": selector}}, PlainSelecting)


def by_zone(count: int = 4) -> Both:
    there = (node(name, cpu="100", labels={HOST: name, ZONE: "ab"[at % 2]}) for at, name in enumerate(NAMES[:count]))
    return Both(*there)


def spread_default(one: Pod, both: Both) -> dict[str, int]:
    """What the reference says of the system's default constraints over the pods of the ReplicaSet."""
    every = [
        {"topologyKey": key, "maxSkew": skew, "labelSelector": {"matchLabels": one.metadata.labels}}
        for key, skew in ((HOST, 3), (ZONE, 5))
    ]
    world, shape = both.crowd.world, both.shapes.describe(one).shape
    defaults = msgspec.convert(every, list[SpreadConstraint])
    return reference.spread_scores(one, shape, list(world.nodes.values()), world, defaults)


def spread_points(one: Pod, both: Both) -> dict[str, int]:
    shape, columns = both.shapes.describe(one).shape, both.columns
    found = PodTopologySpread().points(shape, columns, columns.real[: columns.size]).tolist()
    return {name: found[columns.row_of[name]] for name in both.crowd.world.nodes}


@pytest.mark.parametrize("labels", [{HOST: "node-4"}, {ZONE: "c"}, {}, {HOST: "node-4", ZONE: "b"}])
def test_pods_of_a_replica_set_are_spread_by_default_even_over_nodes_without_a_zone(labels: dict[str, str]) -> None:
    both = by_zone()
    both.change("node", node("node-4", cpu="100", labels=labels))
    both.surroundings.saw_owner("replicasets.apps", replica_set(app="web", **{"pod-template-hash": "1"}), None)
    for number, name in enumerate(["node-0", "node-0", "node-1", "node-4", "node-2", "node-0"]):
        both.add(owned(number), name)
        assert spread_points(owned(9), both) == spread_default(owned(9), both)
    assert len(set(spread_points(owned(9), both).values())) > 2


def test_labels_of_a_replication_controller_prevail_over_those_of_services() -> None:
    """As upstream merges them; those of other owners are requirements beside the Services'."""
    both = by_zone(2)
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": "rc", "uid": "rc", "controller": True}
    meta = {"name": "rc", "namespace": "default", "uid": "rc"}
    controller = msgspec.convert({"metadata": meta, "spec": {"selector": {"app": "db"}}}, PlainSelecting)
    both.surroundings.saw_service(service(selector={"app": "web", "pod-template-hash": "1"}), None)
    both.surroundings.saw_owner("replicationcontrollers", controller, None)

    social = both.shapes.describe(owned(1, ownerReferences=[owner])).shape.social
    assert social is not None
    assert [str(each.selector) for each in social.soft[0].group.matches] == ["app=db,pod-template-hash=1"]


def test_nobody_is_spread_by_default_without_a_service_or_an_owner() -> None:
    both = by_zone()
    assert both.shapes.describe(owned(1)).shape.social is None

    both.surroundings.saw_service(service(selector=None), None)
    both.surroundings.saw_service(service("other", {"app": "other"}), None)
    both.surroundings.saw_service(service("far", {"app": "web"}, "other"), None)
    assert both.shapes.describe(owned(1)).shape.social is None


def test_a_pod_that_waits_is_described_anew_when_its_service_comes_and_goes() -> None:
    both = by_zone()
    waits = both.shapes.describe(owned(1))
    both.surroundings.saw_service(service(selector={"app": "web"}), None)
    described = both.shapes.refresh(waits)

    assert described.shape is not waits.shape
    assert described.shape.social is not None
    assert [(each.key, each.max_skew) for each in described.shape.social.soft] == [(HOST, 3), (ZONE, 5)]
    assert both.shapes.refresh(described) is described
    both.surroundings.saw_service(None, service(selector={"app": "web"}))
    assert both.shapes.refresh(described).shape is waits.shape


def test_a_pod_that_waits_is_described_anew_when_others_come_that_keep_it_off() -> None:
    both = by_zone(1)
    loner = pod("loner", meta={"labels": {"app": "db"}}, affinity=anti_affinity(HOST, app="web"))
    waits = both.shapes.describe(owned(1))
    both.add(loner, "node-0")

    assert isinstance(both.cycle.pick(both.shapes.refresh(waits).shape, 0.0), Diagnosis)


def anti_affinity(key: str, **labels: str) -> Json:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": labels}}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_groups_beyond_those_kept_are_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "KEPT", 2)
    both = by_zone(2)
    for turn in range(8):
        app = f"app-{turn % 4}"
        both.add(pod("there", meta={"labels": {"app": app}}), NAMES[turn % 2])
        one = pod("new", container("1"), meta={"labels": {"app": app}}, affinity=anti_affinity(HOST, app=app))
        both.check(one)


# Single rules


def spread(key: str = ZONE, skew: int = 1, **more: Any) -> Json:
    one = {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", **more}
    return {"topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "web"}}, **one}]}


def web(**spec: Any) -> Pod:
    return pod("web", container("1"), meta={"labels": {"app": "web"}}, **spec)


@pytest.mark.parametrize(("least", "fits"), [(1, True), (2, True), (3, False)])
def test_with_fewer_domains_than_asked_for_the_emptiest_counts_as_empty(least: int, fits: bool) -> None:
    both = by_zone(2)
    for name in NAMES[:2]:
        both.add(web(), name)

    assert isinstance(both.check(web(**spread(minDomains=least))), Placement if fits else Diagnosis)


@pytest.mark.parametrize("key", [HOST, ZONE])
def test_the_first_of_a_kind_that_wants_to_be_together_may_go_anywhere_with_the_label(key: str) -> None:
    both = by_zone(2)
    both.change("node", node("bare", cpu="900"))
    first = web(affinity=near("web", key))
    placed = both.check(first)
    assert isinstance(placed, Placement)
    assert placed.node != "bare"

    both.add(first, "node-1")
    second = both.check(first)
    assert isinstance(second, Placement)
    assert second.node == "node-1"
    assert isinstance(both.check(web(affinity=near("db", key))), Diagnosis)


def near(app: str, key: str) -> Json:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_pods_on_their_way_out_do_not_count_when_pods_are_spread_but_still_keep_others_off() -> None:
    both = by_zone(2)
    both.add(web(), "node-0")
    going = pod("going", meta={"labels": {"app": "web"}, "deletionTimestamp": "2026-01-01T00:00:00Z"})
    both.add(going, "node-1")

    spreads = both.check(web(**spread()))
    assert isinstance(spreads, Placement)
    assert spreads.node == "node-1"
    assert isinstance(both.check(web(affinity=anti_affinity(HOST, app="web"))), Diagnosis)


def test_a_node_without_the_label_is_told_apart_from_one_with_too_many() -> None:
    both = by_zone(1)
    both.change("node", node("bare", cpu="100"))
    both.add(web(), "node-0")
    both.change("node", node("node-1", cpu="100", labels={ZONE: "b"}, unschedulable=True))
    found = both.check(web(**spread()))

    assert isinstance(found, Diagnosis)
    assert found.reasons["PodTopologySpread"] == {
        "node(s) didn't match pod topology spread constraints": 1,
        "node(s) didn't match pod topology spread constraints (missing required label)": 1,
    }
    assert found.message.endswith(
        "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
    )
