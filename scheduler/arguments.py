"""The arguments plugins take, as a SchedulerProfile writes them, and the plugins made from them.

Fields and limits are those of kube-scheduler's configuration (pkg/scheduler/apis/config/types_pluginargs.go and
validation/validation_pluginargs.go). Everything raises ValueError, with the field that is wrong. Used by `registry`.
"""

from itertools import pairwise
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from understudy.scheduler import strategies
from understudy.scheduler.framework import Arguments, Handle
from understudy.scheduler.kinds import NodeAffinity as Affinity
from understudy.scheduler.kinds import SpreadConstraint
from understudy.scheduler.plugins.balanced import NodeResourcesBalancedAllocation
from understudy.scheduler.plugins.default_preemption import DefaultPreemption
from understudy.scheduler.plugins.fit import NodeResourcesFit
from understudy.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from understudy.scheduler.plugins.node_affinity import NodeAffinity
from understudy.scheduler.plugins.topology_spread import PodTopologySpread
from understudy.scheduler.shape import preferences
from understudy.scheduler.strategies import CPU_AND_MEMORY, Resources, Strategy
from understudy.scheduler.terms import HARD, SOFT, SYSTEM_SPREAD, Even, Spread
from understudy.values import node_selector

T = TypeVar("T")
HIGHEST_SCORE = 10
"""Of a point of a ratio's shape; nodes are scored up to 100."""


class _Resource(Struct, forbid_unknown_fields=True):
    name: str
    weight: int = 1


class _Point(Struct, forbid_unknown_fields=True):
    utilization: int = 0
    score: int = 0


class _Ratio(Struct, forbid_unknown_fields=True):
    shape: list[_Point] = []


class _Strategy(Struct, forbid_unknown_fields=True):
    type: strategies.Kind = "LeastAllocated"
    resources: list[_Resource] = []
    requestedToCapacityRatio: _Ratio | None = None


class FitArguments(Struct, forbid_unknown_fields=True):
    scoringStrategy: _Strategy = field(default_factory=_Strategy)
    ignoredResources: list[str] = []
    ignoredResourceGroups: list[str] = []


class BalancedArguments(Struct, forbid_unknown_fields=True):
    resources: list[_Resource] = []


class InterPodAffinityArguments(Struct, forbid_unknown_fields=True):
    hardPodAffinityWeight: int = 1
    ignorePreferredTermsOfExistingPods: bool = False


class SpreadArguments(Struct, forbid_unknown_fields=True):
    defaultConstraints: list[dict[str, Any]] = []
    defaultingType: Literal["System", "List"] = "System"


class NodeAffinityArguments(Struct, forbid_unknown_fields=True):
    addedAffinity: dict[str, Any] | None = None


class PreemptionArguments(Struct, forbid_unknown_fields=True):
    minCandidateNodesPercentage: int = 10
    minCandidateNodesAbsolute: int = 100


def fit(given: Arguments, _: Handle) -> NodeResourcesFit:
    args = _read("NodeResourcesFit", given, FitArguments)
    for group in args.ignoredResourceGroups:
        _hold("/" not in group, f"ignoredResourceGroups: {group}: resource group name can't contain '/'")
    ignored = frozenset((*args.ignoredResources, *args.ignoredResourceGroups))
    return NodeResourcesFit(_strategy(args.scoringStrategy), ignored)


def balanced(given: Arguments, _: Handle) -> NodeResourcesBalancedAllocation:
    wanted = _read("NodeResourcesBalancedAllocation", given, BalancedArguments).resources
    for each in wanted:
        _hold(each.weight == 1, f"resources: the weight of {each.name} must be 1")
    return NodeResourcesBalancedAllocation(_resources(wanted))


def inter_pod_affinity(given: Arguments, _: Handle) -> InterPodAffinity:
    args = _read("InterPodAffinity", given, InterPodAffinityArguments)
    _between("hardPodAffinityWeight", args.hardPodAffinityWeight, 0, 100)
    return InterPodAffinity(args.hardPodAffinityWeight, args.ignorePreferredTermsOfExistingPods)


def topology_spread(given: Arguments, _: Handle) -> PodTopologySpread:
    args = _read("PodTopologySpread", given, SpreadArguments)
    if args.defaultingType == "System":
        _hold(not args.defaultConstraints, 'defaultConstraints need the defaultingType "List"')
        return PodTopologySpread(SYSTEM_SPREAD)
    constraints = tuple(_even(number, each) for number, each in enumerate(args.defaultConstraints))
    kinds = [(each.key, each.hard) for each in constraints]
    _hold(len(set(kinds)) == len(kinds), "defaultConstraints: two for one topologyKey and whenUnsatisfiable")
    return PodTopologySpread(Spread(constraints))


def node_affinity(given: Arguments, _: Handle) -> NodeAffinity:
    added = _read("NodeAffinity", given, NodeAffinityArguments).addedAffinity or {}
    affinity = _read("NodeAffinity: addedAffinity", added, Affinity)
    if affinity.required is None:
        return NodeAffinity(None, preferences(affinity.preferred))
    required = node_selector.from_spec(msgspec.to_builtins(affinity.required))
    _hold(not required.errors, f"addedAffinity: {'; '.join(required.errors)}")
    return NodeAffinity(required, preferences(affinity.preferred))


def default_preemption(given: Arguments, _: Handle) -> DefaultPreemption:
    args = _read("DefaultPreemption", given, PreemptionArguments)
    _between("minCandidateNodesPercentage", args.minCandidateNodesPercentage, 0, 100)
    _hold(args.minCandidateNodesAbsolute >= 0, "minCandidateNodesAbsolute is less than 0")
    some = args.minCandidateNodesPercentage or args.minCandidateNodesAbsolute
    _hold(bool(some), "minCandidateNodesPercentage and minCandidateNodesAbsolute cannot be zero at the same time")
    return DefaultPreemption(args.minCandidateNodesPercentage, args.minCandidateNodesAbsolute)


def _read(what: str, given: Arguments, form: type[T]) -> T:
    try:
        return msgspec.convert(given, form)
    except msgspec.ValidationError as error:
        raise ValueError(f"{what}: {error}") from error


def _strategy(wanted: _Strategy) -> Strategy:
    for each in wanted.resources:
        _between(f"resources: the weight of {each.name}", each.weight, 1, 100)
    ratio = wanted.requestedToCapacityRatio
    if wanted.type != "RequestedToCapacityRatio":
        return Strategy(wanted.type, _resources(wanted.resources))
    points = [(each.utilization, each.score) for each in ratio.shape] if ratio is not None else []
    _hold(bool(points), "requestedToCapacityRatio: shape: at least one point must be specified")
    for utilization, score in points:
        _between("shape: utilization", utilization, 0, strategies.FULL)
        _between("shape: score", score, 0, HIGHEST_SCORE)
    rising = all(one[0] < other[0] for one, other in pairwise(points))
    _hold(rising, "shape: utilization: values must be sorted in increasing order")
    scaled = [(utilization, score * 100 // HIGHEST_SCORE) for utilization, score in points]
    return Strategy(wanted.type, _resources(wanted.resources), strategies.table(scaled))


def _resources(wanted: list[_Resource]) -> Resources:
    found = tuple((each.name, each.weight) for each in wanted)
    _hold(len(dict(found)) == len(found), "resources: one is there twice")
    return CPU_AND_MEMORY if not found or found == CPU_AND_MEMORY else found


def _even(number: int, given: dict[str, Any]) -> Even:
    where = f"defaultConstraints[{number}]"
    wanted = _read(f"PodTopologySpread: {where}", given, SpreadConstraint)
    _hold(wanted.labelSelector is None, f"{where}: constraint must not define a selector, it is that of each pod")
    _hold(bool(wanted.topologyKey), f"{where}: topologyKey can not be empty")
    _hold(wanted.whenUnsatisfiable in (HARD, SOFT), f"{where}: whenUnsatisfiable must be {HARD} or {SOFT}")
    _hold(wanted.maxSkew > 0, f"{where}: maxSkew must be more than 0")
    return Even(
        wanted.topologyKey,
        wanted.maxSkew,
        wanted.whenUnsatisfiable == HARD,
        1 if wanted.minDomains is None else wanted.minDomains,
        wanted.nodeAffinityPolicy != "Ignore",
        wanted.nodeTaintsPolicy == "Honor",
    )


def _between(what: str, number: int, low: int, high: int) -> None:
    _hold(low <= number <= high, f"{what} is {number}, not from {low} to {high}")


def _hold(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
