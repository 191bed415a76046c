"""VolumeBinding and VolumeZone: which nodes will do for a pod's claims, in both forms, and what is promised."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.builders import SHAPES, Json, label_in, name_in, node
from tests.unit.scheduler.builders import pod as bare_pod
from tests.unit.scheduler.warehouse import (
    DONE,
    Warehouse,
    claim,
    driver,
    mounting,
    room,
    storage_class,
    volume,
)
from understudy.plan.steps import Patch
from understudy.scheduler.framework import Refused, Until
from understudy.scheduler.kinds import Pod
from understudy.scheduler.plugins.volume_binding import VolumeBinding
from understudy.scheduler.plugins.volume_zone import VolumeZone
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.volumes.kinds import PersistentVolume
from understudy.scheduler.volumes.storage import Storage

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
FAR = "node(s) didn't match PersistentVolume's node affinity"
NOTHING = "node(s) didn't find available persistent volumes to bind"
NO_ROOM = "node(s) did not have enough free storage"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
NOBODY = "kubernetes.io/no-provisioner"

Plugin = VolumeBinding | VolumeZone


def warehouse(*objects: Any, nodes: int = 3) -> Warehouse:
    """Nodes n0, n1, … in the zones a and b by turns."""
    made = Warehouse(*(node(f"n{i}", labels={HOST: f"n{i}", ZONE: "ab"[i % 2]}) for i in range(nodes)))
    made.put(*objects)
    return made


def info(pod: Pod) -> PodInfo:
    return SHAPES.describe(pod)


def shape(*claims: str) -> Shape:
    return info(mounting(*claims)).shape


def said(plugin: Plugin, of: Shape, stock: Warehouse) -> dict[str, list[str]]:
    """By node, why it will not do; both forms are asked."""
    columns = stock.columns
    plain = {name: plugin.reasons(of, columns.view(row)) for name, row in columns.row_of.items()}
    passes = plugin.mask(of, columns, columns.all_rows).tolist()
    assert passes == [not plain[name] for name in columns.names]
    found = plugin.rejections(of, columns, columns.all_rows)
    assert all(each.final.tolist() == each.where.tolist() for each in found), "preemption brings no volume near"
    for row, name in enumerate(columns.names):
        assert [each.reason for each in found if each.where[row]] == plain[name]
    return plain


def local(name: str, host: str, **more: Any) -> PersistentVolume:
    return volume(name, label_in(HOST, host), **more)


# Before nodes are looked at


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        (
            [claim(volume="pv", meta={"annotations": {}})],
            "pod has unbound immediate PersistentVolumeClaims",
        ),
        ([claim(cls="unknown")], "pod has unbound immediate PersistentVolumeClaims"),
        ([claim(cls=None)], "pod has unbound immediate PersistentVolumeClaims"),
        ([claim(), storage_class(mode="Immediate")], "pod has unbound immediate PersistentVolumeClaims"),
        ([claim(), storage_class(mode=None)], 'VolumeBindingMode not set for StorageClass "slow"'),
        ([claim(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})], 'persistentvolumeclaim "data" is being deleted'),
    ],
)
def test_claims_that_no_node_will_do_for(objects: list[Any], problem: str) -> None:
    stock = warehouse(*objects)
    verdict = VolumeBinding({}, stock.handle).pre_filter(shape("data"))
    assert verdict is not None
    assert verdict.reason == problem


def test_a_claim_that_has_lost_its_volume() -> None:
    lost = claim(volume="pv")
    lost.status.phase = "Lost"
    verdict = VolumeBinding({}, warehouse(lost).handle).pre_filter(shape("data"))
    assert verdict is not None
    assert verdict.reason == 'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv"'


def test_a_claim_made_for_the_pod_must_be_its_own() -> None:
    pod = info(bare_pod(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}]))
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": "uid-web-1", "controller": True}
    stock = warehouse(storage_class())
    plugin = VolumeBinding({}, stock.handle)
    verdict = plugin.pre_filter(pod.shape)
    told = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "web-1-v"'
    assert verdict is not None
    assert verdict.reason == told
    stock.put(claim("web-1-v"))
    verdict = plugin.pre_filter(pod.shape)
    assert verdict is not None
    assert verdict.reason == "PVC default/web-1-v was not created for pod default/web-1 (pod is not owner)"
    stock.put(claim("web-1-v", meta={"ownerReferences": [owner]}))
    assert plugin.pre_filter(pod.shape) is None


def test_pods_without_claims_are_none_of_its_business() -> None:
    plugin = VolumeBinding({}, warehouse().handle)
    assert not plugin.applies(shape())
    assert plugin.applies(shape("data"))


# Nodes


def test_a_bound_volume_is_reached_from_where_it_is() -> None:
    stock = warehouse(claim(volume="pv"), local("pv", "n1", claimed="data", phase="Bound"))
    assert said(VolumeBinding({}, stock.handle), shape("data"), stock) == {"n0": [FAR], "n1": [], "n2": [FAR]}


def test_a_volume_that_is_not_there() -> None:
    stock = warehouse(claim(volume="pv"), nodes=1)
    plugin = VolumeBinding({}, stock.handle)
    assert said(plugin, shape("data"), stock) == {"n0": [NO_VOLUME]}
    stock.put(volume("pv", claimed="data", phase="Bound"))
    assert said(plugin, shape("data"), stock) == {"n0": []}


def test_a_volume_for_the_taking_is_near_some_nodes_only() -> None:
    stock = warehouse(storage_class(provisioner=NOBODY), claim(), local("pv", "n2"))
    plugin = VolumeBinding({}, stock.handle)
    assert said(plugin, shape("data"), stock) == {"n0": [NOTHING], "n1": [NOTHING], "n2": []}
    stock.put(local("late", "n0"))
    stock.drop(local("pv", "n2"))
    assert said(plugin, shape("data"), stock) == {"n0": [], "n1": [NOTHING], "n2": [NOTHING]}


@pytest.mark.parametrize(
    "unfit",
    [
        {"size": "512Mi"},
        {"cls": "fast"},
        {"accessModes": ["ReadOnlyMany"]},
        {"volumeMode": "Block"},
        {"phase": "Released"},
        {"claimed": "other"},
        {"volumeAttributesClassName": "gold"},
    ],
)
def test_not_every_volume_will_do(unfit: dict[str, Any]) -> None:
    stock = warehouse(storage_class(provisioner=NOBODY), claim(), volume("pv", **unfit), nodes=1)
    assert said(VolumeBinding({}, stock.handle), shape("data"), stock) == {"n0": [NOTHING]}


def test_a_claim_may_select_its_volume_by_labels() -> None:
    objects = [storage_class(provisioner=NOBODY), claim(selector={"matchLabels": {"disk": "ssd"}})]
    stock = warehouse(*objects, volume("pv", labels={"disk": "hdd"}), nodes=1)
    assert said(VolumeBinding({}, stock.handle), shape("data"), stock) == {"n0": [NOTHING]}


def test_two_claims_need_two_volumes() -> None:
    objects = [storage_class(provisioner=NOBODY), claim("a"), claim("b", size="2Gi")]
    stock = warehouse(*objects, volume("large", size="5Gi"), local("small", "n1"))
    plugin = VolumeBinding({}, stock.handle)
    assert said(plugin, shape("a", "b"), stock) == {"n0": [NOTHING], "n1": [], "n2": [NOTHING]}


def test_somebody_may_make_a_volume_where_its_class_allows() -> None:
    zones = [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}]
    stock = warehouse(storage_class(allowedTopologies=zones), claim())
    assert said(VolumeBinding({}, stock.handle), shape("data"), stock) == {"n0": [], "n1": [NOTHING], "n2": []}


def test_somebody_may_make_a_volume_where_there_is_room() -> None:
    pools = [room("a", "10Gi", {"matchLabels": {ZONE: "a"}}), room("b", "512Mi", {"matchLabels": {ZONE: "b"}})]
    stock = warehouse(storage_class(), claim(), driver(), *pools)
    plugin = VolumeBinding({}, stock.handle)
    assert said(plugin, shape("data"), stock) == {"n0": [], "n1": [NO_ROOM], "n2": []}
    stock.put(driver(tells=False))
    assert said(plugin, shape("data"), stock) == {"n0": [], "n1": [], "n2": []}


def test_a_volume_is_made_for_the_node_that_was_chosen() -> None:
    chosen = {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}
    stock = warehouse(storage_class(), claim(meta=chosen), volume("pv"))
    assert said(VolumeBinding({}, stock.handle), shape("data"), stock) == {"n0": [NOTHING], "n1": [], "n2": [NOTHING]}


TERMS = st.sampled_from(
    [(), (label_in(HOST, "n0"),), (label_in(HOST, "n1", "n3"),), (label_in(ZONE, "a"),), (name_in("n2"),)]
    + [
        ({"matchExpressions": [{"key": ZONE, "operator": op, **more}]},)
        for op, more in (("Exists", {}), ("NotIn", {"values": ["b"]}))
    ]
)
SIZES = st.sampled_from(["1Gi", "2Gi", "3Gi"])
CLASSES = st.sampled_from(["slow", "fast", "none"])


@st.composite
def stocks(draw: st.DrawFn) -> tuple[Warehouse, int]:
    """Volumes for the taking, bound, reserved; of classes made anywhere, in a zone, nowhere, or as room allows."""
    zones = [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}]
    objects: list[Any] = [
        storage_class(),
        storage_class("fast", allowedTopologies=zones),
        storage_class("none", NOBODY),
    ]
    if draw(st.booleans()):
        objects += [driver(), room("b", "2Gi", {"matchLabels": {ZONE: "b"}})]
    free = draw(st.lists(st.tuples(TERMS, SIZES, CLASSES), max_size=5))
    objects += [volume(f"pv{i}", *terms, size=size, cls=cls) for i, (terms, size, cls) in enumerate(free)]
    count = draw(st.integers(1, 3))
    for i in range(count):
        kind = draw(st.sampled_from(["bound", "gone", "waits", "waits", "waits", "chosen", "reserved"]))
        size, cls = draw(SIZES), draw(CLASSES)
        meta: Json = {}
        if kind in ("bound", "reserved"):
            objects.append(volume(f"own{i}", *draw(TERMS), size="3Gi", cls=cls, claimed=f"c{i}", phase="Bound"))
        if kind == "chosen":
            meta = {"annotations": {"volume.kubernetes.io/selected-node": draw(st.sampled_from(["n0", "n2", "n9"]))}}
        bound = f"own{i}" if kind in ("bound", "gone") else ""
        objects.append(claim(f"c{i}", bound, size=size, cls=cls, meta={**meta} or None))
    made = warehouse(*objects, nodes=draw(st.integers(1, 5)))
    made.columns.set_node(node("bare"))
    return made, count


@settings(max_examples=30, deadline=None)
@given(stocks())
def test_both_forms_agree(made: tuple[Warehouse, int]) -> None:
    stock, count = made
    plugin = VolumeBinding({}, stock.handle)
    pod = info(mounting(*(f"c{i}" for i in range(count))))
    assert plugin.pre_filter(pod.shape) is None
    for name, reasons in said(plugin, pod.shape, stock).items():
        assert plugin.reserve(pod, name) == ", ".join(reasons)
        plugin.unreserve(pod, name)


# Promises


def test_what_is_promised_to_one_is_not_given_to_another() -> None:
    stock = warehouse(storage_class(provisioner=NOBODY), claim("a"), claim("b"), volume("pv"), nodes=1)
    plugin = VolumeBinding({}, stock.handle)
    first, second = info(mounting("a", name="p1")), info(mounting("b", name="p2"))
    before = plugin.version(second.shape)
    assert plugin.reserve(first, "n0") == ""
    assert plugin.version(second.shape) != before
    assert said(plugin, second.shape, stock) == {"n0": [NOTHING]}
    assert said(plugin, first.shape, stock) == {"n0": []}, "another pod of that claim finds it promised"
    plugin.unreserve(first, "n0")
    plugin.unreserve(first, "n0")
    assert said(plugin, second.shape, stock) == {"n0": []}


def test_of_two_pods_with_one_claim_the_second_follows_the_first() -> None:
    stock = warehouse(storage_class(), claim())
    plugin = VolumeBinding({}, stock.handle)
    first, second = info(mounting("data", name="p1")), info(mounting("data", name="p2"))
    assert plugin.reserve(first, "n1") == ""
    assert said(plugin, second.shape, stock) == {"n0": [NOTHING], "n1": [], "n2": [NOTHING]}
    assert plugin.reserve(second, "n1") == ""
    plugin.unreserve(first, "n1")
    assert said(plugin, second.shape, stock) == {"n0": [NOTHING], "n1": [], "n2": [NOTHING]}
    plugin.unreserve(second, "n1")
    assert said(plugin, second.shape, stock) == {"n0": [], "n1": [], "n2": []}


def decided(stock: Warehouse, node: str, *claims: str) -> tuple[VolumeBinding, PodInfo]:
    """A pod that is assumed on that node, and its volumes promised."""
    plugin, pod = VolumeBinding({}, stock.handle), info(mounting(*claims))
    stock.cache.assume(pod.pod, pod.shape.usage, pod.badge, node)
    assert plugin.reserve(pod, node) == ""
    return plugin, pod


def test_bound_claims_leave_nothing_to_do() -> None:
    stock = warehouse(claim(volume="pv"), volume("pv", claimed="data", phase="Bound"))
    plugin, pod = decided(stock, "n0", "data")
    assert plugin.pre_bind(pod, "n0") is None


def test_the_smallest_volume_is_bound_and_the_rest_is_the_binders() -> None:
    stock = warehouse(storage_class(provisioner=NOBODY), claim(), volume("large", size="2Gi"), local("pv", "n1"))
    plugin, pod = decided(stock, "n1", "data")
    steps = plugin.pre_bind(pod, "n1")
    assert steps is not None
    step = steps.send(None)
    assert isinstance(step, Patch)
    assert step.obj.name == "pv"
    reference = step.body["spec"]["claimRef"]
    assert (reference["name"], reference["uid"], reference["kind"]) == ("data", "uid-data", "PersistentVolumeClaim")
    assert step.body["metadata"] == {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}}
    stock.put(local("pv", "n1", claimed="data"))
    until = steps.send(None)
    assert isinstance(until, Until)
    assert until.timeout == 600
    assert not until.ready()
    stock.put(claim(volume="pv"))
    assert until.ready()
    with pytest.raises(StopIteration):
        steps.send(True)
    plugin.post_bind(pod, "n1")
    assert stock.handle.share(Storage).promised(pod.uid) is None


def waiting(stock: Warehouse, name: str) -> tuple[Any, Until]:
    """A pod on that node whose volume is to be made, as far as waiting for that."""
    plugin, pod = decided(stock, name, "data")
    steps = plugin.pre_bind(pod, name)
    assert steps is not None
    step = steps.send(None)
    assert isinstance(step, Patch)
    assert step.body == {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": name}}}
    chosen = {"volume.kubernetes.io/selected-node": name}
    stock.put(claim(meta={"annotations": chosen}))
    until = steps.send(None)
    assert isinstance(until, Until)
    assert not until.ready()
    return steps, until


def test_a_volume_that_is_made() -> None:
    stock = warehouse(storage_class(), claim())
    steps, until = waiting(stock, "n1")
    chosen = {"volume.kubernetes.io/selected-node": "n1"}
    stock.put(claim(volume="made", meta={"annotations": chosen | DONE}))
    assert until.ready()
    with pytest.raises(StopIteration):
        steps.send(True)


def test_a_volume_that_is_made_elsewhere() -> None:
    stock = warehouse(storage_class(), claim())
    steps, until = waiting(stock, "n1")
    chosen = {"volume.kubernetes.io/selected-node": "n1"}
    stock.put(local("made", "n0", claimed="data"), claim(volume="made", meta={"annotations": chosen | DONE}))
    assert until.ready()
    with pytest.raises(
        Refused, match='pv "made" node affinity doesn\'t match node "n1": no matching NodeSelectorTerms'
    ):
        steps.send(True)


def test_a_provisioner_that_gives_up() -> None:
    stock = warehouse(storage_class(), claim())
    steps, until = waiting(stock, "n1")
    stock.put(claim())
    assert until.ready()
    with pytest.raises(Refused, match='binding volumes: provisioning failed for PVC "data"'):
        steps.send(True)


def test_a_pod_that_goes_while_it_waits() -> None:
    stock = warehouse(storage_class(), claim())
    steps, until = waiting(stock, "n1")
    stock.cache.drop("uid-web-1")
    assert until.ready()
    with pytest.raises(Refused, match='pod does not exist any more: pod "web-1" not found'):
        steps.send(True)


def test_patience_ends() -> None:
    steps, _ = waiting(warehouse(storage_class(), claim()), "n1")
    with pytest.raises(Refused, match="binding volumes: context deadline exceeded"):
        steps.send(False)


# What wakes


def test_only_what_may_help_wakes_a_pod() -> None:
    stock = warehouse(storage_class(), claim())
    plugin, pod = VolumeBinding({}, stock.handle), info(mounting("data")).shape
    hints = {hint.kind.id: hint.helps for hint in plugin.HINTS}
    assert hints["persistentvolumeclaims"](pod, claim(), None)
    assert not hints["persistentvolumeclaims"](pod, claim("other"), None)
    assert not hints["persistentvolumeclaims"](pod, None, claim())
    assert hints["persistentvolumes"](pod, volume(), None)
    assert hints["persistentvolumes"](pod, volume(cls="x", claimed="data"), None)
    assert not hints["persistentvolumes"](pod, volume(cls="x"), None)
    assert hints["storageclasses.storage.k8s.io"](pod, storage_class(), None)
    assert not hints["storageclasses.storage.k8s.io"](pod, storage_class("x"), None)
    assert hints["csidrivers.storage.k8s.io"](pod, driver(tells=False), driver())
    assert not hints["csidrivers.storage.k8s.io"](pod, driver(), driver(tells=False))
    assert hints["csistoragecapacities.storage.k8s.io"](pod, room("a", "1Gi", {}), None)
    assert not hints["csistoragecapacities.storage.k8s.io"](pod, room("a", "1Gi", {}, cls="x"), None)


# Zones

NO_ZONE = "node(s) had no available volume zone"
OLD = "failure-domain.beta.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("labels", "nodes"),
    [
        ({ZONE: "a"}, {"n0", "n2", "bare"}),
        ({ZONE: "a__b"}, {"n0", "n1", "n2", "bare"}),
        ({ZONE: "a__"}, {"n0", "n1", "n2", "bare"}),
        ({OLD: "b"}, {"n1", "bare"}),
        ({"topology.kubernetes.io/region": "r"}, {"bare"}),
        ({}, {"n0", "n1", "n2", "bare"}),
    ],
)
def test_zones_of_volumes(labels: dict[str, str], nodes: set[str]) -> None:
    stock = warehouse(claim(volume="pv"), volume("pv", claimed="data", labels=labels))
    stock.columns.set_node(node("bare"))
    found = said(VolumeZone({}, stock.handle), shape("data"), stock)
    assert {name for name, reasons in found.items() if not reasons} == nodes
    assert {why for reasons in found.values() for why in reasons} <= {NO_ZONE}


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        ([claim(volume="pv")], 'persistentvolume "pv" not found'),
        ([claim(cls="")], "PersistentVolumeClaim had no pv name and storageClass name"),
        ([claim()], 'storageclass.storage.k8s.io "slow" not found'),
        ([claim(), storage_class(mode="Immediate")], "PersistentVolume had no name"),
        ([claim(), storage_class()], ""),
    ],
)
def test_zones_need_volumes(objects: list[Any], problem: str) -> None:
    verdict = VolumeZone({}, warehouse(*objects).handle).pre_filter(shape("data"))
    assert (verdict.reason if verdict is not None else "") == problem
