"""What pods want of each other, as values: spread constraints, affinity and anti-affinity, read once and hashable.

`shape` puts a pod's terms into its Shape, `crowd` counts the pods they are about, the plugins topology_spread and
inter_pod_affinity judge by them. `matchLabelKeys` and `mismatchLabelKeys` of affinity are in the selectors already: the
API server puts them there. Answers to `AffinityTerm` in k8s.io/kube-scheduler/framework/types.go and to
plugins/podtopologyspread/common.go.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from understudy.scheduler.kinds import LabelSelector, Pod, PodAffinity, PodTerm, SpreadConstraint
from understudy.values import selector
from understudy.values.selector import NOTHING, Selector

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"
REQUIRED = 0
"""The weight of a tie that is a required affinity: how much it attracts is for the profile of the other pod to say."""

Labels = Mapping[str, str]


class Match(NamedTuple):
    """Pods of these namespaces (None: of all) that the selector picks."""

    namespaces: frozenset[str] | None
    selector: Selector

    def holds(self, namespace: str, labels: Labels) -> bool:
        inside = self.namespaces is None or namespace in self.namespaces
        return inside and self.selector.matches(labels)


class Group(NamedTuple):
    """Pods that meet every one of `matches`; if `staying`, pods on their way out are left out."""

    matches: tuple[Match, ...]
    staying: bool

    def holds(self, namespace: str, labels: Labels) -> bool:
        return all(match.holds(namespace, labels) for match in self.matches)


class Constraint(NamedTuple):
    """A spread constraint. `self_match`: the pod counts itself; the last two say which nodes are looked at."""

    key: str
    max_skew: int
    min_domains: int
    group: Group
    self_match: bool
    honor_affinity: bool
    honor_taints: bool


class Even(NamedTuple):
    """A spread constraint for pods that have none; whom it is about depends on the pod."""

    key: str
    max_skew: int
    hard: bool = False
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


class Spread(NamedTuple):
    """The constraints a profile gives to pods without any. `system`: a node need not have all of the labels."""

    constraints: tuple[Even, ...] = ()
    system: bool = False


NO_SPREAD = Spread()
SYSTEM_SPREAD = Spread((Even(HOSTNAME, 3), Even(ZONE, 5)), system=True)


class Bond(NamedTuple):
    """A term of a pod that waits: the pods it is about, where, and how much it attracts (less than 0: repels)."""

    group: Group
    key: str
    weight: int


class Tie(NamedTuple):
    """A term of a pod on a node, as it concerns pods that wait. `hard` ones forbid, others attract by `weight`.

    Or by the other's profile's hardPodAffinityWeight, if it is `REQUIRED`.
    """

    match: Match
    namespace_selector: Selector
    key: str
    weight: int
    hard: bool

    def holds(self, namespace: str, labels: Labels, of_namespace: Labels) -> bool:
        """Whether it is about such a pod of a namespace with these labels."""
        names = self.match.namespaces
        inside = names is None or namespace in names or self.namespace_selector.matches(of_namespace)
        return inside and self.match.selector.matches(labels)


class Social(NamedTuple):
    """All a pod wants of others and others of it. `defaulted`: its soft constraints are the system's default ones.

    `first`: the pod meets its own affinity terms, so it may be the first of its kind. `ties` are those about it.
    """

    hard: tuple[Constraint, ...] = ()
    soft: tuple[Constraint, ...] = ()
    defaulted: bool = False
    together: tuple[Bond, ...] = ()
    first: bool = False
    apart: tuple[Bond, ...] = ()
    liked: tuple[Bond, ...] = ()
    ties: tuple[Tie, ...] = ()


ALONE = Social()
_Bonds = tuple[Bond, ...]


class Badge(NamedTuple):
    """What a pod on a node is to others: equal badges are counted together. `going`: it is on its way out."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    going: bool
    ties: tuple[Tie, ...]


def badge_of(pod: Pod) -> Badge:
    """The badge of a pod, on a node or not."""
    meta = pod.metadata
    labels = tuple(sorted(meta.labels.items())) if meta.labels else ()
    ties = () if pod.spec.affinity is None else _ties(pod)
    return Badge(meta.namespace, labels, meta.deletionTimestamp is not None, ties)


def same_badge(old: Pod, new: Pod) -> bool:
    """Whether `badge_of` must answer the same for both; affinity cannot be changed."""
    return old.metadata.labels == new.metadata.labels and old.deleting == new.deleting


def read(found: LabelSelector | None) -> Selector:
    """A selector; one that cannot be read picks nothing (the API server lets none of them pass)."""
    if found is None:
        return NOTHING
    try:
        return selector.from_spec(msgspec.to_builtins(found))
    except ValueError:
        return NOTHING


def spreading(pod: Pod, action: str) -> tuple[Constraint, ...]:
    """The pod's own spread constraints of that kind."""
    wanted = pod.spec.topologySpreadConstraints
    return tuple(_constraint(pod, each) for each in wanted if each.whenUnsatisfiable == action)


def default_spreading(pod: Pod, found: Selector, wanted: Iterable[Even]) -> tuple[Constraint, ...]:
    """Those constraints for a pod that has none, over the pods of its Services and its owner."""
    group = _spread_group(pod, found)
    matches = found.matches(pod.metadata.labels)
    return tuple(
        Constraint(each.key, each.max_skew, each.min_domains, group, matches, each.honor_affinity, each.honor_taints)
        for each in wanted
    )


def bonds(pod: Pod, namespaces: Mapping[str, Labels]) -> tuple[_Bonds, bool, _Bonds, _Bonds]:
    """`together`, `first`, `apart` and `liked` of Social; `namespaces` are all there are, with their labels."""
    affinity = pod.spec.affinity
    near = (affinity.podAffinity if affinity else None) or PodAffinity()
    far = (affinity.podAntiAffinity if affinity else None) or PodAffinity()
    every = tuple(_match(pod, term, namespaces) for term in near.required)
    together = tuple(Bond(Group(every, False), term.topologyKey, 0) for term in near.required)
    first = bool(every) and Group(every, False).holds(pod.namespace, pod.metadata.labels)
    apart = tuple(_bond(pod, term, 0, namespaces) for term in far.required)
    attracting = [(each.podAffinityTerm, each.weight) for each in near.preferred]
    repelling = [(each.podAffinityTerm, -each.weight) for each in far.preferred]
    liked = tuple(_bond(pod, term, weight, namespaces) for term, weight in (*attracting, *repelling))
    return together, first, apart, liked


def _constraint(pod: Pod, wanted: SpreadConstraint) -> Constraint:
    labels = pod.metadata.labels
    picks = read(wanted.labelSelector)
    keyed = {key: labels[key] for key in wanted.matchLabelKeys if key in labels}
    if keyed and not picks.nothing:
        picks = selector.of([*selector.from_map(keyed).requirements, *picks.requirements])
    return Constraint(
        key=wanted.topologyKey,
        max_skew=wanted.maxSkew,
        min_domains=1 if wanted.minDomains is None else wanted.minDomains,
        group=_spread_group(pod, picks),
        self_match=picks.matches(labels),
        honor_affinity=wanted.nodeAffinityPolicy != "Ignore",
        honor_taints=wanted.nodeTaintsPolicy == "Honor",
    )


def _spread_group(pod: Pod, picks: Selector) -> Group:
    # A selector without requirements picks everything elsewhere, but counts nobody here (`countPodsMatchSelector`).
    counted = NOTHING if picks.is_everything() else picks
    return Group((Match(frozenset((pod.namespace,)), counted),), True)


def _bond(pod: Pod, term: PodTerm, weight: int, namespaces: Mapping[str, Labels]) -> Bond:
    return Bond(Group((_match(pod, term, namespaces),), False), term.topologyKey, weight)


def _match(pod: Pod, term: PodTerm, namespaces: Mapping[str, Labels]) -> Match:
    """The term with its namespace selector resolved to names."""
    names, by_labels = _namespaces(pod, term)
    if by_labels.is_everything():
        return Match(None, read(term.labelSelector))
    chosen = () if by_labels.nothing else (name for name, labels in namespaces.items() if by_labels.matches(labels))
    return Match(names.union(chosen), read(term.labelSelector))


def _namespaces(pod: Pod, term: PodTerm) -> tuple[frozenset[str], Selector]:
    if not term.namespaces and term.namespaceSelector is None:
        return frozenset((pod.namespace,)), NOTHING
    return frozenset(term.namespaces), read(term.namespaceSelector)


def _ties(pod: Pod) -> tuple[Tie, ...]:
    affinity = pod.spec.affinity
    if affinity is None:
        return ()
    near, far = affinity.podAffinity or PodAffinity(), affinity.podAntiAffinity or PodAffinity()
    return (
        *_tied(pod, far.required, 0, hard=True),
        *_tied(pod, near.required, REQUIRED),
        *(tie for each in near.preferred for tie in _tied(pod, (each.podAffinityTerm,), each.weight)),
        *(tie for each in far.preferred for tie in _tied(pod, (each.podAffinityTerm,), -each.weight)),
    )


def _tied(pod: Pod, terms: Iterable[PodTerm], weight: int, *, hard: bool = False) -> Iterable[Tie]:
    for term in terms:
        names, by_labels = _namespaces(pod, term)
        yield Tie(Match(names, read(term.labelSelector)), by_labels, term.topologyKey, weight, hard)
