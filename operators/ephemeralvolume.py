"""ephemeral-volume-controller: a Pod's generic ephemeral volumes get the claims that are theirs alone.

The claim is owned by the Pod, so it goes with it. Answers to pkg/controller/volume/ephemeral/controller.go (KEP-1698).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from understudy.errors import ApiError
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, PersistentVolumeClaim, Pod, Volume
from understudy.kinds.meta import Key, controller_of
from understudy.loop.controller import On, controller, may
from understudy.operators.common.claims import BY_CLAIM, claim_name, is_made_for
from understudy.plan.steps import Create, Decision, Event
from understudy.state.view import View
from understudy.values import owner as owners

FAILED = "FailedBinding"


def _is_new(new: Pod | None, old: Pod | None) -> bool:
    """Volumes never change; so a Pod is looked at once, and when a claim of its goes."""
    return new is not None and old is None and any(volume.ephemeral is not None for volume in new.spec.volumes)


def _users(claim: PersistentVolumeClaim, view: View) -> Iterable[Key]:
    return [pod.key for pod in view.by(PODS, BY_CLAIM, str(claim.key))]


def _disowned(new: PersistentVolumeClaim | None, old: PersistentVolumeClaim | None) -> bool:
    """Whether a claim is gone, or somebody else's."""
    return old is not None and (new is None or controller_of(new) != controller_of(old))


@controller(
    "ephemeral-volume-controller",
    of=PODS,
    watches=(On(PERSISTENT_VOLUME_CLAIMS, _users, _disowned),),
    rights=(
        may("create", PERSISTENT_VOLUME_CLAIMS),
        may("update", PODS, "finalizers"),  # asked for by admission when claims block the owner's deletion
    ),
    source="ephemeral_volume",
    upstream="pkg/controller/volume/ephemeral",
    workers=5,
    when=_is_new,
)
def decide(pod: Pod, view: View, _: datetime) -> Decision:
    """Each generic ephemeral volume of a Pod has its claim."""
    if pod.deleting:
        return
    for volume in pod.spec.volumes:
        if volume.ephemeral is None:
            continue
        name = claim_name(pod, volume)
        claim = view.get(PERSISTENT_VOLUME_CLAIMS, pod.namespace, name)
        if claim is None:
            yield from _create(pod, volume, name)
        elif not is_made_for(pod, claim):
            where = f"{claim.key} was not created for pod {pod.key} (pod is not owner)"
            yield Event(PODS, pod, FAILED, f"ephemeral volume {volume.name}: PVC {where}", "Warning")
            return  # looked at again when that claim is gone


def _create(pod: Pod, volume: Volume, name: str) -> Decision:
    try:
        body = _body(pod, volume, name)
        yield Create(PERSISTENT_VOLUME_CLAIMS, pod.namespace, body, why=f"the Pod's volume {volume.name} is made of it")
    except ApiError as error:
        told = f"ephemeral volume {volume.name}: create PVC {name}: {error}"
        yield Event(PODS, pod, FAILED, told, "Warning")
        raise


def _body(pod: Pod, volume: Volume, name: str) -> dict[str, Any]:
    """The template's labels, annotations and spec, under the Pod's name and owned by it."""
    template = volume.ephemeral.volumeClaimTemplate if volume.ephemeral is not None else {}
    told = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": pod.namespace,
            "ownerReferences": [owners.reference("v1", "Pod", pod.name, pod.uid)],
            **{part: told[part] for part in ("annotations", "labels") if told.get(part)},
        },
        "spec": template.get("spec") or {},
    }
