"""Volumes for the scheduler's oracle: claims in all conditions, what they are or may be bound to, what nodes attach.

Called by `drawn`; all claims and pods of such a case are in one namespace.
"""

import random
from typing import Any

from tests.oracle_scheduler.drawn_nodes import ZONES

Json = dict[str, Any]

NAMESPACE = "default"
DRIVER = "csi.example.com"
CLAIMS = tuple(f"claim-{number}" for number in range(6))
ZONE = "topology.kubernetes.io/zone"
LATER, AT_ONCE, LOCAL = "later", "at-once", "local"
_SIZES = ("1Gi", "2Gi", "5Gi")
_NEVER_MADE = "claim-none"


def storage(rng: random.Random, nodes: list[str]) -> list[Json]:
    """Classes, drivers, claims and volumes."""
    found = [_class(rng, LATER), _class(rng, AT_ONCE), _class(rng, LOCAL), _driver(rng)]
    found += [_csi_node(rng, name) for name in nodes if rng.random() < 0.8]
    found += [_room(rng, number) for number in range(rng.choice((0, 2)))]
    for number, name in enumerate(CLAIMS):
        found += _claim(rng, name, number, nodes)
    return [*found, *(_volume(rng, f"free-{number}", nodes, LOCAL) for number in range(rng.choice((0, 1, 3))))]


def mount(rng: random.Random, pod: Json) -> None:
    """Give the pod some volumes."""
    pod["metadata"]["namespace"] = NAMESPACE
    names = rng.sample((*CLAIMS, _NEVER_MADE) if rng.random() < 0.05 else CLAIMS, rng.choice((0, 1, 1, 2)))
    volumes: list[Json] = [
        {"name": f"v{number}", "persistentVolumeClaim": {"claimName": name}} for number, name in enumerate(names)
    ]
    if rng.random() < 0.25:
        volumes.append({"name": "inline", **_inline(rng)})
    pod["spec"]["volumes"] = volumes


def _inline(rng: random.Random) -> Json:
    number, read_only = rng.randrange(2), rng.random() < 0.4
    return rng.choice(
        (
            {"gcePersistentDisk": {"pdName": f"disk-{number}", "readOnly": read_only}},
            {"awsElasticBlockStore": {"volumeID": f"ebs-{number}"}},
            {"rbd": {"monitors": ["m1"], "pool": "p", "image": f"image-{number}", "readOnly": read_only}},
            {"iscsi": {"targetPortal": "t", "iqn": f"iqn-{number}", "lun": 0, "readOnly": read_only}},
        )
    )


def _named(version: str, kind: str, name: str, **more: Any) -> Json:
    metadata = {"name": name, "uid": f"uid-{kind}-{name}", "resourceVersion": "1"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _class(rng: random.Random, name: str) -> Json:
    mode = "Immediate" if name == AT_ONCE else "WaitForFirstConsumer"
    provisioner = "kubernetes.io/no-provisioner" if name == LOCAL else DRIVER
    made = _named("storage.k8s.io/v1", "StorageClass", name, provisioner=provisioner, volumeBindingMode=mode)
    if name == LATER and rng.random() < 0.4:
        expressions = [{"key": ZONE, "values": rng.sample(ZONES, 2)}]
        made["allowedTopologies"] = [{"matchLabelExpressions": expressions}]
    return made


def _driver(rng: random.Random) -> Json:
    return _named("storage.k8s.io/v1", "CSIDriver", DRIVER, spec={"storageCapacity": rng.random() < 0.4})


def _csi_node(rng: random.Random, name: str) -> Json:
    driver: Json = {"name": DRIVER, "nodeID": name, "topologyKeys": [ZONE]}
    if rng.random() < 0.7:
        driver["allocatable"] = {"count": rng.choice((1, 1, 2, 3))}
    return _named("storage.k8s.io/v1", "CSINode", name, spec={"drivers": [driver]})


def _room(rng: random.Random, number: int) -> Json:
    picks = rng.choice(({"matchLabels": {ZONE: rng.choice(ZONES)}}, {}))
    made = _named("storage.k8s.io/v1", "CSIStorageCapacity", f"room-{number}", storageClassName=LATER)
    made["metadata"]["namespace"] = NAMESPACE
    return made | {"nodeTopology": picks, "capacity": rng.choice(_SIZES)}


def _claim(rng: random.Random, name: str, number: int, nodes: list[str]) -> list[Json]:
    """A claim, with its volume if it is bound to one that exists."""
    kind = rng.choice(("bound", "bound", "bound", LATER, LOCAL, AT_ONCE, "dangling"))
    storage_class = kind if kind in (LATER, LOCAL, AT_ONCE) else rng.choice((LATER, LOCAL))
    modes = [rng.choice(("ReadWriteOnce", "ReadWriteOnce", "ReadWriteOncePod"))]
    spec: Json = {"accessModes": modes, "storageClassName": storage_class}
    spec["resources"] = {"requests": {"storage": rng.choice(_SIZES)}}
    made = _named("v1", "PersistentVolumeClaim", name, spec=spec, status={"phase": "Pending"})
    made["metadata"] |= {"namespace": NAMESPACE, "annotations": {}}
    if kind == LATER and nodes and rng.random() < 0.2:
        made["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = rng.choice(nodes)
    if kind not in ("bound", "dangling"):
        return [made]
    made["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = "yes"
    spec["volumeName"] = f"volume-{number}"
    made["status"]["phase"] = "Bound"
    if kind == "dangling":
        return [made]
    volume = _volume(rng, spec["volumeName"], nodes, storage_class)
    reference = {"kind": "PersistentVolumeClaim", "namespace": NAMESPACE, "name": name}
    volume["spec"] |= {"accessModes": modes, "claimRef": reference | {"uid": made["metadata"]["uid"]}}
    volume["status"]["phase"] = "Bound"
    return [made, volume]


def _volume(rng: random.Random, name: str, nodes: list[str], storage_class: str) -> Json:
    spec: Json = {
        "capacity": {"storage": rng.choice(_SIZES)},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "persistentVolumeReclaimPolicy": "Delete",
        "csi": {"driver": DRIVER, "volumeHandle": rng.choice((name, "shared"))},
    }
    made = _named("v1", "PersistentVolume", name, spec=spec, status={"phase": "Available"})
    made["metadata"]["labels"] = {ZONE: rng.choice((*ZONES, "a__b"))} if rng.random() < 0.3 else {}
    if rng.random() < 0.6:
        expression = rng.choice(
            (
                {"key": ZONE, "operator": "In", "values": rng.sample(ZONES, 2)},
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [rng.choice(nodes or ["node-0"])]},
            )
        )
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    return made
