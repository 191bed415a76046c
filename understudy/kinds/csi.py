"""Names around CSI: the drivers of what was built in once, volumes as nodes know them, and attachments.

Every volume loop and the scheduler call this. It answers to the names in k8s.io/csi-translation-lib/plugins, to
pkg/volume/csimigration and to `getAttachmentName` and `GetVolumeName` in pkg/volume/csi.
"""

from collections.abc import Mapping
from hashlib import sha256

from understudy.kinds.storage import CSIVolumeSource, PersistentVolume

IN_TREE = "kubernetes.io/"
DRIVERS: Mapping[str, str] = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
"""What was built in, and the driver that has taken it over."""
UNIQUE = "kubernetes.io/csi/"
_SEPARATOR = "^"


def plugin_taken_over(volume: PersistentVolume) -> str | None:
    """The name of what was built in for the volume's source; None for a source that no driver has taken over."""
    spec = volume.spec
    sources = {
        "kubernetes.io/aws-ebs": spec.awsElasticBlockStore,
        "kubernetes.io/azure-disk": spec.azureDisk,
        "kubernetes.io/azure-file": spec.azureFile,
        "kubernetes.io/cinder": spec.cinder,
        "kubernetes.io/gce-pd": spec.gcePersistentDisk,
        "kubernetes.io/portworx-volume": spec.portworxVolume,
        "kubernetes.io/vsphere-volume": spec.vsphereVolume,
    }
    return next((name for name, source in sources.items() if source is not None), None)


def unique_name(source: CSIVolumeSource) -> str:
    """The volume's name in the status of nodes (`volumesAttached`, `volumesInUse`)."""
    return f"{UNIQUE}{source.driver}{_SEPARATOR}{source.volumeHandle}"


def source_of(name: str) -> CSIVolumeSource | None:
    """What `unique_name` was made of; None if that is no CSI volume."""
    driver, separator, handle = name.removeprefix(UNIQUE).partition(_SEPARATOR)
    if not name.startswith(UNIQUE) or not separator or _SEPARATOR in handle:
        return None
    return CSIVolumeSource(driver, handle)


def attachment_name(source: CSIVolumeSource, node: str) -> str:
    """The name of the VolumeAttachment of that volume to that node."""
    return f"csi-{sha256(f'{source.volumeHandle}{source.driver}{node}'.encode()).hexdigest()}"
