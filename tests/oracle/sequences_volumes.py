"""What users do with claims and volumes, step by step. `sequences` adds these to its own.

Volumes and classes are the cluster's: those of a sequence have names of its own, and are not taken for another's
because each has a class of its own. What becomes of volumes shows in their claims and in Events.
"""

from typing import Any

from tests.oracle.acts import Body, Create, Kubectl, Patch, Sequence, step
from tests.oracle.bodies import pod

CHOSEN = {"volume.kubernetes.io/selected-node": "n"}
TEMPORARY, ELSEWHERE = "/tmp/oracle-none", "/data/none"


def claim(name: str, cls: str, size: str = "1Gi", **spec: Any) -> Create:
    """A claim for one writer."""
    asked = {"requests": {"storage": size}}
    own = {"accessModes": ["ReadWriteOnce"], "storageClassName": cls, "resources": asked}
    return Create("PersistentVolumeClaim", {"metadata": {"name": name}, "spec": own | spec})


def volume(name: str, cls: str, size: str = "1Gi", labels: dict[str, str] | None = None, **spec: Any) -> Create:
    """A volume of a CSI driver that nobody runs."""
    own: Body = {"accessModes": ["ReadWriteOnce"], "storageClassName": cls, "capacity": {"storage": size}}
    own |= {"csi": {"driver": "csi.example.com", "volumeHandle": name}, "persistentVolumeReclaimPolicy": "Retain"}
    return Create("PersistentVolume", {"metadata": {"name": name, "labels": labels or {}}, "spec": own | spec})


def host_path(name: str, cls: str, path: str) -> Create:
    return volume(name, cls, csi=None, hostPath={"path": path}, persistentVolumeReclaimPolicy="Delete")


def storage_class(name: str, **fields: Any) -> Create:
    return Create("StorageClass", {"metadata": {"name": name}, "provisioner": "csi.example.com", **fields})


def drop(name: str) -> Kubectl:
    return Kubectl(f"delete persistentvolumeclaim {name} --wait=false")


def user(name: str, of: str) -> Create:
    """A pod of the claim, which nobody schedules."""
    return pod(name, volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": of}}], schedulerName="nobody")


def resize(name: str, size: str) -> Patch:
    return Patch("PersistentVolumeClaim", name, {"spec": {"resources": {"requests": {"storage": size}}}})


VOLUMES = (
    Sequence(
        "volumes-match",
        (
            step("volumes", volume("m-small", "match", "1Gi"), volume("m-large", "match", "5Gi")),
            step("the smaller", claim("one", "match")),
            step("what is left", claim("two", "match")),
            step("none is left", claim("three", "match"), still=4.0),
            step("one more", volume("m-more", "match", "2Gi"), still=12.0),
        ),
    ),
    Sequence(
        "volumes-choice",
        (
            step(
                "volumes", volume("c-a", "choice", labels={"tier": "a"}), volume("c-b", "choice", labels={"tier": "b"})
            ),
            step("by label", claim("labelled", "choice", selector={"matchLabels": {"tier": "b"}})),
            step("by name", claim("named", "choice", volumeName="c-a")),
        ),
    ),
    Sequence(
        "volumes-unfit",
        (
            step(
                "volumes",
                volume("u-small", "unfit", "1Gi"),
                volume("u-block", "unfit", "9Gi", volumeMode="Block"),
                volume("u-shared", "unfit", "9Gi", accessModes=["ReadOnlyMany"]),
                volume("u-other", "another", "9Gi"),
            ),
            step("none fits", claim("none", "unfit", "5Gi"), still=4.0),
            step("named but small", claim("small", "unfit", "5Gi", volumeName="u-small"), still=12.0),
            step("named but of another class", claim("other", "unfit", volumeName="u-other"), still=12.0),
            step("block", claim("block", "unfit", volumeMode="Block"), still=4.0),
        ),
    ),
    Sequence(
        "volumes-released",
        (
            step("volume", volume("rel", "released")),
            step("bound", claim("data", "released"), still=4.0),
            step("dropped", drop("data"), still=4.0),
            step("claimed again", claim("data", "released"), still=12.0),
            step("freed", Patch("PersistentVolume", "rel", {"spec": {"claimRef": None}}), still=18.0),
        ),
    ),
    Sequence(
        "volumes-first-consumer-reserved",
        (
            step("class", storage_class("later", volumeBindingMode="WaitForFirstConsumer")),
            step("claim", claim("data", "later"), still=4.0),
            step(
                "a volume is reserved for it",
                volume("l", "later", claimRef={"namespace": "oracle-volumes-first-consumer-reserved", "name": "data"}),
                still=18.0,
            ),
        ),
    ),
    Sequence(
        "volumes-reserved",
        (
            step(
                "reserved",
                volume("r-mine", "reserved", "9Gi", claimRef={"namespace": "oracle-volumes-reserved", "name": "mine"}),
            ),
            step("claimed", claim("mine", "reserved")),
            step("dropped", drop("mine"), still=4.0),
        ),
    ),
    Sequence(
        "volumes-gone",
        (
            step("volume", volume("g", "gone")),
            step("bound", claim("data", "gone")),
            step(
                "the volume is lost",
                Kubectl("delete persistentvolume g --wait=false"),
                Patch("PersistentVolume", "g", {"metadata": {"finalizers": None}}),
                still=4.0,
            ),
        ),
    ),
    Sequence(
        "volumes-provisioner",
        (
            step("class", storage_class("provisioned")),
            step("claim", claim("data", "provisioned"), still=4.0),
        ),
    ),
    Sequence(
        "volumes-first-consumer",
        (
            step("class", storage_class("late", volumeBindingMode="WaitForFirstConsumer"), volume("w", "late")),
            step("claim", claim("data", "late")),
            step("pod", user("a", "data"), still=12.0),
            step(
                "a node is chosen",
                Patch("PersistentVolumeClaim", "data", {"metadata": {"annotations": CHOSEN}}),
                still=4.0,
            ),
        ),
    ),
    Sequence(
        "volumes-expand",
        (
            step("volume", storage_class("grows", allowVolumeExpansion=True), volume("e", "grows")),
            step("bound", claim("data", "grows"), still=4.0),
            step("more", resize("data", "2Gi")),
        ),
    ),
    Sequence(
        "volumes-reclaim",
        (
            step("volumes", host_path("d-tmp", "tmp", TEMPORARY), host_path("d-data", "data", ELSEWHERE)),
            step("bound", claim("tmp", "tmp"), claim("data", "data"), still=4.0),
            step("dropped", drop("tmp"), drop("data"), still=4.0),
        ),
    ),
)
