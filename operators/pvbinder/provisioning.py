"""A volume that somebody else is to make: who, and that one waits for them.

Called by `claims` when no volume is there for a claim of a class. Answers to `provisionClaim`,
`findProvisionablePlugin` and `provisionClaimOperationExternal` in pkg/controller/volume/persistentvolume/
pv_controller.go, and for the words to pkg/volume/plugins.go. Nothing is provisioned by this process.
"""

from collections.abc import Generator
from typing import Any, Literal

from understudy.errors import ApiError
from understudy.kinds.binding import class_of
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.csi import DRIVERS, IN_TREE
from understudy.kinds.storage import STORAGE_CLASSES
from understudy.operators.pvbinder.facts import BETA_PROVISIONER, PROVISIONER
from understudy.operators.pvbinder.migration import migrated_to
from understudy.operators.pvbinder.writing import Claims
from understudy.plan.steps import Event, Patch, Step
from understudy.state.view import View

FAILED = "ProvisioningFailed"
WAITING = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system "
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
    "registered."
)
HOST_PATH = "kubernetes.io/host-path"
REFUSED = {
    HOST_PATH: f'Failed to create provisioner: provisioning in volume plugin "{HOST_PATH}" is disabled',
    "kubernetes.io/nfs": "no provisionable volume plugin matched",
}


def provision(claim: PersistentVolumeClaim, view: View) -> Generator[Step, Any, None]:
    """Ask the provisioner of the claim's class for a volume, and say so."""
    found = view.get(STORAGE_CLASSES, "", class_of(claim))
    if found is None:
        yield _told(claim, FAILED, f'storageclass.storage.k8s.io "{class_of(claim)}" not found', "Warning")
        return
    provisioner = DRIVERS.get(found.provisioner, found.provisioner)
    if provisioner.startswith(IN_TREE):
        yield from _refuse(claim, provisioner)
        return
    try:
        claim = yield from _ask(claim, provisioner)
    except ApiError as error:
        yield _told(claim, FAILED, f"Error saving claim: {error}", "Warning")
        raise
    yield _told(claim, "ExternalProvisioning", WAITING.format(provisioner))


def _refuse(claim: PersistentVolumeClaim, provisioner: str) -> Generator[Step, Any, None]:
    """What is built in provisions nothing."""
    if provisioner == HOST_PATH:
        claim = yield from _ask(claim, provisioner)
    message = REFUSED.get(provisioner, f"no volume plugin matched name: {provisioner}")
    yield _told(claim, FAILED, message, "Warning")


def _ask(claim: PersistentVolumeClaim, provisioner: str) -> Claims:
    """The annotation that external provisioners wait for."""
    had = claim.metadata.annotations
    if had.get(PROVISIONER) == provisioner:
        return claim
    annotations = {BETA_PROVISIONER: provisioner, PROVISIONER: provisioner, **migrated_to(provisioner, had)}
    body = {"metadata": {"annotations": annotations}}
    new: PersistentVolumeClaim = yield Patch(
        PERSISTENT_VOLUME_CLAIMS, claim, body, why=f"{provisioner} is to make its volume"
    )
    return new


def _told(
    claim: PersistentVolumeClaim, reason: str, message: str, kind: Literal["Normal", "Warning"] = "Normal"
) -> Event:
    return Event(PERSISTENT_VOLUME_CLAIMS, claim, reason, message, kind)
