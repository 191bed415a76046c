"""Whatever the profile: decisions equal those of the slow reference that goes by the same plugins, node by node."""

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler import reference
from tests.unit.scheduler.builders import Json, node, pod
from tests.unit.scheduler.test_cycle import Both, changes, nodes, wishes
from understudy.scheduler.asked import Narrowed
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.framework import Handle, Verdict
from understudy.scheduler.kinds import Node
from understudy.scheduler.profile import Profile, assemble
from understudy.scheduler.profiles import build, read
from understudy.scheduler.registry import PLUGINS
from understudy.scheduler.shape import Shape
from understudy.scheduler.shapes import Shapes

OF_NODES = {name: entry for name, entry in PLUGINS.items() if not entry.reads}
SCORED = ["TaintToleration", "NodeAffinity", "NodeResourcesFit", "NodeResourcesBalancedAllocation", "ImageLocality"]
FILTERS = ["NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit"]
TERM = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
ADDED = {
    "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]},
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "preference": TERM}],
}
RATIO = {"shape": [{"utilization": 0, "score": 10}, {"utilization": 60, "score": 1}, {"utilization": 90, "score": 4}]}

resources = st.lists(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "example.com/gpu"]), min_size=1, unique=True
)
strategies = st.builds(
    lambda kind, names, weight: {
        "type": kind,
        "resources": [{"name": name, "weight": weight + at} for at, name in enumerate(names)],
        "requestedToCapacityRatio": RATIO,
    },
    st.sampled_from(["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]),
    resources,
    st.integers(1, 50),
)
arguments = st.fixed_dictionaries(
    {},
    optional={
        "NodeResourcesFit": st.fixed_dictionaries(
            {"scoringStrategy": strategies}, optional={"ignoredResourceGroups": st.just(["example.com"])}
        ),
        "NodeResourcesBalancedAllocation": resources.map(
            lambda names: {"resources": [{"name": each} for each in names]}
        ),
        "NodeAffinity": st.just({"addedAffinity": ADDED}),
    },
)


@st.composite
def specs(draw: st.DrawFn) -> Json:
    told = draw(arguments)
    disabled = draw(st.lists(st.sampled_from([*SCORED, *FILTERS]), max_size=3, unique=True))
    weights = draw(st.dictionaries(st.sampled_from(SCORED), st.integers(0, 9), max_size=3))
    enabled = [{"name": name, "weight": weight} for name, weight in weights.items() if name not in disabled]
    return {
        "plugins": {"enabled": enabled, "disabled": disabled},
        "arguments": {name: given for name, given in told.items() if name not in disabled},
    }


def profile_of(spec: Json) -> Profile:
    handle = Handle(columns := Columns(0), Cache(columns))
    return build("mine", read(spec, OF_NODES), OF_NODES, handle)


rounds = st.lists(st.tuples(st.lists(changes, max_size=6), wishes, st.floats(0, 1, exclude_max=True)), max_size=6)


@given(specs(), st.lists(nodes, max_size=5), rounds)
def test_decisions_equal_the_reference(
    spec: Json, there: list[Node], steps: list[tuple[list[tuple[str, object]], Json, float]]
) -> None:
    profile = profile_of(spec)
    shapes, both = Shapes(profile_of=lambda _: profile), Both(*there)
    affinity = any(each.NAME == "NodeAffinity" for each in profile.filters)
    for happened, wish, draw in steps:
        for what, of in happened:
            both.change(what, of)
        shape = shapes.describe(pod("web", **wish)).shape
        found = both.cycle.pick(shape, draw)
        feasible = reference.feasible(shape, both.world)
        if affinity and (shape.conflict or shape.names is not None):
            names = frozenset[str]() if shape.conflict else shape.names or frozenset()
            feasible = {name: view for name, view in feasible.items() if name in names}
        scores = {**dict.fromkeys(feasible, 0), **reference.totals(shape, feasible)}
        if isinstance(found, Placement):
            assert found.node in reference.best(scores)
            assert (found.score, found.equals) == (scores[found.node], len(reference.best(scores)))
            both.add(wish, found.node)
        else:
            assert not scores


def _always(profile: Profile, _: str) -> Profile:
    return profile


class Naming:
    """A PreFilter of a user's own."""

    def __init__(self, name: str, verdict: Verdict | None) -> None:
        self.NAME = name
        self._verdict = verdict

    def applies(self, shape: Shape) -> bool:
        return True

    def pre_filter(self, shape: Shape) -> Verdict | None:
        return self._verdict


def narrowed(*verdicts: Verdict | None) -> Narrowed | None:
    plugins: list[Any] = [(Naming(f"P{at}", verdict), 0) for at, verdict in enumerate(verdicts)]
    profile = assemble("mine", plugins)
    return Shapes(profile_of=lambda _: profile).describe(pod("web")).shape.asked.narrowed()


def test_pre_filters_leave_the_nodes_that_all_of_them_name() -> None:
    one, two, other = frozenset("ab"), frozenset("bc"), frozenset("d")

    assert narrowed() is None
    assert narrowed(None, None) is None
    assert narrowed(Verdict(names=one), None, Verdict(names=two)) == Narrowed(("P0", "P2"), names=frozenset("b"))
    together = "node(s) didn't satisfy plugin(s) [P0 P1] simultaneously"
    assert narrowed(Verdict(names=one), Verdict(names=other)) == Narrowed(("P0", "P1"), together)
    assert narrowed(Verdict(names=frozenset())) == Narrowed(("P0",), "node(s) didn't satisfy plugin P0")
    assert narrowed(Verdict(names=one), Verdict("no")) == Narrowed(("P1",), "no")


def test_a_reason_of_a_pre_filter_is_told_of_all_nodes_and_preemption_is_tried_only_where_it_may_help() -> None:
    both = Both()
    for name in "ab":
        both.change("node", node(name))
    for verdict, hopeful in ((Verdict("no"), 0), (Verdict("taken", hopeful=True), 2)):
        profile = assemble("mine", [(Naming("P", verdict), 0)])
        found = both.cycle.pick(Shapes(profile_of=partial(_always, profile)).describe(pod("web")).shape, 0.0)
        assert isinstance(found, Diagnosis)
        assert found.message.startswith(f"0/2 nodes are available: {verdict.reason}. ")
        assert (found.reasons, len(found.hopeful)) == ({"P": {verdict.reason: 2}}, hopeful)
