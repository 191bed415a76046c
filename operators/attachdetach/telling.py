"""What the Pods of a volume are told about its attachment, in upstream's words, trailing blanks included.

Called by `volumes` and `nodes`. Answers to `reportMultiAttachError` in
pkg/controller/volume/attachdetach/reconciler/reconciler.go and to `GenerateAttachVolumeFunc` in
pkg/volume/util/operationexecutor/operation_generator.go.
"""

from collections.abc import Iterable, Iterator

from understudy.kinds.core import PODS, Pod
from understudy.plan.steps import Event

FAILED = "FailedAttachVolume"
EXCLUSIVE = "Volume is already exclusively attached to one node and can't be attached to another"


def attached(volume: str, pods: Iterable[Pod]) -> Iterator[Event]:
    """`volume`: the name of the PersistentVolume, here and below."""
    for pod in pods:
        yield Event(PODS, pod, "SuccessfulAttachVolume", f'AttachVolume.Attach succeeded for volume "{volume}" ')


def failed(volume: str, pods: Iterable[Pod], why: str) -> Iterator[Event]:
    for pod in pods:
        yield Event(PODS, pod, FAILED, f'AttachVolume.Attach failed for volume "{volume}" : {why}', "Warning")


def held_elsewhere(volume: str, pods: Iterable[Pod], holders: list[Pod]) -> Iterator[Event]:
    """The volume may be attached once, and is to another node, where the `holders` use it."""
    for pod in pods:
        message = f'Multi-Attach error for volume "{volume}" {_used_by(pod, holders)}'
        yield Event(PODS, pod, FAILED, message, "Warning")


def _used_by(pod: Pod, holders: list[Pod]) -> str:
    """Names of Pods of other namespaces are none of this one's business."""
    if not holders:
        return EXCLUSIVE
    near = [each.name for each in holders if each.namespace == pod.namespace]
    far = f"{len(holders) - len(near)} pod(s) in different namespaces"
    if not near:
        return f"Volume is already used by {far}"
    message = f"Volume is already used by pod(s) {', '.join(near)}"
    return f"{message} and {far}" if len(near) < len(holders) else message
