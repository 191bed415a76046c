"""The taints a node's conditions ask for, and the patch that makes them so. Taints of other keys are not touched.

Answers to doNoScheduleTaintingPass, doNoExecuteTaintingPass and processTaintBaseEviction in
node_lifecycle_controller.go. When a NoExecute taint may be added is told by `zones`.
"""

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from math import inf
from typing import Any

from understudy.kinds.core import NODES, Node, Taint
from understudy.operators.common.taints import body
from understudy.operators.nodelifecycle import zones
from understudy.operators.nodelifecycle.zones import EVICTING
from understudy.plan.steps import Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import timestamp

PREFIX = "node.kubernetes.io/"
NOT_READY = PREFIX + "not-ready"
UNREACHABLE = PREFIX + "unreachable"
UNSCHEDULABLE = PREFIX + "unschedulable"
BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): PREFIX + "memory-pressure",
    ("DiskPressure", "True"): PREFIX + "disk-pressure",
    ("NetworkUnavailable", "True"): PREFIX + "network-unavailable",
    ("PIDPressure", "True"): PREFIX + "pid-pressure",
}
SCHEDULING = frozenset({*BY_CONDITION.values(), UNSCHEDULABLE})

Sign = tuple[str, str]
"""A taint's key and effect: what makes two taints the same (Taint.MatchTaint)."""


def wanted(node: Node) -> list[Sign]:
    """The taints this controller answers for, as the node's conditions and spec ask for them."""
    found = {(one.type, one.status) for one in node.status.conditions}
    keys = [key for sign, key in BY_CONDITION.items() if sign in found]
    signs = [(key, "NoSchedule") for key in keys]
    if node.spec.unschedulable:
        signs.append((UNSCHEDULABLE, "NoSchedule"))
    return signs + [(key, "NoExecute") for key in keys if key in EVICTING]


def ours(taint: Taint) -> bool:
    """Whether this controller answers for the taint, and so may remove it."""
    if taint.effect == "NoSchedule":
        return taint.key in SCHEDULING
    return taint.effect == "NoExecute" and taint.key in EVICTING


def follow(node: Node, view: View, now: datetime) -> Generator[Step, Any, Node]:
    """Make the taints what the conditions ask for, the evicting ones when it is time; the node as it is then."""
    signs = wanted(node)
    if any(effect == "NoExecute" for _, effect in signs):
        wait = zones.wait(node, view, now)
        if 0 < wait < inf:
            yield Requeue(wait, why="NoExecute taints spread through its zone no faster")
        if wait > 0:
            signs = [sign for sign in signs if sign[1] != "NoExecute"]
    return (yield from _make(node, signs, now))


def _make(node: Node, signs: Sequence[Sign], now: datetime) -> Generator[Step, Any, Node]:
    held = {(taint.key, taint.effect) for taint in node.spec.taints}
    kept = [taint for taint in node.spec.taints if not ours(taint) or (taint.key, taint.effect) in signs]
    missing = [sign for sign in signs if sign not in held]
    if not missing and len(kept) == len(node.spec.taints):
        return node
    taints = [*(body(taint) for taint in kept), *_new(missing, now)]
    why = ", ".join(f"{key.removeprefix(PREFIX)}:{effect}" for key, effect in signs) or "none"
    patched: Node = yield Patch(NODES, node, {"spec": {"taints": taints or None}}, why=f"its conditions ask for {why}")
    return patched


def _new(signs: Iterable[Sign], now: datetime) -> list[dict[str, str]]:
    return [{"key": key, "effect": effect, "timeAdded": timestamp.format(now)} for key, effect in signs]
