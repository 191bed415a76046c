"""Mirroring of Endpoints: what is shown, in which slices, with which writes, and whom it is done for."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, events, make, of, run, view_of, writes
from understudy.errors import Forbidden, PartlyDone
from understudy.kinds.core import ENDPOINTS, SERVICES, Endpoints, EndpointSubset, Service
from understudy.kinds.discovery import ENDPOINT_SLICES, SERVICE_NAME, EndpointSlice
from understudy.kinds.meta import Key
from understudy.loop.controller import REGISTRY
from understudy.operators import endpointslicemirroring
from understudy.operators.common.slices import MANAGED_BY
from understudy.operators.common.trigger_time import LAST_CHANGE
from understudy.operators.endpointslicemirroring.mirror import MAX_ENDPOINTS, mirror
from understudy.operators.endpointslicemirroring.slices import LAST_APPLIED, MANAGER, ON_SLICES
from understudy.plan.steps import Create, Delete, Patch, Step
from understudy.state.view import View

Json = dict[str, Any]
CONTROLLER = REGISTRY["endpointslice-mirroring-controller"]
OURS = {SERVICE_NAME: "web", MANAGED_BY: MANAGER}


def subset(*ips: str, ports: Sequence[int] = (80,), unready: Sequence[str] = ()) -> Json:
    return {
        "addresses": [{"ip": ip} for ip in ips],
        "notReadyAddresses": [{"ip": ip} for ip in unready],
        "ports": [{"name": f"p{port}", "port": port} for port in ports],
    }


def endpoints(*subsets: Json, **metadata: Any) -> Endpoints:
    return make(ENDPOINTS, "web", subsets=list(subsets), **metadata)


def service(selector: dict[str, str] | None = None) -> Service:
    return make(SERVICES, "web", spec={"selector": selector})


def world(made: Endpoints | None, *slices: EndpointSlice, services: Sequence[Service] | None = None) -> View:
    wanted = [service()] if services is None else services
    return view_of({ENDPOINTS: [made] if made else [], SERVICES: wanted, ENDPOINT_SLICES: slices})


def play(view: View) -> list[Step]:
    """One decision; another has nothing left to do."""
    (made,) = view.all(ENDPOINTS)
    steps = run(endpointslicemirroring.decide(made, view, NOW), view)
    assert not writes(run(endpointslicemirroring.decide(made, view, NOW), view))
    return steps


def shown(view: View) -> dict[tuple[int, ...], dict[str, bool | None]]:
    """By ports, the addresses and whether they are ready; a slice for each family and list of ports, and no more."""
    found: dict[tuple[int, ...], dict[str, bool | None]] = {}
    seen = set()
    for each in view.all(ENDPOINT_SLICES):
        ports = tuple(sorted(port.port or 0 for port in each.ports or ()))
        assert (each.addressType, ports) not in seen
        seen.add((each.addressType, ports))
        for one in each.endpoints or ():
            assert (":" in one.addresses[0]) == (each.addressType == "IPv6")
            found.setdefault(ports, {})[one.addresses[0]] = one.conditions.ready
    return found


def only(view: View) -> EndpointSlice:
    (found,) = view.all(ENDPOINT_SLICES)
    return found


# What is shown


def test_a_slice_says_what_the_endpoints_say() -> None:
    target = {"kind": "Pod", "namespace": "default", "name": "a", "uid": "u"}
    port = {"name": "http", "port": 80, "protocol": "UDP", "appProtocol": "h2c"}
    address = {"ip": "10.0.0.1", "hostname": "a", "nodeName": "n", "targetRef": target}
    notes = {"note": "x", LAST_CHANGE: "now", LAST_APPLIED: "{}"}
    view = world(endpoints({"addresses": [address], "ports": [port]}, labels={"tier": "db"}, annotations=notes))
    (create,) = of(play(view), Create)
    assert create.body == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "web-",
            "namespace": "default",
            "labels": {"tier": "db", **OURS},
            "annotations": {"note": "x"},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Endpoints",
                    "name": "web",
                    "uid": "uid-web",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True},
                "hostname": "a",
                "targetRef": target,
                "nodeName": "n",
            }
        ],
        "ports": [port],
    }


def test_families_and_ports_have_slices_of_their_own() -> None:
    view = world(endpoints(subset("10.0.0.1", "fd00:0::1", unready=["::ffff:10.0.0.2"]), subset("10.0.0.3", ports=())))
    play(view)
    assert shown(view) == {(80,): {"10.0.0.1": True, "fd00::1": True, "10.0.0.2": False}, (): {"10.0.0.3": True}}


def test_subsets_are_repacked_and_not_ready_wins() -> None:
    view = world(
        endpoints(
            subset("10.0.0.1", "10.0.0.2"),
            subset("10.0.0.1", "10.0.0.2", ports=[443]),
            subset("10.0.0.1", ports=[99]),
            subset(ports=[99], unready=["10.0.0.1"]),
        )
    )
    play(view)
    assert shown(view) == {(80, 443): {"10.0.0.1": True, "10.0.0.2": True}, (99,): {"10.0.0.1": False}}


def test_nothing_to_show_is_no_slice() -> None:
    assert not writes(play(world(endpoints())))
    assert not writes(play(world(endpoints(subset()))))


IPS = st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]), max_size=3, unique=True)
SUBSETS = st.lists(
    st.tuples(IPS, IPS, st.lists(st.sampled_from([80, 443, 99]), min_size=1, max_size=2, unique=True)), max_size=4
)


@given(SUBSETS, SUBSETS)
def test_from_any_endpoints_to_any_others(before: list[Any], after: list[Any]) -> None:
    view = world(endpoints(*_subsets(before)))
    play(view)
    view.store(ENDPOINTS).listed(endpoints(*_subsets(after)))
    play(view)
    expected: dict[tuple[int, str], bool] = {}
    for ready, unready, ports in after:
        for port in ports:
            for ip in (*ready, *unready):
                states = expected.setdefault((port, ip), True)
                expected[port, ip] = states and ip not in unready
    found = {(port, ip): state for ports, ips in shown(view).items() for ip, state in ips.items() for port in ports}
    assert found == expected


def _subsets(drawn: list[Any]) -> list[Json]:
    return [subset(*ready, unready=unready, ports=ports) for ready, unready, ports in drawn]


def test_a_thousand_of_a_subset_and_no_more() -> None:
    many = [f"10.0.{number // 250}.{number % 250}" for number in range(MAX_ENDPOINTS)]
    unready = ["10.9.9.7", "10.9.9.8", "10.9.9.9"]
    made = endpoints(subset(unready=unready), subset("nonsense", *many[:-1]), subset("x", ports=[1]))
    view = world(made)
    assert events(play(view)) == [
        ("Warning", "InvalidIPAddress", "Skipped 2 invalid IP addresses when mirroring to EndpointSlices"),
        (
            "Warning",
            "TooManyAddressesToMirror",
            "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 4 addresses were skipped",
        ),
    ]
    found = shown(view)[80,]
    assert found == {**dict.fromkeys(many[:-1], True), "10.9.9.7": False}
    assert mirror(msgspec.convert([subset(*many)], list[EndpointSubset])).surplus == 0


# What is written


def mirrored(*subsets: Json, **metadata: Any) -> View:
    view = world(endpoints(*subsets, **metadata))
    play(view)
    return view


@pytest.mark.parametrize(
    ("said", "metadata", "body"),
    [
        (subset("10.0.0.2"), {}, {}),
        (subset(unready=["10.0.0.1"]), {}, {}),
        (subset("10.0.0.1", ports=[81]), {}, {}),
        (subset("10.0.0.1"), {"labels": {"a": "b"}}, {"labels": {"a": "b", **OURS}}),
        (subset("10.0.0.1"), {"annotations": {"a": "b"}}, {"annotations": {"a": "b", "old": None}}),
        (subset("10.0.0.1"), {"uid": "another", "annotations": {"old": "1"}}, {}),
    ],
)
def test_the_slice_is_changed_not_made_anew(said: Json, metadata: Json, body: Json) -> None:
    view = mirrored(subset("10.0.0.1"), annotations={"old": "1"})
    before = only(view).name
    changed = endpoints(said, **metadata)
    view.store(ENDPOINTS).listed(changed)
    (patch,) = writes(play(view))
    assert isinstance(patch, Patch)
    assert only(view).name == before
    assert only(view).metadata.ownerReferences[0].uid == changed.uid
    assert {name: patch.body["metadata"][name] for name in body} == body


def test_what_no_slice_may_be_is_created_and_what_no_slice_should_be_is_deleted() -> None:
    view = mirrored(subset("10.0.0.1"))
    view.store(ENDPOINTS).listed(endpoints(subset("fd00::1")))
    assert [type(step) for step in writes(play(view))] == [Create, Delete]
    assert only(view).addressType == "IPv6"


def test_a_second_slice_for_the_same_goes() -> None:
    view = mirrored(subset("10.0.0.1"))
    twin = msgspec.to_builtins(only(view))
    twin["metadata"] |= {"name": "twin", "uid": "twin"}
    view.store(ENDPOINT_SLICES).listed(msgspec.convert(twin, EndpointSlice))
    assert [type(step) for step in writes(play(view))] == [Delete]


def test_a_slice_on_its_way_out_shows_nothing() -> None:
    view = world(endpoints(subset("10.0.0.1")), make(ENDPOINT_SLICES, "old", labels=OURS, deleting=True))
    assert [type(step) for step in writes(play(view))] == [Create]


def test_endpoints_on_their_way_out_get_no_new_slice() -> None:
    view = world(endpoints(subset("10.0.0.1"), deleting=True, finalizers=["x"]))
    assert not writes(play(view))


@pytest.mark.parametrize("terminating", [True, False])
def test_in_a_namespace_that_goes_nothing_is_insisted_on(terminating: bool) -> None:
    causes = {"causes": [{"reason": "NamespaceTerminating"}]} if terminating else {}

    def refuse(step: Step) -> None:
        if isinstance(step, Create):
            raise Forbidden(403, "Forbidden", "no", causes)

    made = endpoints(subset("10.0.0.1"))
    decision = endpointslicemirroring.decide(made, view := world(made), NOW)
    if terminating:
        run(decision, view, refuse)
    else:
        with pytest.raises(PartlyDone):
            run(decision, view, refuse)


# For whom


@pytest.mark.parametrize(
    ("changed", "services"),
    [
        (endpoints(subset("10.0.0.1")), []),
        (endpoints(subset("10.0.0.1")), [service({"app": "web"})]),
        (endpoints(subset("10.0.0.1"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"}), [service()]),
        (endpoints(subset("10.0.0.1"), annotations={"control-plane.alpha.kubernetes.io/leader": ""}), [service()]),
    ],
)
def test_whose_endpoints_are_not_mirrored(changed: Endpoints, services: list[Service]) -> None:
    foreign = make(ENDPOINT_SLICES, "foreign", labels={SERVICE_NAME: "web", MANAGED_BY: "me"})
    old = make(ENDPOINT_SLICES, "old", labels=OURS)
    view = world(changed, old, foreign, services=services)
    play(view)
    assert only(view) is foreign


def test_slices_of_endpoints_that_are_gone_go_too() -> None:
    view = world(None, make(ENDPOINT_SLICES, "old", labels=OURS))
    run(endpointslicemirroring.gone(Key("default", "web"), view, NOW), view)
    assert not view.all(ENDPOINT_SLICES)
    assert not run(endpointslicemirroring.gone(Key("default", "web"), view, NOW), view)


def test_what_wakes_it() -> None:
    view = world(None)
    mine = make(ENDPOINT_SLICES, "a", labels=OURS)
    assert list(ON_SLICES.keys(mine, view)) == [Key("default", "web")]
    for labels in {SERVICE_NAME: "web"}, {MANAGED_BY: MANAGER}, {**OURS, MANAGED_BY: "me"}:
        assert not list(ON_SLICES.keys(make(ENDPOINT_SLICES, "a", labels=labels), view))
    on = next(on for on in CONTROLLER.watches if on.kind is SERVICES)
    assert on.when is not None
    free, bound = service(), service({"app": "web"})
    told = [on.when(*pair) for pair in ((free, None), (None, free), (free, bound), (bound, free))]
    assert all(told)
    assert not any(on.when(*pair) for pair in ((bound, None), (free, free), (bound, bound)))
    assert list(on.keys(free, view)) == [Key("default", "web")]
