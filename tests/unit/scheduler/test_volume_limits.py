"""VolumeRestrictions and NodeVolumeLimits: what pods on nodes leave of disks, claims and places to attach volumes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.builders import SHAPES, node, pod
from tests.unit.scheduler.warehouse import Warehouse, attachment, claim, csi_node, mounting, storage_class, volume
from understudy.scheduler import trial
from understudy.scheduler.kinds import Pod
from understudy.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from understudy.scheduler.plugins.volume_restrictions import VolumeRestrictions
from understudy.scheduler.shape import Shape

DISK = "node(s) had no available disk"
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)
FULL = "node(s) exceed max volume count"
DRIVER = "csi.example.com"

Plugin = VolumeRestrictions | NodeVolumeLimits


def warehouse(*objects: Any, nodes: int = 2) -> Warehouse:
    made = Warehouse(*(node(f"n{i}") for i in range(nodes)))
    made.put(*objects)
    return made


def shape_of(of: Pod) -> Shape:
    return SHAPES.describe(of).shape


def said(plugin: Plugin, of: Shape, stock: Warehouse) -> dict[str, list[str]]:
    """By node, why it will not do; both forms are asked."""
    columns = stock.columns
    plain = {name: plugin.reasons(of, columns.view(row)) for name, row in columns.row_of.items()}
    passes = plugin.mask(of, columns, columns.all_rows).tolist()
    assert passes == [not plain[name] for name in columns.names]
    found = plugin.rejections(of, columns, columns.all_rows)
    assert not any(each.final.any() for each in found), "somebody may leave"
    for row, name in enumerate(columns.names):
        assert [each.reason for each in found if each.where[row]] == plain[name]
    return plain


# Restrictions


def with_disk(name: str = "web-1", /, **source: Any) -> Pod:
    return pod(name, volumes=[{"name": "v", **source}])


GCE = {"gcePersistentDisk": {"pdName": "d"}}
GCE_READING = {"gcePersistentDisk": {"pdName": "d", "readOnly": True}}
EBS = {"awsElasticBlockStore": {"volumeID": "d"}}
ISCSI = {"iscsi": {"iqn": "d", "targetPortal": "p", "lun": 0}}
RBD = {"rbd": {"monitors": ["a", "b"], "image": "d"}}


@pytest.mark.parametrize(
    ("there", "wanted", "passes"),
    [
        (GCE, GCE, False),
        (GCE_READING, GCE, False),
        (GCE_READING, GCE_READING, True),
        (GCE, EBS, True),
        (EBS, EBS, False),
        (EBS, {"awsElasticBlockStore": {"volumeID": "e"}}, True),
        (ISCSI, ISCSI, False),
        (RBD, {"rbd": {"monitors": ["b", "c"], "image": "d"}}, False),
        (RBD, {"rbd": {"monitors": ["c"], "image": "d"}}, True),
        (RBD, {"rbd": {"monitors": ["b"], "image": "d", "pool": "p"}}, True),
        (RBD, {"rbd": {"monitors": ["b"], "image": "d", "readOnly": True}}, False),
    ],
)
def test_a_disk_is_given_to_one(there: dict[str, Any], wanted: dict[str, Any], passes: bool) -> None:
    stock = warehouse()
    stock.place(with_disk("there", **there), "n0")
    found = said(VolumeRestrictions({}, stock.handle), shape_of(with_disk(**wanted)), stock)
    assert found == {"n0": [] if passes else [DISK], "n1": []}


def test_pods_without_such_volumes_are_none_of_its_business() -> None:
    plugin = VolumeRestrictions({}, warehouse().handle)
    assert not plugin.applies(shape_of(pod()))
    assert not plugin.applies(shape_of(with_disk(azureDisk={"diskURI": "u"})))
    assert not plugin.applies(shape_of(with_disk(emptyDir={})))


def test_a_claim_for_one_pod_is_given_to_one() -> None:
    stock = warehouse(claim(volume="pv", accessModes=["ReadWriteOncePod"]), claim("many", volume="pv2"))
    plugin = VolumeRestrictions({}, stock.handle)
    wanted = shape_of(mounting("data", "many"))
    stock.place(mounting("many", name="other"), "n0")
    before = plugin.version(wanted)
    assert said(plugin, wanted, stock) == {"n0": [], "n1": []}
    stock.place(mounting("data", name="there"), "n1")
    assert plugin.version(wanted) != before, "a pod elsewhere matters to all nodes"
    assert said(plugin, wanted, stock) == {"n0": [IN_USE], "n1": [IN_USE]}
    stock.cache.drop("uid-there")
    assert said(plugin, wanted, stock) == {"n0": [], "n1": []}


def test_the_pod_that_has_it_may_leave() -> None:
    stock = warehouse(claim(volume="pv", accessModes=["ReadWriteOncePod"]))
    plugin = VolumeRestrictions({}, stock.handle)
    wanted = shape_of(mounting("data"))
    stock.place(mounting("data", name="there"), "n1")
    tenant = stock.cache.get("uid-there")
    assert tenant is not None
    on_trial = trial._Alone(wanted, stock.columns.view(stock.columns.row_of["n1"]), ())
    assert plugin.reasons(wanted, on_trial._view) == [IN_USE]
    on_trial.remove(tenant)
    assert plugin.reasons(wanted, on_trial._view) == []
    on_trial.add(tenant)
    assert plugin.reasons(wanted, on_trial._view) == [IN_USE]


def test_a_claim_must_be_there() -> None:
    verdict = VolumeRestrictions({}, warehouse().handle).pre_filter(shape_of(mounting("data")))
    assert verdict is not None
    assert verdict.reason == 'persistentvolumeclaim "data" not found'


# Limits


def csi(name: str, handle: str = "", **more: Any) -> Any:
    return volume(name, csi={"driver": DRIVER, "volumeHandle": handle or name}, phase="Bound", **more)


def stocked(limit: int, *bound: str, **more: Any) -> Warehouse:
    """Bound claims with volumes of a driver that can attach so many to n0, and any number to n1."""
    objects = [each for name in bound for each in (claim(name, f"pv-{name}"), csi(f"pv-{name}", claimed=name))]
    return warehouse(*objects, csi_node("n0", {DRIVER: limit}), **more)


def test_a_node_has_room_for_so_many_volumes() -> None:
    stock = stocked(2, "a", "b", "c")
    plugin = NodeVolumeLimits({}, stock.handle)
    stock.place(mounting("a", name="p1"), "n0")
    assert said(plugin, shape_of(mounting("b")), stock) == {"n0": [], "n1": []}
    assert said(plugin, shape_of(mounting("b", "c")), stock) == {"n0": [FULL], "n1": []}
    stock.place(mounting("b", name="p2"), "n0")
    assert said(plugin, shape_of(mounting("c")), stock) == {"n0": [FULL], "n1": []}
    assert said(plugin, shape_of(mounting("a")), stock) == {"n0": [], "n1": []}, "it is there already"
    stock.cache.drop("uid-p2")
    assert said(plugin, shape_of(mounting("c")), stock) == {"n0": [], "n1": []}


def test_a_volume_that_is_attached_still_takes_room() -> None:
    stock = stocked(1, "a", "b")
    plugin = NodeVolumeLimits({}, stock.handle)
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == []
    before, left = plugin.version(shape_of(mounting("b"))), attachment("pv-a", "n0")
    stock.put(left)
    assert plugin.version(shape_of(mounting("b"))) != before
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == [FULL]
    stock.place(mounting("a", name="p1"), "n0")
    assert said(plugin, shape_of(mounting("a")), stock)["n0"] == [], "pod and attachment count once"
    stock.cache.drop("uid-p1")
    stock.drop(left)
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == []


def test_volumes_that_are_still_to_be_made_count_for_their_class() -> None:
    stock = warehouse(storage_class(provisioner=DRIVER), claim("a"), claim("b"), csi_node("n0", {DRIVER: 1}))
    plugin = NodeVolumeLimits({}, stock.handle)
    stock.place(mounting("a", name="p1"), "n0")
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == [FULL]
    stock.put(claim("a", "pv-a"), csi("pv-a", claimed="a"))
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == [FULL]
    stock.put(csi_node("n0", {DRIVER: 2}))
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == []


def test_a_claim_that_is_bound_counts_as_its_volume() -> None:
    stock = stocked(1, "b")
    stock.put(storage_class(provisioner="other"), claim("a"), csi("pv-a", claimed="a"))
    plugin = NodeVolumeLimits({}, stock.handle)
    stock.place(mounting("a", name="p1"), "n0")
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == []
    stock.put(claim("a", "pv-a"))
    assert said(plugin, shape_of(mounting("b")), stock)["n0"] == [FULL]


def test_what_was_built_in_counts_where_a_driver_has_taken_over() -> None:
    limit = {"pd.csi.storage.gke.io": 1}
    stock = warehouse(csi_node("n0", limit, "kubernetes.io/gce-pd"), csi_node("n1", limit))
    plugin = NodeVolumeLimits({}, stock.handle)
    for name in ("n0", "n1"):
        stock.place(with_disk(f"on-{name}", gcePersistentDisk={"pdName": f"of-{name}"}), name)
    assert said(plugin, shape_of(with_disk(**GCE)), stock) == {"n0": [FULL], "n1": []}
    old = volume("pv", claimed="data", gcePersistentDisk={"pdName": "e"})
    stock.put(claim(volume="pv"), old)
    assert said(plugin, shape_of(mounting("data")), stock) == {"n0": [FULL], "n1": []}


def test_nodes_that_come_later_are_counted_too() -> None:
    stock = stocked(1, "a", nodes=0)
    plugin = NodeVolumeLimits({}, stock.handle)
    stock.put(csi_node("n7", {DRIVER: 0}))
    assert said(plugin, shape_of(mounting("a")), stock) == {}
    for number in range(70):
        stock.columns.set_node(node(f"n{number}"))
    found = said(plugin, shape_of(mounting("a")), stock)
    assert {name for name, reasons in found.items() if reasons} == {"n7"}


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from("abcde"), st.sampled_from(["n0", "n1"])),
        st.tuples(st.just("drop"), st.sampled_from("abcde"), st.just("")),
        st.tuples(st.sampled_from(["made", "bound", "gone"]), st.sampled_from("abcde"), st.just("")),
        st.tuples(st.just("attach"), st.sampled_from("abcde"), st.sampled_from(["n0", "n1"])),
        st.tuples(st.just("limit"), st.sampled_from("0123"), st.sampled_from(["n0", "n1"])),
        st.tuples(st.just("class"), st.sampled_from(["csi.example.com", "other"]), st.just("")),
    ),
    min_size=4,
    max_size=16,
)


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_both_forms_agree_whatever_happens(moves: list[tuple[str, str, str]]) -> None:
    stock = warehouse(storage_class(), *(claim(name) for name in "abcde"))
    plugin = NodeVolumeLimits({}, stock.handle)
    for what, which, where in moves:
        match what:
            case "place":
                stock.place(mounting(which, name=f"p-{which}"), where)
            case "drop":
                stock.cache.drop(f"uid-p-{which}")
            case "made":
                stock.put(csi(f"pv-{which}", f"shared-{which in 'ab'}", claimed=which))
            case "bound":
                stock.put(claim(which, f"pv-{which}"))
            case "gone":
                stock.drop(csi(f"pv-{which}"))
            case "attach":
                stock.put(attachment(f"pv-{which}", where))
            case "limit":
                stock.put(csi_node(where, {DRIVER: int(which)}))
            case "class":
                stock.put(storage_class(provisioner=which))
        said(plugin, shape_of(mounting("a", "b")), stock)


def test_only_what_may_help_wakes_a_pod() -> None:
    stock = stocked(1, "a")
    hints = {hint.kind.id: hint.helps for hint in NodeVolumeLimits({}, stock.handle).HINTS}
    wanted = shape_of(mounting("a"))
    nodes = hints["csinodes.storage.k8s.io"]
    assert nodes(wanted, csi_node("n0", {DRIVER: 2}), csi_node("n0", {DRIVER: 1}))
    assert not nodes(wanted, csi_node("n0", {DRIVER: 1}), csi_node("n0", {DRIVER: 2}))
    assert nodes(wanted, csi_node("n0"), None)
    assert nodes(wanted, csi_node("n0"), csi_node("n0", {DRIVER: 1})), "no limit any more"
    assert nodes(wanted, None, csi_node("n0", {DRIVER: 1}))
    assert not nodes(wanted, csi_node("n0", {DRIVER: 1}), csi_node("n0", {}))
    assert hints["volumeattachments.storage.k8s.io"](wanted, None, attachment("pv", "n0"))
    assert not hints["volumeattachments.storage.k8s.io"](wanted, attachment("pv", "n0"), None)
    assert hints["persistentvolumeclaims"](wanted, claim("a"), None)
    assert not hints["persistentvolumeclaims"](wanted, claim("z"), None)
