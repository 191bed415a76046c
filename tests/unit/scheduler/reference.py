"""A slow, plain scheduler to compare with: every node looked at on its own, from the pods and nodes themselves."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tests.unit.scheduler.builders import view
from understudy.scheduler.columns import NodeView
from understudy.scheduler.images import Image
from understudy.scheduler.kinds import LabelSelector, Node, Pod, PodAffinity, PodTerm, SpreadConstraint
from understudy.scheduler.shape import Shape
from understudy.scheduler.tolerations import tolerated
from understudy.values import selector


@dataclass
class World:
    """Nodes by name, and the pods on each name, whether such a node exists or not."""

    nodes: dict[str, Node] = field(default_factory=dict)
    pods: dict[str, list[Pod]] = field(default_factory=dict)

    def views(self) -> dict[str, NodeView]:
        images, count = self.images(), len(self.nodes)
        pods = self.pods
        return {name: view(node, *pods.get(name, ()), images=images, count=count) for name, node in self.nodes.items()}

    def images(self) -> dict[str, Image]:
        """By name; all nodes say the same of an image's size."""
        found: dict[str, Image] = {}
        for row, node in enumerate(self.nodes.values()):
            for image in node.status.images:
                for name in image.names or ():
                    found.setdefault(name, Image(image.sizeBytes)).rows.add(row)
        return found


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The reasons of the first filter that turns the node down."""
    for plugin in shape.asked.profile.filters:
        if plugin.applies(shape) and (found := plugin.reasons(shape, node)):
            return found
    return []


def feasible(shape: Shape, world: World) -> dict[str, NodeView]:
    return {name: node for name, node in world.views().items() if not reasons(shape, node)}


def totals(shape: Shape, nodes: Mapping[str, NodeView]) -> dict[str, int]:
    """The weighted total of each of these feasible nodes."""
    total: Counter[str] = Counter()
    for plugin, weight in shape.asked.profile.scores:
        if not plugin.applies(shape):
            continue
        raw = {name: plugin.score(shape, node) for name, node in nodes.items()}
        highest = max(raw.values(), default=0)
        for name, score in raw.items():
            points = normalized(score, highest, reverse=plugin.REVERSED) if plugin.NORMALIZED else score
            total[name] += weight * points
    return dict(total)


def normalized(raw: int, highest: int, *, reverse: bool) -> int:
    scaled = 100 * raw // highest if highest else 0
    return 100 - scaled if reverse else scaled


def histogram(shape: Shape, nodes: Iterable[NodeView]) -> dict[str, int]:
    """How many nodes give each reason; nodes an affinity does not name are left to their own sentence."""
    counts: Counter[str] = Counter()
    for node in nodes:
        if shape.names is not None and node.node.name not in shape.names:
            counts["node(s) didn't satisfy plugin(s) [NodeAffinity]"] += 1
        else:
            counts.update(reasons(shape, node))
    return dict(counts)


def best(scores: Mapping[str, int]) -> Sequence[str]:
    return [name for name, score in scores.items() if score == max(scores.values())]


# What pods want of each other, counted pod by pod


@dataclass
class Crowd:
    """A world as a pod sees it that wants something of others: namespaces with their labels, and nodes with pods."""

    world: World
    namespaces: dict[str, dict[str, str]]

    def there(self) -> list[tuple[Node, Pod]]:
        found = self.world.pods
        return [(node, pod) for name, node in self.world.nodes.items() for pod in found.get(name, ())]


def picks(found: LabelSelector | None, pod: Pod) -> bool:
    return selector.from_spec(None if found is None else msgspec.to_builtins(found)).matches(pod.metadata.labels)


def concerns(term: PodTerm, owner: Pod, other: Pod, crowd: Crowd) -> bool:
    """Whether a term of `owner` is about `other`."""
    names = set(term.namespaces)
    if not names and term.namespaceSelector is None:
        names = {owner.namespace}
    inside = other.namespace in names
    if term.namespaceSelector is not None:
        wanted = selector.from_spec(msgspec.to_builtins(term.namespaceSelector))
        inside |= wanted.matches(crowd.namespaces.get(other.namespace, {}))
    return inside and picks(term.labelSelector, other)


def affinities(pod: Pod, kind: str) -> PodAffinity:
    affinity = pod.spec.affinity
    return (getattr(affinity, kind) if affinity else None) or PodAffinity()


def same_domain(key: str, one: Node, other: Node) -> bool:
    value = one.metadata.labels.get(key)
    return value is not None and value == other.metadata.labels.get(key)


def affinity_reasons(pod: Pod, node: Node, crowd: Crowd) -> list[str]:
    near, far = affinities(pod, "podAffinity").required, affinities(pod, "podAntiAffinity").required
    friends = [(at, one) for at, one in crowd.there() if all(concerns(term, pod, one, crowd) for term in near)]
    if near:
        if any(term.topologyKey not in node.metadata.labels for term in near):
            return ["node(s) didn't match pod affinity rules"]
        met = all(any(same_domain(term.topologyKey, node, at) for at, _ in friends) for term in near)
        somewhere = any(term.topologyKey in at.metadata.labels for term in near for at, _ in friends)
        first = not somewhere and all(concerns(term, pod, pod, crowd) for term in near)
        if not met and not first:
            return ["node(s) didn't match pod affinity rules"]
    for at, one in crowd.there():
        if any(concerns(term, pod, one, crowd) and same_domain(term.topologyKey, node, at) for term in far):
            return ["node(s) didn't match pod anti-affinity rules"]
    for at, one in crowd.there():
        theirs = affinities(one, "podAntiAffinity").required
        if any(concerns(term, one, pod, crowd) and same_domain(term.topologyKey, node, at) for term in theirs):
            return ["node(s) didn't satisfy existing pods anti-affinity rules"]
    return []


def affinity_scores(pod: Pod, nodes: Sequence[Node], crowd: Crowd) -> dict[str, int]:
    raw = {node.name: sum(liking(pod, node, at, one, crowd) for at, one in crowd.there()) for node in nodes}
    low, high = min(raw.values()), max(raw.values())
    return {name: int(100.0 * ((score - low) / (high - low))) if high > low else 0 for name, score in raw.items()}


def liking(pod: Pod, node: Node, at: Node, one: Pod, crowd: Crowd) -> int:
    """How much a pod that is there speaks for a node, by the terms of both."""
    score = 0
    for owner, other in ((pod, one), (one, pod)):
        for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
            for each in affinities(owner, kind).preferred:
                term = each.podAffinityTerm
                if concerns(term, owner, other, crowd) and same_domain(term.topologyKey, node, at):
                    score += sign * each.weight
    for term in affinities(one, "podAffinity").required:
        score += concerns(term, one, pod, crowd) and same_domain(term.topologyKey, node, at)
    return score


def included(constraint: SpreadConstraint, pod: Pod, shape: Shape, node: Node) -> bool:
    if constraint.nodeAffinityPolicy != "Ignore" and not shape.admits(node):
        return False
    forbidding = [taint for taint in node.spec.taints if taint.effect in ("NoSchedule", "NoExecute")]
    honored = constraint.nodeTaintsPolicy == "Honor"
    return not honored or all(tolerated(taint, pod.spec.tolerations) for taint in forbidding)


def spread_pick(constraint: SpreadConstraint, pod: Pod, other: Pod) -> bool:
    keyed = all(other.metadata.labels.get(key) == pod.metadata.labels[key] for key in shared_keys(constraint, pod))
    return keyed and picks(constraint.labelSelector, other)


def shared_keys(constraint: SpreadConstraint, pod: Pod) -> list[str]:
    return [key for key in constraint.matchLabelKeys if key in pod.metadata.labels]


def spread_count(constraint: SpreadConstraint, pod: Pod, nodes: Iterable[Node], world: World) -> int:
    """The pods of the constraint's group on these nodes."""
    empty = constraint.labelSelector is not None and constraint.labelSelector == LabelSelector()
    if empty and not shared_keys(constraint, pod):
        return 0
    there = [one for node in nodes for one in world.pods.get(node.name, ())]
    return sum(
        one.namespace == pod.namespace and not one.deleting and spread_pick(constraint, pod, one) for one in there
    )


def spread_reasons(pod: Pod, shape: Shape, node: Node, world: World) -> list[str]:
    hard = [each for each in pod.spec.topologySpreadConstraints if each.whenUnsatisfiable == "DoNotSchedule"]
    keys = [each.topologyKey for each in hard]
    complete = [each for each in world.nodes.values() if all(key in each.metadata.labels for key in keys)]
    for each in hard:
        if each.topologyKey not in node.metadata.labels:
            return ["node(s) didn't match pod topology spread constraints (missing required label)"]
        eligible = [one for one in complete if included(each, pod, shape, one)]
        key = each.topologyKey
        domains = {one.metadata.labels[each.topologyKey] for one in eligible}
        counts = {
            domain: spread_count(each, pod, [o for o in eligible if o.metadata.labels[key] == domain], world)
            for domain in domains
        }
        lowest = 0 if len(domains) < max(1, each.minDomains or 1) else min(counts.values())
        own = counts.get(node.metadata.labels[each.topologyKey], 0) + spread_pick(each, pod, pod)
        if own - lowest > each.maxSkew:
            return ["node(s) didn't match pod topology spread constraints"]
    return []


def spread_scores(
    pod: Pod, shape: Shape, nodes: Sequence[Node], world: World, defaults: Sequence[SpreadConstraint] = ()
) -> dict[str, int]:
    own = pod.spec.topologySpreadConstraints
    soft = [each for each in own if each.whenUnsatisfiable == "ScheduleAnyway"] if own else list(defaults)
    if not soft:
        return dict.fromkeys((node.name for node in nodes), 0)
    keys = [each.topologyKey for each in soft] if own else []
    scored = [node for node in nodes if all(key in node.metadata.labels for key in keys)]
    counted = [node for node in world.nodes.values() if all(key in node.metadata.labels for key in keys)]
    raw: dict[str, int] = {}
    for node in scored:
        total = 0.0
        for each in soft:
            if each.topologyKey in node.metadata.labels:
                total += against(each, pod, shape, node, scored, counted, world)
        raw[node.name] = int(total + 0.5)
    high, low = max(raw.values(), default=0), min(raw.values(), default=0)
    points = {name: 100 * (high + low - score) // high if high else 100 for name, score in raw.items()}
    return {node.name: points.get(node.name, 0) for node in nodes}


def against(
    each: SpreadConstraint,
    pod: Pod,
    shape: Shape,
    node: Node,
    scored: Sequence[Node],
    counted: Sequence[Node],
    world: World,
) -> float:
    """What one soft constraint has against a node, before it is rounded."""
    key = each.topologyKey
    if key == "kubernetes.io/hostname":
        count, domains = spread_count(each, pod, [node], world), len(scored)
    else:
        same = [one for one in counted if same_domain(key, node, one) and included(each, pod, shape, one)]
        count, domains = spread_count(each, pod, same, world), len({one.metadata.labels.get(key) for one in scored})
    return count * math.log(domains + 2) + (each.maxSkew - 1)
