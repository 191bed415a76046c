"""The endpointslice controller: what it writes, in what order, what it leaves alone, and what it says when it fails."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.decisions import EARLIER, NOW, events, make, of, only, run, settle, writes
from tests.unit.operators.services import (
    APP,
    backend,
    backends,
    node,
    put,
    seen,
    service,
    shown,
    sizes,
    slice_of,
    slices_in,
)
from understudy.errors import ApiError, Conflict, Forbidden, PartlyDone
from understudy.kinds.core import NODES, PODS, SERVICES, Node, Pod, Service
from understudy.kinds.discovery import ENDPOINT_SLICES, SERVICE_NAME, Endpoint, EndpointHints, ForZone
from understudy.kinds.meta import Key
from understudy.loop.controller import REGISTRY
from understudy.operators.common.service_endpoints import HEADLESS, ZONE
from understudy.operators.common.slices import MANAGED_BY
from understudy.operators.common.trigger_time import LAST_CHANGE
from understudy.operators.endpointslice import decide
from understudy.operators.endpointslice.slices import MANAGER, ON_SLICES, labels_of
from understudy.plan.steps import Create, Delete, Patch, Step, Together
from understudy.state.view import View

ZONES = [node("node-1", zone="a"), node("node-2", zone="b")]
TERMINATING = Forbidden(403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating"}]})
LATER = "2026-01-02T11:59:00Z"


def decided(web: Service, view: View, answer: Callable[[Step], Any] | None = None) -> list[Step]:
    return run(decide(web, view, NOW), view, answer)


def refuse(error: ApiError, refused: type[Step], steps: list[Step]) -> Callable[[Step], Any]:
    """An answer that refuses steps of one type; all steps it is asked about are put into `steps`."""

    def answer(step: Step) -> None:
        steps.append(step)
        if isinstance(step, refused):
            raise error

    return answer


# What is written


def test_a_new_slice() -> None:
    web = service(labels={"team": "blue"}, uid="uid-7")
    create = only(decided(web, seen(web, pods=[backend(1, since=LATER)], nodes=ZONES)), Create)
    assert (create.kind, create.namespace) == (ENDPOINT_SLICES, "default")
    assert create.body == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "web-",
            "namespace": "default",
            "labels": {"team": "blue", SERVICE_NAME: "web", MANAGED_BY: MANAGER},
            "annotations": {LAST_CHANGE: EARLIER},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "web",
                    "uid": "uid-7",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.1.0.1"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": "default", "name": "web-1", "uid": "uid-web-1"},
                "nodeName": "node-1",
                "zone": "a",
            }
        ],
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    }


def test_a_change_sends_what_the_slice_shows_now() -> None:
    web = service()
    view = seen(web, pods=backends([1, 2]))
    decided(web, view)
    put(view, backend(2, ready=False, since=LATER))
    patch = only(decided(web, view), Patch)
    assert patch.guard == "revision"
    assert patch.body["metadata"]["annotations"] == {LAST_CHANGE: LATER}
    assert [each["addresses"] for each in patch.body["endpoints"]] == [["10.1.0.1"], ["10.1.0.2"]]
    assert "ports" not in patch.body
    assert shown(view) == {"10.1.0.1": (True, True, False), "10.1.0.2": (False, False, False)}


def test_a_change_without_a_date_removes_the_old_one() -> None:
    web = service()
    view = seen(web, pods=backends([1, 2]))
    decided(web, view)
    put(view, backend(2, deleting=True))
    decided(web, view)
    (held,) = slices_in(view)
    assert LAST_CHANGE not in held.metadata.annotations
    assert shown(view)["10.1.0.2"] == (False, True, True)


def test_a_change_is_dated_by_what_changed_also_where_unready_ones_count() -> None:
    web = service(spec={"publishNotReadyAddresses": True})
    view = seen(web, pods=[backend(1, ready=False), backend(2)])
    decided(web, view)
    put(view, backend(2, ready=False, since=LATER))
    decided(web, view)
    assert slices_in(view)[0].metadata.annotations == {LAST_CHANGE: LATER}


def test_a_new_slice_without_a_date_has_no_annotation() -> None:
    web = service()
    view = seen(web, pods=backends(range(100)))
    decided(web, view)
    put(view, backend(100, since=None))
    assert "annotations" not in only(decided(web, view), Create).body["metadata"]


def test_a_terminating_pod_stays_until_it_is_gone() -> None:
    web = service()
    view = seen(web, pods=[backend(1), backend(2, deleting=True)])
    decided(web, view)
    assert set(shown(view)) == {"10.1.0.1", "10.1.0.2"}
    put(view, backend(2, deleting=True, phase="Succeeded"))
    decided(web, view)
    assert set(shown(view)) == {"10.1.0.1"}


def test_labels_follow_the_service_but_for_the_reserved_ones() -> None:
    web = service(labels={"team": "blue", SERVICE_NAME: "mine", MANAGED_BY: "me", HEADLESS: ""})
    assert labels_of(web) == {"team": "blue", SERVICE_NAME: "web", MANAGED_BY: MANAGER}
    view = seen(web, pods=[backend(1)])
    decided(web, view)
    changed = service(labels={"tier": "front"}, address="None")
    patch = only(decided(changed, view), Patch)
    assert patch.body["metadata"]["labels"]["team"] is None
    (held,) = slices_in(view)
    assert held.metadata.labels == {"tier": "front", HEADLESS: "", SERVICE_NAME: "web", MANAGED_BY: MANAGER}


def test_new_ports_are_sent() -> None:
    view = seen(service(), pods=[backend(1)])
    decided(service(), view)
    decided(service(ports=[{"name": "http", "port": 80, "targetPort": 9090}]), view)
    (held,) = slices_in(view)
    assert [port.port for port in held.ports or ()] == [9090]


def test_two_families_have_slices_of_their_own() -> None:
    web = service(families=["IPv6", "IPv4"])
    view = seen(web, pods=[backend(1), backend(2, ips=["10.1.0.2"])])
    decided(web, view)
    assert set(shown(view)) == {"10.1.0.1", "10.1.0.2"}
    assert set(shown(view, "IPv6")) == {"fd00::1"}
    one = service(families=["IPv4"])
    assert [step.obj for step in of(decided(one, view), Delete)]
    assert {each.addressType for each in slices_in(view)} == {"IPv4"}


def test_each_family_has_its_own_empty_slice() -> None:
    web = service(families=["IPv4", "IPv6"])
    view = seen(web)
    decided(web, view)
    assert [each.addressType for each in slices_in(view)] == ["IPv4", "IPv6"]
    assert sizes(view) == [0, 0]


def test_the_zone_follows_the_node() -> None:
    web = service()
    view = seen(web, pods=[backend(1)])
    decided(web, view)
    view.store(NODES).listed(node("node-1", zone="a"))
    decided(web, view)
    assert [each.zone for each in slices_in(view)[0].endpoints or ()] == ["a"]


# Who is left alone


@pytest.mark.parametrize(
    "web",
    [service(selector=None), service(spec={"type": "ExternalName"})],
    ids=["no selector", "ExternalName"],
)
def test_services_that_are_not_its_business(web: Service) -> None:
    held = slice_of(service(), [])
    assert not decided(web, seen(web, pods=[backend(1)], slices=[held]))


@pytest.mark.parametrize(
    "labels",
    [{SERVICE_NAME: "web", MANAGED_BY: "me"}, {SERVICE_NAME: "other", MANAGED_BY: MANAGER}, {SERVICE_NAME: "web"}],
    ids=["another manager", "another service", "no manager"],
)
def test_slices_of_others(labels: Mapping[str, str]) -> None:
    web = service()
    foreign = slice_of(web, [Endpoint(["10.9.9.9"])], "foreign", labels=labels)
    steps = decided(web, seen(web, slices=[foreign]))
    assert [type(step) for step in writes(steps)] == [Create]


def test_slices_on_their_way_out() -> None:
    web = service()
    dying = slice_of(web, [Endpoint(["10.9.9.9"])], deleting=True, finalizers=["a/b"])
    assert [type(step) for step in writes(decided(web, seen(web, slices=[dying])))] == [Create]


def test_slices_of_a_former_service_are_deleted_and_not_recycled() -> None:
    web = service(uid="uid-new")
    view = seen(web, pods=[backend(1, since=LATER)], slices=[slice_of(web, [], owner=service(uid="uid-old"))])
    steps = writes(decided(web, view))
    assert [type(step) for step in steps] == [Create, Delete]
    assert only(steps, Create).body["metadata"]["annotations"] == {LAST_CHANGE: EARLIER}
    assert sizes(view) == [1]


def test_slices_of_the_deprecated_address_type_are_replaced() -> None:
    web = service()
    view = seen(web, pods=[backend(1)], slices=[slice_of(web, [Endpoint(["10.1.0.1"])], family="IP")])
    assert [type(step) for step in writes(decided(web, view))] == [Create, Delete]
    assert [each.addressType for each in slices_in(view)] == ["IPv4"]


def test_a_service_that_is_being_deleted_gets_no_new_slices() -> None:
    web = service(deleting=True, finalizers=["a/b"])
    view = seen(web, pods=backends(range(101)))
    assert not writes(decided(web, view))
    view = seen(web, pods=[backend(1)], slices=[slice_of(web, [Endpoint(["10.9.9.9"])], ports=[])])
    assert [type(step) for step in writes(decided(web, view))] == [Patch]


def test_a_slice_that_somebody_changed_is_repaired() -> None:
    web = service()
    view = seen(web, pods=backends([1, 2]))
    decided(web, view)
    (held,) = slices_in(view)
    tampered = slice_of(web, [Endpoint(["10.9.9.9"])], held.name, uid=held.uid, labels={**labels_of(web), "x": "y"})
    view.store(ENDPOINT_SLICES).listed(tampered)
    settle(decide, SERVICES, web.key, view)
    assert set(shown(view)) == {"10.1.0.1", "10.1.0.2"}
    assert slices_in(view)[0].metadata.labels == labels_of(web)


def test_a_slice_wakes_its_service_if_it_is_ours() -> None:
    view = seen()
    assert list(ON_SLICES.keys(slice_of(service(), []), view)) == [Key("default", "web")]
    assert not list(ON_SLICES.keys(slice_of(service(), [], labels={SERVICE_NAME: "web"}), view))


# Hints


def test_hints_come_and_go_with_the_field() -> None:
    near = service(spec={"trafficDistribution": "PreferSameZone"})
    view = seen(near, pods=[backend(1), backend(2, node="node-2")], nodes=ZONES)
    decided(near, view)
    (held,) = slices_in(view)
    near_a, near_b = EndpointHints([ForZone("a")]), EndpointHints([ForZone("b")])
    assert [each.hints for each in held.endpoints or ()] == [near_a, near_b]
    assert [type(step) for step in writes(decided(service(), view))] == [Patch]
    assert [each.hints for each in slices_in(view)[0].endpoints or ()] == [None, None]


AUTO = {"service.kubernetes.io/topology-mode": "Auto"}


def near(number: int, zone: str, **more: Any) -> Pod:
    return backend(number, node="node-1" if zone == "a" else "node-2", **more)


def sized(zone: str, cpu: str, name: str, **more: Any) -> Node:
    condition = {"type": "Ready", "status": "True"}
    return make(
        NODES, name, labels={ZONE: zone}, status={"allocatable": {"cpu": cpu}, "conditions": [condition]}, **more
    )


EQUAL = (sized("a", "4", "node-1"), sized("b", "4000m", "node-2"))


def hinted(view: View) -> list[str]:
    endpoints = (each for one in slices_in(view) for each in one.endpoints or ())
    return [each.hints.forZones[0].name if each.hints and each.hints.forZones else "" for each in endpoints]


def test_the_annotation_shares_endpoints_out_and_says_so_once() -> None:
    web = service(annotations=AUTO)
    view = seen(web, pods=[near(number, "a" if number < 4 else "b") for number in range(6)], nodes=EQUAL)
    told = events(decided(web, view))
    assert told == [("Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4")]
    assert Counter(hinted(view)) == {"a": 3, "b": 3}
    assert decided(web, view) == []


def test_an_endpoint_that_is_not_ready_has_no_hint() -> None:
    web = service(annotations=AUTO)
    pods = [near(1, "a"), near(2, "b"), near(3, "b", ready=False)]
    view = seen(web, pods=pods, nodes=EQUAL)
    decided(web, view)
    assert sorted(hinted(view)) == ["", "a", "b"]


@pytest.mark.parametrize(
    ("pods", "nodes", "message"),
    [
        ([near(1, "a")], EQUAL, "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4"),
        (
            [near(1, "a"), near(2, "b")],
            ZONES,
            "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, "
            "addressType: IPv4",
        ),
    ],
)
def test_without_hints_it_is_told_why(pods: list[Pod], nodes: Sequence[Node], message: str) -> None:
    web = service(annotations=AUTO)
    view = seen(web, pods=pods, nodes=nodes)
    assert events(decided(web, view)) == [("Warning", "TopologyAwareHintsDisabled", message)]
    assert set(hinted(view)) == {""}


def test_hints_go_when_they_cannot_be_any_more_and_with_the_annotation() -> None:
    web = service(annotations=AUTO)
    view = seen(web, pods=[near(1, "a"), near(2, "b")], nodes=EQUAL)
    decided(web, view)
    assert hinted(view) == ["a", "b"]
    decided(service(), view)
    assert hinted(view) == ["", ""]


def test_a_node_that_fails_wakes_the_services_with_the_annotation() -> None:
    view = seen(service(annotations=AUTO), nodes=EQUAL)
    *_, on = REGISTRY["endpointslice-controller"].watches
    assert on.when is not None
    assert on.when(EQUAL[0], None)
    assert not on.when(EQUAL[0], EQUAL[0])
    assert on.when(node("node-1", "a"), EQUAL[0]), "it is not ready"
    assert [*on.keys(EQUAL[0], view)] == [Key("default", "web")]
    assert [*on.keys(EQUAL[0], seen(service(), nodes=EQUAL))] == []


# Missing nodes


def test_pods_on_missing_nodes_are_complained_about_and_shown_once_it_is_there() -> None:
    web = service()
    pods = [backend(1), backend(2, node="node-2"), backend(3, node="node-3"), backend(4, ips=[], node="")]
    view = seen(web, pods=pods)
    steps = decided(web, view)
    assert set(shown(view)) == {"10.1.0.1"}
    prefix = "Error updating Endpoint Slices for Service default/web: "
    two = "skipping Pod web-2 for Service default/web: Node node-2 Not Found"
    three = "skipping Pod web-3 for Service default/web: Node node-3 Not Found"
    assert events(steps) == [("Warning", "FailedToUpdateEndpointSlices", f"{prefix}[{two}, {three}]")]
    view.store(NODES).listed(node("node-2"))
    assert events(decided(web, view)) == [("Warning", "FailedToUpdateEndpointSlices", f"{prefix}{three}")]
    assert set(shown(view)) == {"10.1.0.1", "10.1.0.2"}


def test_nothing_is_said_where_unready_ones_count() -> None:
    web = service(spec={"publishNotReadyAddresses": True})
    view = seen(web, pods=[backend(1, node="gone")])
    assert not events(decided(web, view))
    assert set(shown(view)) == {"10.1.0.1"}


# Failures


@pytest.mark.parametrize(
    ("refused", "complaint"),
    [
        (Create, "failed to create EndpointSlice for Service default/web: no"),
        (Patch, "failed to update web-b EndpointSlice for Service default/web: no"),
        (Delete, "failed to delete web-a EndpointSlice for Service default/web: no"),
    ],
)
def test_a_refusal_is_told_and_tried_again(refused: type[Step], complaint: str) -> None:
    web = service(families=["IPv4", "IPv6"])
    slices = [
        slice_of(web, [Endpoint(["10.9.9.9"])], "web-a", owner=service(uid="uid-old")),
        slice_of(web, [Endpoint(["fd00::9"])], "web-b", family="IPv6"),
    ]
    view = seen(web, pods=[backend(1)], slices=slices)
    steps: list[Step] = []
    with pytest.raises(PartlyDone):
        decided(web, view, refuse(ApiError(500, "InternalError", "no"), refused, steps))
    message = f"Error updating Endpoint Slices for Service default/web: {complaint}"
    assert events(steps) == [("Warning", "FailedToUpdateEndpointSlices", message)]


def test_a_conflict_is_daily_business() -> None:
    web = service()
    view = seen(web, pods=[backend(1)], slices=[slice_of(web, [])])
    steps: list[Step] = []
    with pytest.raises(PartlyDone):
        decided(web, view, refuse(Conflict(409, "Conflict", "changed"), Patch, steps))
    assert not events(steps)


def test_a_namespace_that_goes_away_is_no_failure() -> None:
    web = service(families=["IPv4", "IPv6"])
    view = seen(web, pods=[backend(1)], slices=[slice_of(web, [], ports=[])])
    steps = decided(web, view, refuse(TERMINATING, Create, []))
    assert [type(step) for step in steps] == [Together], "nothing more is tried"


# Any life of any Pods

MOVES = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sampled_from(["ready", "unready", "deleting", "failed", "moved", "relabelled", "v4only", "gone"]),
    ),
    max_size=12,
)
FAMILIES = st.sampled_from([["IPv4"], ["IPv6"], ["IPv4", "IPv6"]])


def pod_in(number: int, state: str) -> Pod:
    return {
        "ready": lambda: backend(number),
        "unready": lambda: backend(number, ready=False),
        "deleting": lambda: backend(number, deleting=True),
        "failed": lambda: backend(number, phase="Failed"),
        "moved": lambda: backend(number, ips=[f"10.2.0.{number}"]),
        "relabelled": lambda: backend(number, labels={"app": "db"}),
        "v4only": lambda: backend(number, ips=[f"10.1.0.{number}"]),
        "gone": lambda: backend(number, ips=[]),
    }[state]()


def expected(view: View, web: Service, family: str) -> set[str]:
    """The plain reading of the rules: addresses of matching, unfinished Pods."""
    pods = [pod for pod in view.all(PODS) if pod.metadata.labels == APP and pod.status.phase != "Failed"]
    every = [each.ip for pod in pods for each in pod.status.podIPs]
    return {each for each in every if (":" in each) == (family == "IPv6") and family in web.spec.ipFamilies}


@settings(max_examples=60, deadline=None)
@given(st.lists(MOVES, max_size=4), FAMILIES)
def test_after_every_change_the_right_addresses_are_shown_and_nothing_is_left_to_do(
    rounds: list[list[tuple[int, str]]], families: list[str]
) -> None:
    web = service(families=families)
    view = seen(web)
    for moves in rounds:
        for number, state in moves:
            put(view, pod_in(number, state))
        decided(web, view)
        for family in ("IPv4", "IPv6"):
            assert set(shown(view, family)) == expected(view, web, family)
        assert not writes(decided(web, view))
