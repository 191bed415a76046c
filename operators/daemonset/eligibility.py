"""On which nodes a DaemonSet's pods belong, by simulating the scheduler's predicates on its pod template.

Built once a decision and asked for every node; the node wakes ask it, too. Answers to `NodeShouldRunDaemonPod` in
pkg/controller/daemon/daemon_controller.go and to `AddOrUpdateDaemonPodTolerations` in daemon/util/daemonset_util.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from understudy.kinds.core import Node, Taint, Template
from understudy.values import node_selector, selector
from understudy.values.node_selector import NodeSelector
from understudy.values.selector import Selector

Toleration = Mapping[str, Any]

_EVICTING = ("not-ready", "unreachable")
_FORBIDDING = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
_MATCHED = ("key", "effect", "operator", "value")


class Place(NamedTuple):
    """Whether a pod should be started on a node, and whether one that is there may stay."""

    start: bool
    stay: bool


EVERYWHERE = Place(True, True)
NOWHERE = Place(False, False)


class Eligibility:
    """What a pod template demands of a node."""

    def __init__(self, template: Template) -> None:
        spec: Mapping[str, Any] = template.get("spec") or {}
        self._node_name: str = spec.get("nodeName") or ""
        self._labels = _node_labels(spec)
        self._affinity = _required_affinity(spec)
        self._tolerations = with_daemon_tolerations(spec)

    def of(self, node: Node) -> Place:
        """What to do about this node."""
        name = node.name
        if self._node_name not in ("", name):
            return NOWHERE
        labels = node.metadata.labels
        if self._labels is not None and not self._labels.matches(labels):
            return NOWHERE
        if self._affinity is not None and not self._affinity.matches(labels, name):
            return NOWHERE
        return self._by_taints(node.spec.taints) if node.spec.taints else EVERYWHERE

    def _by_taints(self, taints: Sequence[Taint]) -> Place:
        refused = {taint.effect for taint in taints if not _is_tolerated(taint, self._tolerations)}
        return Place("NoSchedule" not in refused and "NoExecute" not in refused, "NoExecute" not in refused)


def with_daemon_tolerations(spec: Mapping[str, Any]) -> list[Toleration]:
    """The tolerations of a pod spec, and every daemon's: to stay on a node in trouble and to go to a cordoned one.

    One of the spec's that differs from a daemon's only in its seconds is replaced.
    """
    wanted = [_toleration(word, "NoExecute") for word in _EVICTING]
    wanted += [_toleration(word, "NoSchedule") for word in _FORBIDDING]
    if spec.get("hostNetwork"):
        wanted.append(_toleration("network-unavailable", "NoSchedule"))
    tolerations: list[Toleration] = list(spec.get("tolerations") or ())
    for each in wanted:
        found = [number for number, present in enumerate(tolerations) if _is_alike(each, present)]
        for number in found:
            tolerations[number] = each
        if not found:
            tolerations.append(each)
    return tolerations


def _toleration(word: str, effect: str) -> Toleration:
    return {"key": f"node.kubernetes.io/{word}", "operator": "Exists", "effect": effect}


def _is_alike(first: Toleration, second: Toleration) -> bool:
    return all((first.get(part) or "") == (second.get(part) or "") for part in _MATCHED)


def _is_tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(_tolerates(each, taint) for each in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    """`ToleratesTaint` in k8s.io/api core/v1/toleration.go."""
    if (toleration.get("effect") or taint.effect) != taint.effect or (toleration.get("key") or taint.key) != taint.key:
        return False
    operator = toleration.get("operator") or "Equal"
    return operator == "Exists" or (operator == "Equal" and (toleration.get("value") or "") == taint.value)


def _node_labels(spec: Mapping[str, Any]) -> Selector | None:
    wanted = spec.get("nodeSelector")
    return selector.from_map(wanted) if wanted else None


def _required_affinity(spec: Mapping[str, Any]) -> NodeSelector | None:
    """None if nothing is required; terms that cannot be read match no node."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else node_selector.from_spec(required)
