"""May a volume that nobody wants on a node any more be detached from it? Not while it is mounted, but for a dead node.

Called by `volumes` and `nodes`. Answers to `reconcile` in
pkg/controller/volume/attachdetach/reconciler/reconciler.go.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from understudy.kinds.core import NODES, Node
from understudy.state.view import View
from understudy.values import conditions

MOUNTED_AT_MOST = timedelta(minutes=6)
"""How long a node that is not ready may keep a volume that is mounted there."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
NEVER = "disable-force-detach-on-timeout"
"""The setting: "true" if only the taint makes a mounted volume be detached; upstream's flag of that name."""

_unwanted: WeakKeyDictionary[View, dict[tuple[str, str], datetime]] = WeakKeyDictionary()
"""Since when a process has seen a volume unwanted on a node: no object tells. Upstream's ends with the process too."""


@dataclass(frozen=True, slots=True)
class Leave:
    """`granted`: it may be detached. `forced`: without asking the node again. `after`: seconds until it may be."""

    granted: bool
    forced: bool = False
    after: float | None = None


def is_out_of_service(node: Node | None) -> bool:
    """Whether somebody vouches for it that nothing runs there."""
    return node is not None and any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)


def is_ready(node: Node | None) -> bool:
    """Whether its kubelet says that all is well."""
    return node is not None and conditions.is_true(node.status.conditions, "Ready")


def want(name: str, node: str, view: View) -> None:
    """It is wanted there: should it not be one day, the time begins anew."""
    _unwanted.setdefault(view, {}).pop((name, node), None)


def forget(name: str, nodes: Collection[str], view: View) -> None:
    """Of that volume only the times of these nodes are of interest."""
    times = _unwanted.setdefault(view, {})
    for volume, node in [each for each in times if each[0] == name and each[1] not in nodes]:
        del times[volume, node]


def leave(name: str, node_name: str, view: View, now: datetime) -> Leave:
    """Whether the volume, which nobody wants on that node, may be detached from it."""
    node = view.get(NODES, "", node_name)
    since = _unwanted.setdefault(view, {}).setdefault((name, node_name), now)
    expired = now - since >= MOUNTED_AT_MOST and view.settings.get(NEVER) != "true"
    forced = expired or is_out_of_service(node)
    mounted = node is None or name in node.status.volumesInUse
    if not mounted or is_out_of_service(node) or (expired and not is_ready(node)):
        return Leave(granted=True, forced=forced)
    left = (since + MOUNTED_AT_MOST - now).total_seconds()
    waits = not is_ready(node) and view.settings.get(NEVER) != "true"
    return Leave(granted=False, after=left if waits and left > 0 else None)
