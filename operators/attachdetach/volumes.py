"""The attachments of one volume: made where it is wanted, deleted where it is not; its driver does the rest.

Called by `decide` and `gone`. Answers to `reconcile` and `attachDesiredVolumes` in
pkg/controller/volume/attachdetach/reconciler/reconciler.go, to pkg/volume/csi/csi_attacher.go and to
`verifyVolumeIsSafeToDetach` in pkg/volume/util/operationexecutor/operation_generator.go.
"""

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from understudy.errors import AlreadyExists, ApiError, NotFound
from understudy.kinds.core import NODES, Node, Pod
from understudy.kinds.csi import UNIQUE, attachment_name, unique_name
from understudy.kinds.storage import PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS, PersistentVolume, VolumeAttachment
from understudy.operators.attachdetach import telling
from understudy.operators.attachdetach.letting_go import forget, leave, want
from understudy.operators.attachdetach.world import BY_NAME, attachments, is_exclusive, is_listed, wanted
from understudy.plan.steps import Create, Delete, Get, Requeue, Step
from understudy.state.view import View
from understudy.values import timestamp

PATIENCE = timedelta(minutes=2)
"""How long a driver is waited for before the Pods are told, and told again."""
TIMED_OUT = "timed out waiting for external-attacher of {} CSI driver to attach volume {}"
GOING = "volume attachment is being deleted"
NOT_CREATED = f"{UNIQUE.rstrip('/')}: attacher.Attach failed: {{}}"

Steps = Generator[Step, Any, None]
Wanted = Mapping[str, list[Pod]]
_told: WeakKeyDictionary[View, set[tuple[str, str]]] = WeakKeyDictionary()
"""Volumes and nodes whose Pods know that another node has the volume: they are told once, as upstream does."""


def look_after(name: str, view: View, now: datetime) -> Steps:
    """Detach the volume of that name where nobody wants it, then attach it where somebody does."""
    users = wanted(name, view)
    held = attachments(name, view)
    forget(name, {each.spec.nodeName for each in held}, view)
    for each in held:
        if each.spec.nodeName not in users:
            yield from _detach(name, each, view, now)
    volumes = view.by(PERSISTENT_VOLUMES, BY_NAME, name)
    for node, pods in users.items():
        want(name, node, view)
        yield from _attach(volumes[0], node, pods, users, view, now)
    known = _told.setdefault(view, set())
    known -= {each for each in known if each[0] == name and each[1] not in users}


# Detaching


def _detach(name: str, each: VolumeAttachment, view: View, now: datetime) -> Steps:
    """Only when its node does not list it any more: that is the node's own decision."""
    node = each.spec.nodeName
    if each.deleting or is_listed(name, view.get(NODES, "", node)):
        return
    found = leave(name, node, view, now)
    if found.after is not None:
        yield Requeue(found.after, why=f"{node} is not ready, and may have it mounted")
    if not found.granted:
        return
    if found.forced or (yield from _is_unused(name, node)):
        yield Delete(VOLUME_ATTACHMENTS, each, why="forced" if found.forced else f"nobody wants it on {node}")


def _is_unused(name: str, node: str) -> Generator[Step, Any, bool]:
    """Whether the node as the server has it does not use the volume: its kubelet may have been told before."""
    try:
        newest: Node = yield Get(NODES, "", node, why="whether the volume is in use there")
    except NotFound:
        return True
    return name not in newest.status.volumesInUse


# Attaching


def _attach(volume: PersistentVolume, node: str, pods: list[Pod], users: Wanted, view: View, now: datetime) -> Steps:
    source = volume.spec.csi
    assert source is not None, "a volume with a name on nodes has a driver"
    name = unique_name(source)
    every = {each.spec.nodeName: each for each in attachments(name, view)}
    mine = every.pop(node, None)
    if mine is not None:
        yield from _await(volume, mine, pods, now)
    elif not is_exclusive(volume) or not every:
        yield from _create(volume, node, pods)
    elif any(each.status.attached and not each.deleting for each in every.values()):
        yield from _refuse(volume, node, pods, [pod for other in every for pod in users.get(other, ())], view)
    elif all(each.status.attachError is not None and not each.deleting for each in every.values()):
        yield from _create(volume, node, pods)  # the others came to nothing; else one waits for them


def _create(volume: PersistentVolume, node: str, pods: list[Pod]) -> Steps:
    source = volume.spec.csi
    assert source is not None, "a volume with a name on nodes has a driver"
    spec = {"attacher": source.driver, "nodeName": node, "source": {"persistentVolumeName": volume.name}}
    body = {
        "apiVersion": VOLUME_ATTACHMENTS.api,
        "kind": VOLUME_ATTACHMENTS.kind,
        "metadata": {"name": attachment_name(source, node)},
        "spec": spec,
    }
    try:
        yield Create(VOLUME_ATTACHMENTS, "", body, why=f"{pods[0].key} is on {node}")
    except AlreadyExists:
        return
    except ApiError as error:
        yield from telling.failed(volume.name, pods, NOT_CREATED.format(error))
        raise
    yield Requeue(PATIENCE.total_seconds(), why="the driver should have attached it by then")


def _await(volume: PersistentVolume, mine: VolumeAttachment, pods: list[Pod], now: datetime) -> Steps:
    """Tell why it is not attached, if it has been long enough or somebody knows."""
    if mine.deleting:
        yield from telling.failed(volume.name, pods, GOING)
        return
    if mine.status.attached:
        return
    error, left = mine.status.attachError, _left(mine, now)
    if error is not None:
        yield from telling.failed(volume.name, pods, error.message)
    elif left <= 0 and volume.spec.csi is not None:
        late = TIMED_OUT.format(volume.spec.csi.driver, volume.spec.csi.volumeHandle)
        yield from telling.failed(volume.name, pods, late)
    yield Requeue(left if left > 0 else PATIENCE.total_seconds(), why="it is not attached")


def _left(mine: VolumeAttachment, now: datetime) -> float:
    """Seconds the driver still has."""
    begun = timestamp.parse(mine.metadata.creationTimestamp) if mine.metadata.creationTimestamp else now
    return (begun + PATIENCE - now).total_seconds()


def _refuse(volume: PersistentVolume, node: str, pods: list[Pod], holders: list[Pod], view: View) -> Steps:
    source = volume.spec.csi
    assert source is not None, "a volume with a name on nodes has a driver"
    known, this = _told.setdefault(view, set()), (unique_name(source), node)
    if this not in known:
        known.add(this)
        yield from telling.held_elsewhere(volume.name, pods, holders)
