"""A slow, plain scheduler to compare with: every node looked at on its own, from the pods and nodes themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.unit.scheduler.builders import view
from understudy.scheduler.columns import NodeView
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.profile import FILTERS, SCORES
from understudy.scheduler.shape import Shape


@dataclass
class World:
    """Nodes by name, and the pods on each name, whether such a node exists or not."""

    nodes: dict[str, Node] = field(default_factory=dict)
    pods: dict[str, list[Pod]] = field(default_factory=dict)

    def views(self) -> dict[str, NodeView]:
        return {name: view(node, *self.pods.get(name, ())) for name, node in self.nodes.items()}


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The reasons of the first filter that turns the node down."""
    for plugin in FILTERS:
        if plugin.applies(shape) and (found := plugin.reasons(shape, node)):
            return found
    return []


def feasible(shape: Shape, world: World) -> dict[str, NodeView]:
    return {name: node for name, node in world.views().items() if not reasons(shape, node)}


def totals(shape: Shape, nodes: Mapping[str, NodeView]) -> dict[str, int]:
    """The weighted total of each of these feasible nodes."""
    total: Counter[str] = Counter()
    for plugin, weight in SCORES:
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
