"""The list of attached volumes in a node's status, by which its kubelet knows what it may mount.

Called by `gone` and `decide` for the keys of nodes. One decision writes the whole list, so that its volumes do not
get in each other's way. A volume leaves the list before it is detached. Answers to
pkg/controller/volume/attachdetach/statusupdater/node_status_updater.go.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import NotFound
from understudy.kinds.core import NODES, AttachedVolume, Node
from understudy.kinds.csi import source_of
from understudy.kinds.storage import PERSISTENT_VOLUMES
from understudy.operators.attachdetach import telling
from understudy.operators.attachdetach.letting_go import leave, want
from understudy.operators.attachdetach.world import BY_NAME, attachment, is_listed, known_on, wanted
from understudy.plan.steps import Patch, Requeue, Step
from understudy.state.view import View


def look_after(node: Node, view: View, now: datetime) -> Generator[Step, Any, None]:
    """Bring the list up to date, and tell the Pods whose volumes are new on it."""
    before = node.status.volumesAttached
    waits: list[float] = []
    names = [name for name in known_on(node, view) if _stays(name, node, view, now, waits)]
    if names != [each.name for each in before]:
        yield from _write(node, names)
        yield from _tell(set(names) - {each.name for each in before}, node, view)
    if waits:
        yield Requeue(min(waits), why="a volume is mounted on a node that is not ready")


def _stays(name: str, node: Node, view: View, now: datetime, waits: list[float]) -> bool:
    """Whether the volume is attached, and is wanted or still mounted. What is no CSI volume is not ours to judge."""
    source = source_of(name)
    if source is None:
        return True
    found = attachment(source, node.name, view)
    if found is None or not found.status.attached or (found.deleting and not is_listed(name, node)):
        return False
    if node.name in wanted(name, view):
        want(name, node.name, view)
        return True
    return not _may_leave(name, node, view, now, waits)


def _may_leave(name: str, node: Node, view: View, now: datetime, waits: list[float]) -> bool:
    found = leave(name, node.name, view, now)
    if found.after is not None:
        waits.append(found.after)
    return found.granted


def _write(node: Node, names: list[str]) -> Generator[Step, Any, None]:
    paths = {each.name: each.devicePath for each in node.status.volumesAttached}
    listed = [AttachedVolume(name, paths.get(name, "")) for name in names]
    body = {"volumesAttached": [{"name": each.name, "devicePath": each.devicePath} for each in listed] or None}
    why = f"{len(listed)} volumes are attached"
    try:
        yield Patch(NODES, node, {"status": body}, why=why, subresource="status")
    except NotFound:
        return


def _tell(new: set[str], node: Node, view: View) -> Generator[Step, Any, None]:
    for name in sorted(new):
        volumes = view.by(PERSISTENT_VOLUMES, BY_NAME, name)
        if volumes:
            yield from telling.attached(volumes[0].name, wanted(name, view).get(node.name, ()))
