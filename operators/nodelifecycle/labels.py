"""The beta labels of operating system and architecture follow the stable ones, for what still selects by them.

Answers to reconcileNodeLabels in node_lifecycle_controller.go.
"""

from understudy.kinds.core import NODES, Node
from understudy.plan.steps import Decision, Patch

FOLLOWS = {"beta.kubernetes.io/os": "kubernetes.io/os", "beta.kubernetes.io/arch": "kubernetes.io/arch"}


def reconcile(node: Node) -> Decision:
    """Set each beta label to the value of its stable one; without a stable one there is nothing to follow."""
    labels = node.metadata.labels
    right = {beta: labels[stable] for beta, stable in FOLLOWS.items() if stable in labels}
    wrong = {beta: value for beta, value in right.items() if labels.get(beta) != value}
    if wrong:
        yield Patch(NODES, node, {"metadata": {"labels": wrong}}, why="the beta labels follow the stable ones")
