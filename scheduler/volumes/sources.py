"""The volumes of a pod as the scheduler reads them: claims, and disks that are named in the pod itself.

Called by `kinds` for the pods, by `shape` for what a pod takes from its node. Frozen, so that what two pods mount can
be compared. Answers to VolumeSource in k8s.io/api core/v1/types.go and to component-helpers storage/ephemeral.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct


class ClaimSource(Struct, gc=False, frozen=True):
    claimName: str = ""


class EphemeralSource(Struct, gc=False, frozen=True):
    """A claim that is made for the one pod: that it is so is all that is read of it."""


class GCEDisk(Struct, gc=False, frozen=True):
    pdName: str = ""
    readOnly: bool = False


class EBSVolume(Struct, gc=False, frozen=True):
    volumeID: str = ""


class ISCSITarget(Struct, gc=False, frozen=True):
    iqn: str = ""
    readOnly: bool = False


class RBDImage(Struct, gc=False, frozen=True):
    monitors: tuple[str, ...] = ()
    pool: str = "rbd"
    image: str = ""
    readOnly: bool = False


class AzureDisk(Struct, gc=False, frozen=True):
    diskURI: str = ""


class CinderVolume(Struct, gc=False, frozen=True):
    volumeID: str = ""


class PortworxVolume(Struct, gc=False, frozen=True):
    volumeID: str = ""


class Volume(Struct, gc=False, frozen=True):
    """A volume of a pod; one of a source that is not named here is the same to every node."""

    name: str = ""
    persistentVolumeClaim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None
    gcePersistentDisk: GCEDisk | None = None
    awsElasticBlockStore: EBSVolume | None = None
    iscsi: ISCSITarget | None = None
    rbd: RBDImage | None = None
    azureDisk: AzureDisk | None = None
    cinder: CinderVolume | None = None
    portworxVolume: PortworxVolume | None = None


class Claimed(NamedTuple):
    """A claim that is mounted. One that is made for its pod has that pod's uid as `owner`, and its name."""

    namespace: str
    name: str
    owner: str = ""
    pod: str = ""

    @property
    def ephemeral(self) -> bool:
        return bool(self.owner)

    @property
    def text(self) -> str:
        """As indexes and messages have it."""
        return f"{self.namespace}/{self.name}"


Disk = GCEDisk | EBSVolume | ISCSITarget | RBDImage | AzureDisk | CinderVolume | PortworxVolume
Mount = Claimed | Disk


def mounts(namespace: str, pod: str, uid: str, volumes: Iterable[Volume]) -> tuple[Mount, ...]:
    """What of a pod's volumes may matter to its place, each once, in the order of the pod."""
    found: dict[Mount, None] = {}
    for each in volumes:
        if each.persistentVolumeClaim is not None:
            found[Claimed(namespace, each.persistentVolumeClaim.claimName)] = None
        elif each.ephemeral is not None:
            found[Claimed(namespace, f"{pod}-{each.name}", uid, pod)] = None
        elif (disk := _disk(each)) is not None:
            found[disk] = None
    return tuple(found)


def claims(of: Iterable[Mount]) -> list[Claimed]:
    """The claims among what is mounted."""
    return [each for each in of if isinstance(each, Claimed)]


def mounts_claim(of: Iterable[Mount], key: tuple[str, str]) -> bool:
    """Whether the claim of that namespace and name is among what is mounted."""
    return any((each.namespace, each.name) == key for each in claims(of))


def _disk(volume: Volume) -> Disk | None:
    return (
        volume.gcePersistentDisk
        or volume.awsElasticBlockStore
        or volume.iscsi
        or volume.rbd
        or volume.azureDisk
        or volume.cinder
        or volume.portworxVolume
    )
