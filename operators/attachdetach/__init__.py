"""persistentvolume-attach-detach-controller: volumes of CSI drivers are attached to the nodes whose Pods use them.

One concern a file: `world` (where each volume is wanted and where it is), `volumes` (attachments made and deleted),
`nodes` (what the status of a node lists), `letting_go` (when a volume may be detached), `telling` (Events). Answers to
pkg/controller/volume/attachdetach. A key names a volume and a node of that name, both are looked after; a volume
whose PersistentVolume is gone has the name that nodes have for it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from understudy.kinds.core import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, Node, PersistentVolumeClaim, Pod
from understudy.kinds.csi import source_of
from understudy.kinds.meta import Key
from understudy.kinds.storage import (
    CSI_DRIVERS,
    PERSISTENT_VOLUMES,
    VOLUME_ATTACHMENTS,
    CSIDriver,
    PersistentVolume,
    VolumeAttachment,
)
from understudy.loop.controller import On, controller, may
from understudy.operators.attachdetach import nodes, volumes
from understudy.operators.attachdetach.letting_go import is_out_of_service, is_ready
from understudy.operators.attachdetach.world import (
    BY_NAME,
    BY_NODE,
    BY_VOLUME,
    OF_DRIVER,
    is_managed,
    is_terminated,
    unique_names,
    volumes_of,
)
from understudy.operators.common.pods import BY_NODE as PODS_OF
from understudy.plan.steps import Decision
from understudy.state.view import View


def _key(name: str) -> Key:
    return Key("", name)


def _of_pod(pod: Pod, view: View) -> Iterable[Key]:
    """Its volumes and its node."""
    if not pod.spec.nodeName or not pod.spec.volumes:
        return ()
    found = [_key(name) for name in volumes_of(pod, view)]
    return [*found, _key(pod.spec.nodeName)] if found else ()


def _came_or_went(new: Pod | None, old: Pod | None) -> bool:
    """Whether a Pod needs its volumes on its node that did not, or the reverse."""
    return _needs(new) != _needs(old)


def _needs(pod: Pod | None) -> tuple[str, str]:
    """Which Pod, and where; nowhere if it needs nothing."""
    there = pod is not None and pod.spec.nodeName and not is_terminated(pod)
    return (pod.uid, pod.spec.nodeName) if pod is not None and there else ("", "")


def _of_claim(claim: PersistentVolumeClaim, view: View) -> Iterable[Key]:
    return _and_nodes(claim.spec.volumeName, view) if claim.spec.volumeName else ()


def _of_volume(volume: PersistentVolume, view: View) -> Iterable[Key]:
    """The volume, its nodes, and what is attached of it should it be gone."""
    return [*_and_nodes(volume.name, view), *map(_key, unique_names(volume))]


def _and_nodes(volume: str, view: View) -> Iterable[Key]:
    """A volume, and the nodes that may list it."""
    return [_key(volume), *(_key(each.spec.nodeName) for each in view.by(VOLUME_ATTACHMENTS, BY_VOLUME, volume))]


def _rewritten(new: PersistentVolume | None, old: PersistentVolume | None) -> bool:
    return new is None or old is None or new.spec != old.spec


def _rebound(new: PersistentVolumeClaim | None, old: PersistentVolumeClaim | None) -> bool:
    return _binding(new) != _binding(old)


def _binding(claim: PersistentVolumeClaim | None) -> tuple[str, ...]:
    return (claim.uid, claim.spec.volumeName, claim.status.phase) if claim is not None else ()


def _of_attachment(each: VolumeAttachment, _: View) -> Iterable[Key]:
    """The volume, and the node that lists it."""
    return [_key(each.spec.source.persistentVolumeName or ""), _key(each.spec.nodeName)]


def _of_driver(driver: CSIDriver, view: View) -> Iterable[Key]:
    volumes = view.by(PERSISTENT_VOLUMES, OF_DRIVER, driver.name)
    return [key for volume in volumes for key in _and_nodes(volume.name, view)]


def _of_node(node: Node, view: View) -> Iterable[Key]:
    """The node; the volumes it lists, those attached to it, and those its Pods want."""
    listed = (key for each in node.status.volumesAttached for key in _of_name(each.name, view))
    tied = (
        _key(each.spec.source.persistentVolumeName or "") for each in view.by(VOLUME_ATTACHMENTS, BY_NODE, node.name)
    )
    used = (_key(name) for pod in view.by(PODS, PODS_OF, node.name) for name in volumes_of(pod, view))
    return dict.fromkeys((node.key, *listed, *tied, *used))


def _changed(new: Node | None, old: Node | None) -> bool:
    return new is None or old is None or _facts(new) != _facts(old)


def _facts(node: Node) -> tuple[Any, ...]:
    status = node.status
    return (
        node.uid,
        status.volumesAttached,
        status.volumesInUse,
        is_managed(node),
        is_ready(node),
        is_out_of_service(node),
    )


def _of_name(name: str, view: View) -> list[Key]:
    """The keys a volume is decided under."""
    found = [volume.key for volume in view.by(PERSISTENT_VOLUMES, BY_NAME, name)]
    return found or [_key(name)]


def gone(key: Key, view: View, now: datetime) -> Decision:
    """There is no PersistentVolume of that name: it is a node's, or that of a volume left behind, or nobody's."""
    if source_of(key.name) is not None and not view.by(PERSISTENT_VOLUMES, BY_NAME, key.name):
        yield from volumes.look_after(key.name, view, now)
    node = view.get(NODES, "", key.name)
    if node is not None:
        yield from nodes.look_after(node, view, now)


@controller(
    "persistentvolume-attach-detach-controller",
    of=PERSISTENT_VOLUMES,
    watches=(
        On(PODS, _of_pod, _came_or_went),
        On(PERSISTENT_VOLUME_CLAIMS, _of_claim, _rebound),
        On(PERSISTENT_VOLUMES, _of_volume, _rewritten),
        On(VOLUME_ATTACHMENTS, _of_attachment),
        On(CSI_DRIVERS, _of_driver),
        On(NODES, _of_node, _changed),
    ),
    rights=(
        may("create delete", VOLUME_ATTACHMENTS),
        may("get", NODES),
        may("patch", NODES, "status"),
    ),
    source="attachdetach-controller",
    upstream="pkg/controller/volume/attachdetach",
    workers=10,
    gone=gone,
    seeds=(NODES,),
)
def decide(volume: PersistentVolume, view: View, now: datetime) -> Decision:
    """Volumes are attached to the nodes whose Pods use them, and to no others."""
    for name in unique_names(volume):
        yield from volumes.look_after(name, view, now)
    yield from gone(volume.key, view, now)
