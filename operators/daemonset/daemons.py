"""What one decision about a DaemonSet knows: its nodes, its pods by node, and what is to be done next.

Made in `decide`, read by every policy. The counterpart upstream is `getNodesToDaemonPods` in
pkg/controller/daemon/daemon_controller.go, which each of its steps calls anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from understudy.kinds.apps import DaemonSet
from understudy.kinds.core import NODES, PODS, Pod
from understudy.operators.common.pods import is_available, is_terminal
from understudy.operators.daemonset.eligibility import Eligibility, Place
from understudy.operators.daemonset.pods import generation_of, is_updated, node_of
from understudy.state.view import View
from understudy.values.intstr import scaled
from understudy.values.selector import Selector


@dataclass(slots=True)
class Plan:
    """Pods to create, by node, and to delete; events to send before; seconds after which to look again."""

    create: list[str] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wait: float | None = None

    def look_in(self, seconds: float) -> None:
        self.wait = seconds if self.wait is None else min(self.wait, seconds)


class Daemons:
    """`places` tells of every node, `pods` of each node that has or awaits some, `failures` of pods lost just now."""

    def __init__(self, ds: DaemonSet, selector: Selector, hash_: str, view: View, now: datetime) -> None:
        self.ds = ds
        self.selector = selector
        self.hash = hash_
        self.view = view
        self.now = now
        self.generation = generation_of(ds)
        eligible = Eligibility(ds.spec.template)
        self.places: dict[str, Place] = {node.name: eligible.of(node) for node in view.all(NODES)}
        self.pods: dict[str, list[Pod]] = {}
        self.failures: dict[str, int] = {}

    def take(self, pods: Iterable[Pod]) -> None:
        """File these pods by node, but for those of which only an entry is left."""
        self.pods = {}
        for pod in pods:
            if pod.deleting and is_terminal(pod):
                continue
            node = node_of(pod)
            if node is not None:
                self.pods.setdefault(node, []).append(pod)

    def look_again(self) -> None:
        """After writes: the answers are in the view."""
        mine = self.view.controlled(PODS, self.ds)
        self.take(pod for pod in mine if self.selector.matches(pod.metadata.labels))

    def is_updated(self, pod: Pod) -> bool:
        return is_updated(pod, self.hash, self.generation)

    def is_available(self, pod: Pod) -> bool:
        return is_available(pod, self.ds.spec.minReadySeconds, self.now)


def surge(ds: DaemonSet, nodes: int) -> int:
    """Pods beyond one a node that an update of so many nodes may make. ValueError if it cannot be read."""
    strategy = ds.spec.updateStrategy
    if strategy.type != "RollingUpdate" or strategy.rollingUpdate is None:
        return 0
    return scaled(strategy.rollingUpdate.maxSurge or 0, nodes, round_up=True)


def unavailable(ds: DaemonSet, nodes: int) -> int:
    """Nodes that may be without an available pod during an update of so many. ValueError if it cannot be read."""
    strategy = ds.spec.updateStrategy
    if strategy.type != "RollingUpdate" or strategy.rollingUpdate is None:
        return 0
    return scaled(strategy.rollingUpdate.maxUnavailable or 0, nodes, round_up=True)
