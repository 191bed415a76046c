"""DynamicResources: which nodes will do for a pod's claims, in both forms, what is promised and what is written."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.builders import Json, node, pod
from tests.unit.scheduler.devices import (
    DRIVER,
    allocated,
    asked,
    claim,
    depot,
    device,
    device_class,
    slice_of,
    using,
)
from tests.unit.scheduler.warehouse import Warehouse
from understudy.errors import Conflict, Forbidden
from understudy.plan.steps import Get, Patch
from understudy.scheduler.asked import Asked
from understudy.scheduler.framework import Refused, Steps
from understudy.scheduler.kinds import Pod
from understudy.scheduler.plugins import node_unschedulable
from understudy.scheduler.plugins.dynamic_resources import NAME, DynamicResources
from understudy.scheduler.profile import assemble
from understudy.scheduler.shape import PodInfo, Shape, wish_of
from understudy.scheduler.terms import ALONE, badge_of

CANNOT = "cannot allocate all claims"
ELSEWHERE = "resourceclaim not available on the node"


def info(of: Pod, plugin: DynamicResources) -> PodInfo:
    """The pod as a profile of this plugin alone sees it."""
    wish = plugin.wish(of)
    shape = Shape(wish_of(of, ALONE, () if wish is None else ((NAME, wish),)))
    shape.asked = Asked(assemble("x", [(plugin, 0)]), shape)
    return PodInfo(of, shape, badge_of(of))


def said(plugin: DynamicResources, of: Shape, stock: Warehouse) -> dict[str, list[str]]:
    """By node, why it will not do; both forms are asked."""
    columns = stock.columns
    plain = {name: plugin.reasons(of, columns.view(row)) for name, row in columns.row_of.items()}
    passes = plugin.mask(of, columns, columns.all_rows).tolist()
    assert passes == [not plain[name] for name in columns.names]
    found = plugin.rejections(of, columns, columns.all_rows)
    assert all(each.final.tolist() == each.where.tolist() for each in found), "nobody who leaves gives devices back"
    for row, name in enumerate(columns.names):
        assert [each.reason for each in found if each.where[row]] == plain[name]
    return plain


def local(node: str, *names: str, **more: Any) -> Any:
    return slice_of(*(device(name) for name in names), node=node, **more)


def with_gpus(*objects: Any) -> tuple[DynamicResources, Warehouse]:
    """One device on n0, two on n1, none on n2."""
    stock = depot(device_class(), local("n0", "a"), local("n1", "a", "b"), *objects, nodes=3)
    return DynamicResources({}, stock.handle), stock


# Claims


@pytest.mark.parametrize(
    ("objects", "of", "problem"),
    [
        ([], using("gpu"), 'could not find ResourceClaim "default/gpu"'),
        ([], using("gpu", made=True), 'pod "default/web-1": ResourceClaim not created yet'),
        ([], pod(resourceClaims=[{"name": "x"}]), 'pod "default/web-1", spec.resourceClaim "x": none of'),
        ([claim(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})], using("gpu"), 'resourceclaim "gpu" is being del'),
        (
            [claim()],
            using("gpu", made=True, status={"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "gpu"}]}),
            "ResourceClaim default/gpu was not created for pod default/web-1 (pod is not owner)",
        ),
    ],
)
def test_a_pod_waits_for_its_claims(objects: list[Any], of: Pod, problem: str) -> None:
    plugin, _ = with_gpus(*objects)
    assert plugin.pre_enqueue(of).startswith(problem)
    verdict = plugin.pre_filter(info(of, plugin).shape)
    assert verdict is not None
    assert verdict.reason.startswith(problem)


def test_claims_that_are_there() -> None:
    plugin, _ = with_gpus(claim())
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": "uid-web-1", "controller": True}
    told = {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "own"}]}
    plugin._handle.view.store(claim_kind(plugin)).seen(claim("own", meta={"ownerReferences": [owner]}))
    for each in (using("gpu"), using("gpu", made=True, status=told), pod()):
        assert plugin.pre_enqueue(each) == ""
    unneeded = {"resourceClaimStatuses": [{"name": "gpu"}]}
    assert plugin.pre_enqueue(using("gpu", made=True, status=unneeded)) == ""
    assert not plugin.applies(info(pod(), plugin).shape)


def claim_kind(plugin: DynamicResources) -> Any:
    return plugin.READS[0]


def test_a_class_must_be_there() -> None:
    plugin, _ = with_gpus(claim("gpu", [asked(cls="none"), asked()]))
    verdict = plugin.pre_filter(info(using("gpu"), plugin).shape)
    assert verdict is not None
    assert verdict.reason == "request r0/a0: device class none does not exist"


# Nodes


def test_nodes_with_devices_that_are_free() -> None:
    plugin, stock = with_gpus(claim(), claim("two", asked(2)), claim("other", status=allocated("a", node="n0")))
    assert said(plugin, info(using("gpu"), plugin).shape, stock) == {"n0": [CANNOT], "n1": [], "n2": [CANNOT]}
    assert said(plugin, info(using("two"), plugin).shape, stock) == {"n0": [CANNOT], "n1": [], "n2": [CANNOT]}
    both = info(using("gpu", "two"), plugin).shape
    assert said(plugin, both, stock) == {"n0": [CANNOT], "n1": [CANNOT], "n2": [CANNOT]}
    stock.put(claim("other"))
    assert said(plugin, info(using("gpu"), plugin).shape, stock) == {"n0": [], "n1": [], "n2": [CANNOT]}


def test_nodes_where_what_is_allocated_can_be_used() -> None:
    plugin, stock = with_gpus(claim(status=allocated("a", node="n0")), claim("shared", status=allocated("z", pool="p")))
    wanted = info(using("gpu", "shared"), plugin).shape
    assert said(plugin, wanted, stock) == {"n0": [], "n1": [ELSEWHERE], "n2": [ELSEWHERE]}


def test_what_is_wrong_is_told_of_the_claim_it_is_about() -> None:
    plugin, stock = with_gpus(claim("one", constraints=[{}]), claim("two", constraints=[{}]))
    for name in ("one", "two"):
        told = f"claim default/{name}, constraint #0: empty constraint (unsupported constraint type?)"
        assert said(plugin, info(using(name), plugin).shape, stock)["n0"] == [told]


def test_devices_that_many_nodes_share() -> None:
    zone = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
    stock = depot(device_class(), claim(), claim("other"), slice_of(device("a"), nodeSelector=zone), nodes=3)
    plugin = DynamicResources({}, stock.handle)
    wanted = info(using("gpu"), plugin)
    assert said(plugin, wanted.shape, stock) == {"n0": [], "n1": [CANNOT], "n2": []}
    assert plugin.reserve(info(using("other", name="p2"), plugin), "n2") == ""
    assert said(plugin, wanted.shape, stock) == {"n0": [CANNOT], "n1": [CANNOT], "n2": [CANNOT]}
    per_device = slice_of(device("z"), name="x", pool="x", perDeviceNodeSelection=True)
    stock.put(per_device, slice_of(device("z"), name="y", pool="y", allNodes=True))
    assert said(plugin, wanted.shape, stock) == {"n0": [], "n1": [], "n2": []}


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("slice"), st.sampled_from(["n0", "n1", ""]), st.integers(0, 2)),
        st.tuples(st.just("unslice"), st.sampled_from(["n0", "n1", ""]), st.just(0)),
        st.tuples(st.just("take"), st.sampled_from(["n0", "n1", "shared"]), st.integers(0, 1)),
        st.tuples(st.just("free"), st.sampled_from(["n0", "n1", "shared"]), st.integers(0, 1)),
        st.tuples(st.just("promise"), st.sampled_from(["n0", "n1"]), st.just(0)),
        st.tuples(st.just("release"), st.just(""), st.just(0)),
        st.tuples(st.just("class"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("node"), st.sampled_from(["n0", "n2"]), st.integers(0, 1)),
    ),
    min_size=3,
    max_size=12,
)


def offered(node: str, count: int) -> Any:
    devices = [device(f"d{number}") for number in range(count)]
    return slice_of(*devices, node=node) if node else slice_of(*devices, allNodes=True)


def apply(change: tuple[str, str, int], stock: Warehouse, plugin: DynamicResources, holder: PodInfo) -> None:
    what, where, number = change
    match what:
        case "slice":
            stock.put(offered(where, number))
        case "unslice":
            stock.drop(offered(where, 0))
        case "take" | "free":
            status = allocated(f"d{number}", pool=where) if what == "take" else None
            stock.put(claim(f"of-{where}-{number}", status=status))
        case "promise":
            plugin.reserve(holder, where)
        case "release":
            plugin.unreserve(holder, "")
        case "class":
            (stock.put if number else stock.drop)(device_class())
        case "node" if number:
            stock.columns.set_node(node(where, labels={"zone": "a"}))
        case "node":
            stock.columns.remove_node(where)


@settings(max_examples=25, deadline=None)
@given(CHANGES)
def test_both_forms_agree_whatever_happens(changes: list[tuple[str, str, int]]) -> None:
    stock = depot(device_class(), claim(), claim("two", asked(2)), claim("promised"))
    plugin = DynamicResources({}, stock.handle)
    holder = info(using("promised", name="holder"), plugin)
    for change in changes:
        apply(change, stock, plugin, holder)
        for each in (using("gpu"), using("two"), using("gpu", "two")):
            shape = info(each, plugin).shape
            columns = stock.columns
            passes = plugin.mask(shape, columns, columns.all_rows)
            for row in range(columns.size):
                if columns.real[row]:
                    assert passes[row] == (not plugin.reasons(shape, columns.view(row)))


# Promises


def test_what_is_promised_to_one_is_not_given_to_another() -> None:
    plugin, stock = with_gpus(claim("one"), claim("two"))
    first, second = info(using("one", name="p1"), plugin), info(using("two", name="p2"), plugin)
    before = plugin.version(second.shape)
    assert plugin.reserve(first, "n0") == ""
    assert plugin.version(second.shape) != before
    assert said(plugin, second.shape, stock) == {"n0": [CANNOT], "n1": [], "n2": [CANNOT]}
    verdict = plugin.pre_filter(first.shape)
    assert verdict is not None
    assert verdict.reason == "resource claim default/one is in the process of being allocated"
    plugin.unreserve(first, "n0")
    plugin.unreserve(first, "n0")
    assert plugin.pre_filter(first.shape) is None
    assert said(plugin, second.shape, stock) == {"n0": [], "n1": [], "n2": [CANNOT]}


def decided(plugin: DynamicResources, *claims: str) -> tuple[PodInfo, Steps]:
    """A pod that goes to n1, and what is to be written before it is bound."""
    of = info(using(*claims), plugin)
    assert plugin.reserve(of, "n1") == ""
    steps = plugin.pre_bind(of, "n1")
    assert steps is not None
    return of, steps


def patch(step: object) -> Patch:
    assert isinstance(step, Patch)
    return step


US = {"resource": "pods", "name": "web-1", "uid": "uid-web-1"}
FINALIZERS = {"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}}


def test_a_claim_gets_its_finalizer_its_devices_and_its_pod() -> None:
    plugin, stock = with_gpus(claim())
    of, steps = decided(plugin, "gpu")
    assert patch(steps.send(None)).body == FINALIZERS
    guarded = claim(meta=FINALIZERS["metadata"])
    step = patch(steps.send(guarded))
    assert (step.subresource, step.obj) == ("status", guarded)
    assert step.body["status"]["reservedFor"] == [US]
    assert step.body["status"]["allocation"]["devices"]["results"] == [
        {"request": "r0", "driver": DRIVER, "pool": "n1", "device": "a"}
    ]
    done = claim(status=allocated("a", node="n1", users={"web-1": "uid-web-1"}))
    stock.put(done)
    with pytest.raises(StopIteration):
        steps.send(done)
    assert plugin._inventory.promised(done) is None
    assert plugin.pre_bind(of, "n1") is None, "it is all there"
    other = info(using("other", name="p2"), plugin)
    stock.put(claim("other", asked(2)))
    assert said(plugin, other.shape, stock)["n1"] == [CANNOT], "counted once, and still"


def test_a_claim_that_is_allocated_is_shared() -> None:
    plugin, _ = with_gpus(claim(status=allocated("a", node="n1", users={"first": "uid-first"})))
    _, steps = decided(plugin, "gpu")
    step = patch(steps.send(None))
    assert step.body == {"status": {"reservedFor": [{**US, "name": "first", "uid": "uid-first"}, US]}}


def test_somebody_else_writes_the_claim_too() -> None:
    plugin, _ = with_gpus(claim(meta=FINALIZERS["metadata"]))
    _, steps = decided(plugin, "gpu")
    assert "allocation" in patch(steps.send(None)).body["status"]
    assert isinstance(steps.throw(Conflict(409, "Conflict", "changed")), Get)
    newer = claim(meta=FINALIZERS["metadata"], status={"reservedFor": []})
    assert patch(steps.send(newer)).obj is newer
    assert isinstance(steps.throw(Conflict(409, "Conflict", "changed")), Get)
    with pytest.raises(Refused, match="claim default/gpu got allocated elsewhere in the meantime"):
        steps.send(claim(status=allocated("b", node="n1")))


def test_a_claim_that_goes_meanwhile() -> None:
    plugin, _ = with_gpus(claim())
    _, steps = decided(plugin, "gpu")
    steps.send(None)
    assert isinstance(steps.throw(Conflict(409, "Conflict", "changed")), Get)
    with pytest.raises(Refused, match="claim default/gpu got deleted in the meantime"):
        steps.send(claim(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}))


def test_what_fails_is_given_back() -> None:
    users = {"first": "uid-first", "web-1": "uid-web-1"}
    one = claim("one", status=allocated("a", node="n1", users={"first": "uid-first"}))
    plugin, _ = with_gpus(one, claim("two", meta=FINALIZERS["metadata"]))
    of, steps = decided(plugin, "one", "two")
    patch(steps.send(None))
    patch(steps.send(claim("one", status=allocated("a", node="n1", users=users))))
    step = patch(steps.throw(Forbidden(403, "Forbidden", "no")))
    assert step.obj.name == "one"
    assert step.body == {"status": {"reservedFor": [{**US, "name": "first", "uid": "uid-first"}]}}
    with pytest.raises(Forbidden):
        steps.send(one)
    assert plugin._inventory.promised(claim("two")) is not None
    plugin.unreserve(of, "n1")
    assert plugin._inventory.promised(claim("two")) is None


# When nothing fits


def played(steps: Steps | None) -> list[Json]:
    """What is written."""
    assert isinstance(steps, Generator)
    return [dict(patch(each).body) for each in steps]


@pytest.mark.parametrize(
    ("users", "gives"),
    [({}, True), ({"web-1": "uid-web-1"}, True), ({"other": "uid-other"}, False)],
)
def test_an_allocation_that_nobody_else_uses_is_undone(users: dict[str, str], gives: bool) -> None:
    plugin, _ = with_gpus(claim(status=allocated("a", node="n0", users=users)))
    attempt = plugin.post_filter(info(using("gpu"), plugin))
    if not gives:
        assert attempt == ("still not schedulable", None)
        return
    assert attempt.said == "deallocation of ResourceClaim completed"
    assert played(attempt.steps) == [{"status": {"allocation": None, "reservedFor": None, "devices": None}}]


def test_one_that_keeps_the_pod_from_no_node_stays() -> None:
    plugin, _ = with_gpus(claim(status=allocated("z", pool="p")))
    assert plugin.post_filter(info(using("gpu"), plugin)).steps is None


def test_one_that_keeps_the_pod_only_from_nodes_that_would_not_do_stays() -> None:
    plugin, stock = with_gpus(claim(status=allocated("a", node="n0")))
    of = info(using("gpu"), plugin)
    of.shape.asked = Asked(assemble("x", [(node_unschedulable, 0), (plugin, 0)]), of.shape)
    for name in ("n1", "n2"):
        assert plugin.post_filter(of).steps is not None
        stock.columns.set_node(node(name, unschedulable=True))
    assert plugin.post_filter(of).steps is None


# What wakes


def test_only_what_may_help_wakes_a_pod() -> None:
    plugin, _ = with_gpus(claim())
    wanted = info(using("gpu"), plugin).shape
    helps = {hint.kind.id: hint.helps for hint in plugin.HINTS}
    claims = helps["resourceclaims.resource.k8s.io"]
    assert claims(wanted, claim(), None)
    assert not claims(wanted, claim("other"), None)
    assert not claims(wanted, claim(meta={"labels": {"a": "b"}}), claim())
    assert claims(wanted, claim(status=allocated("a", node="n0")), claim())
    assert claims(wanted, claim("other"), claim("other", status=allocated("a", node="n0")))
    assert claims(wanted, None, claim("other", status=allocated("a", node="n0")))
    assert not claims(wanted, None, claim("other"))
    assert helps["resourceslices.resource.k8s.io"](wanted, local("n0", "a"), None)
    assert not helps["resourceslices.resource.k8s.io"](wanted, None, local("n0", "a"))
    assert helps["deviceclasses.resource.k8s.io"](wanted, device_class(), None)
