"""The endpoints controller: subsets, the limit of a thousand, what it writes and what it leaves alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.decisions import EARLIER, NOW, events, of, only, run, writes
from tests.unit.operators.services import (
    MANAGED,
    backend,
    backends,
    endpoints_of,
    put,
    seen,
    service,
    shown,
)
from understudy.errors import AlreadyExists, ApiError, Conflict, Forbidden
from understudy.kinds.core import ENDPOINTS, Endpoints, EndpointSubset, Service
from understudy.kinds.meta import Key
from understudy.operators import endpoints, endpointslice
from understudy.operators.common.service_endpoints import HEADLESS
from understudy.operators.common.trigger_time import LAST_CHANGE
from understudy.operators.endpoints.capacity import OVER_CAPACITY
from understudy.operators.endpoints.subsets import subsets_of
from understudy.plan.steps import Create, Delete, Patch, Step
from understudy.state.view import View

TERMINATING = Forbidden(403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating"}]})
REFUSED = ApiError(500, "InternalError", "no")
LATER = "2026-01-02T11:59:00Z"
TWO_PORTS = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "admin", "port": 81, "targetPort": 8081})
NAMED = (
    {"name": "http", "port": 80, "targetPort": "http"},
    {"name": "admin", "port": 81, "targetPort": "admin", "appProtocol": "http"},
)


def decided(web: Service, view: View, answer: Callable[[Step], Any] | None = None) -> list[Step]:
    return run(endpoints.decide(web, view, NOW), view, answer)


def held_in(view: View) -> Endpoints:
    found = view.get(ENDPOINTS, "default", "web")
    assert found is not None
    return found


def listening(**ports: int) -> list[Mapping[str, Any]]:
    return [{"name": "c", "ports": [{"name": name, "containerPort": number} for name, number in ports.items()]}]


def told(subsets: Sequence[EndpointSubset]) -> list[tuple[list[str], list[str], list[int]]]:
    """(ready addresses, the other ones, ports) of each subset."""
    return [
        (
            [each.ip for each in subset.addresses],
            [each.ip for each in subset.notReadyAddresses],
            [port.port for port in subset.ports],
        )
        for subset in subsets
    ]


# Subsets


def test_ready_and_not_ready_addresses_stand_apart_in_order() -> None:
    pods = [backend(3), backend(2, ready=False), backend(1)]
    assert told(subsets_of(service(), pods)) == [(["10.1.0.1", "10.1.0.3"], ["10.1.0.2"], [8080])]


def test_unready_ones_count_where_that_is_wished() -> None:
    web = service(spec={"publishNotReadyAddresses": True})
    pods = [backend(1, ready=False), backend(2, deleting=True)]
    assert told(subsets_of(web, pods)) == [(["10.1.0.1", "10.1.0.2"], [], [8080])]


def test_terminating_and_finished_pods_are_not_shown() -> None:
    pods = [backend(1, deleting=True), backend(2, phase="Failed"), backend(3, phase="Succeeded"), backend(4, ips=[])]
    assert subsets_of(service(), pods) == []


def test_all_ports_of_the_same_addresses_are_one_subset() -> None:
    assert told(subsets_of(service(ports=TWO_PORTS), backends([1, 2]))) == [
        (["10.1.0.1", "10.1.0.2"], [], [8081, 8080])
    ]


def test_named_ports_are_one_subset_for_each_set_of_addresses() -> None:
    pods = [
        backend(1, containers=listening(http=8080, admin=9000)),
        backend(2, containers=listening(http=8080)),
        backend(3, containers=listening(http=8081, admin=9000), ready=False),
        backend(4, containers=listening()),
    ]
    assert told(subsets_of(service(ports=NAMED), pods)) == [
        (["10.1.0.1"], ["10.1.0.3"], [9000]),
        (["10.1.0.1", "10.1.0.2"], [], [8080]),
        ([], ["10.1.0.3"], [8081]),
    ]


def test_a_port_says_all_the_service_says_of_it() -> None:
    (subset,) = subsets_of(service(ports=NAMED[1:]), [backend(1, containers=listening(admin=9000))])
    (port,) = subset.ports
    assert (port.name, port.port, port.protocol, port.appProtocol) == ("admin", 9000, "TCP", "http")


def test_a_headless_service_needs_no_ports_and_others_do() -> None:
    assert told(subsets_of(service(ports=[], address="None"), [backend(1)])) == [(["10.1.0.1"], [], [])]
    assert subsets_of(service(ports=[]), [backend(1)]) == []


@pytest.mark.parametrize(
    ("families", "ips", "expected"),
    [
        (["IPv4"], ["10.1.0.1", "fd00::1"], ["10.1.0.1"]),
        (["IPv6", "IPv4"], ["10.1.0.1", "fd00::1"], ["fd00::1"]),
        (["IPv6"], ["10.1.0.1"], []),
        (["IPv4"], ["010.1.0.1"], ["10.1.0.1"]),
    ],
)
def test_only_the_first_family_is_shown(families: list[str], ips: list[str], expected: list[str]) -> None:
    found = told(subsets_of(service(families=families), [backend(1, ips=ips)]))
    assert [address for ready, _, _ in found for address in ready] == expected


def test_an_address_says_whose_it_is() -> None:
    (subset,) = subsets_of(service(), [backend(1, hostname="zero", subdomain="web")])
    (address,) = subset.addresses
    assert (address.hostname, address.nodeName) == ("zero", "node-1")
    assert address.targetRef is not None
    assert (address.targetRef.kind, address.targetRef.name, address.targetRef.uid) == ("Pod", "web-1", "uid-web-1")


# What is written


def test_new_endpoints() -> None:
    web = service(labels={"team": "blue"})
    create = only(decided(web, seen(web, pods=[backend(1)])), Create)
    target = {"kind": "Pod", "namespace": "default", "name": "web-1", "uid": "uid-web-1"}
    port = {"port": 8080, "name": "http", "protocol": "TCP", "appProtocol": None}
    address = {"ip": "10.1.0.1", "nodeName": "node-1", "targetRef": target}
    assert create.body == {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "labels": {"team": "blue", **MANAGED},
            "annotations": {LAST_CHANGE: EARLIER},
        },
        "subsets": [{"addresses": [address], "notReadyAddresses": [], "ports": [port]}],
    }


def test_a_change_is_dated_and_told() -> None:
    web = service()
    view = seen(web, pods=backends([1, 2]))
    decided(web, view)
    put(view, backend(2, ready=False, since=LATER))
    assert only(decided(web, view), Patch).guard == "revision"
    assert told(held_in(view).subsets or ()) == [(["10.1.0.1"], ["10.1.0.2"], [8080])]
    assert held_in(view).metadata.annotations == {LAST_CHANGE: LATER}
    put(view, backend(2, deleting=True, since=LATER))
    decided(web, view)
    assert told(held_in(view).subsets or ()) == [(["10.1.0.1"], [], [8080])]
    put(view, backend(1, phase="Failed"))
    decided(web, view)
    assert told(held_in(view).subsets or ()) == []
    assert held_in(view).metadata.annotations == {}


def test_labels_follow_the_service() -> None:
    web = service(labels={"team": "blue", HEADLESS: "mine"})
    view = seen(web)
    decided(web, view)
    assert held_in(view).metadata.labels == {"team": "blue", **MANAGED}
    decided(service(labels={"tier": "front"}, address="None"), view)
    assert held_in(view).metadata.labels == {"tier": "front", HEADLESS: "", **MANAGED}


def test_what_is_right_in_another_order_is_left_alone() -> None:
    web = service(ports=NAMED)
    pods = [
        backend(1, containers=listening(http=8080, admin=9000)),
        backend(2, containers=listening(http=8080, admin=9000)),
        backend(3, containers=listening(http=8081)),
    ]
    subsets = subsets_of(web, pods)
    for subset in subsets:
        subset.ports.reverse()
    assert not decided(web, seen(web, pods=pods, endpoints=[endpoints_of(web, subsets[::-1])]))


@pytest.mark.parametrize("subsets", [None, []], ids=["none", "empty"])
def test_without_pods_empty_endpoints_are_left_alone(subsets: list[Any] | None) -> None:
    web = service()
    found = endpoints_of(web, [])
    found.subsets = subsets
    assert not decided(web, seen(web, endpoints=[found]))


@pytest.mark.parametrize(
    "metadata", [{"labels": {}}, {"labels": {**MANAGED, "x": "y"}}, {"annotations": {OVER_CAPACITY: "warning"}}]
)
def test_wrong_metadata_is_corrected(metadata: Mapping[str, Any]) -> None:
    web = service()
    view = seen(web, endpoints=[endpoints_of(web, [], **metadata)])
    decided(web, view)
    assert held_in(view).metadata.labels == MANAGED
    assert OVER_CAPACITY not in held_in(view).metadata.annotations
    assert not decided(web, view)


def test_other_annotations_stay() -> None:
    web = service()
    view = seen(web, pods=[backend(1)], endpoints=[endpoints_of(web, [], annotations={"mine": "x"})])
    decided(web, view)
    assert held_in(view).metadata.annotations["mine"] == "x"


@pytest.mark.parametrize(
    ("ready", "unready", "kept"), [(997, 4, (997, 3)), (1000, 10, (1000, 0)), (1001, 0, (1000, 0)), (999, 1, (999, 1))]
)
def test_a_thousand_addresses_and_no_more(ready: int, unready: int, kept: tuple[int, int]) -> None:
    web = service()
    pods = [*backends(range(ready)), *backends(range(2000, 2000 + unready), ready=False)]
    view = seen(web, pods=pods)
    decided(web, view)
    sizes = [(len(each.addresses), len(each.notReadyAddresses)) for each in held_in(view).subsets or ()]
    assert sizes == [kept]
    said = held_in(view).metadata.annotations.get(OVER_CAPACITY)
    assert said == ("truncated" if ready + unready > 1000 else None)
    assert not decided(web, view), "what was cut off is not written again and again"


def test_the_mark_goes_when_all_fit_again() -> None:
    web = service()
    view = seen(web, pods=backends(range(1001)))
    decided(web, view)
    put(view, backend(5, phase="Failed"))
    decided(web, view)
    assert OVER_CAPACITY not in held_in(view).metadata.annotations


# Who is left alone


@pytest.mark.parametrize(
    "web", [service(selector=None), service(spec={"type": "ExternalName"})], ids=["no selector", "ExternalName"]
)
def test_services_that_are_not_its_business(web: Service) -> None:
    assert not decided(web, seen(web, pods=[backend(1)], endpoints=[endpoints_of(web, [])]))


def test_endpoints_end_with_their_service() -> None:
    view = seen(endpoints=[endpoints_of(service(), [])])
    steps = run(endpoints.gone(Key("default", "web"), view, NOW), view)
    assert [step.obj.name for step in of(steps, Delete)] == ["web"]
    assert not run(endpoints.gone(Key("default", "web"), view, NOW), view)


# Failures


def answer_with(error: Exception, steps: list[Step]) -> Callable[[Step], Any]:
    def answer(step: Step) -> None:
        steps.append(step)
        if isinstance(step, Create | Patch):
            raise error

    return answer


@pytest.mark.parametrize(
    ("held", "reason", "message"),
    [
        ([], "FailedToCreateEndpoint", "Failed to create endpoint for service default/web: no"),
        ([endpoints_of(service(), [])], "FailedToUpdateEndpoint", "Failed to update endpoint default/web: no"),
    ],
    ids=["create", "update"],
)
def test_a_refusal_is_told_and_tried_again(held: list[Endpoints], reason: str, message: str) -> None:
    web = service()
    steps: list[Step] = []
    with pytest.raises(ApiError):
        decided(web, seen(web, pods=[backend(1)], endpoints=held), answer_with(REFUSED, steps))
    assert events(steps) == [("Warning", reason, message)]
    (event,) = steps[1:]
    assert getattr(event, "obj").key == Key("default", "web")  # noqa: B009 - any step


@pytest.mark.parametrize("error", [Conflict(409, "Conflict", "changed"), AlreadyExists(409, "AlreadyExists", "there")])
def test_being_overtaken_is_daily_business(error: ApiError) -> None:
    web = service()
    steps: list[Step] = []
    with pytest.raises(type(error)):
        decided(web, seen(web, pods=[backend(1)]), answer_with(error, steps))
    assert not events(steps)


def test_a_namespace_that_goes_away_is_no_failure() -> None:
    web = service()
    steps: list[Step] = []
    decided(web, seen(web, pods=[backend(1)]), answer_with(TERMINATING, steps))
    assert not events(steps)


# Endpoints and slices say the same

STATES = st.sampled_from(["ready", "unready", "failed", "v6", "relabelled"])
FAMILIES = st.sampled_from([["IPv4"], ["IPv6"], ["IPv6", "IPv4"]])
MORE: dict[str, dict[str, Any]] = {
    "ready": {},
    "unready": {"ready": False},
    "failed": {"phase": "Failed"},
    "v6": {"ips": ["fd00::99"]},
    "relabelled": {"labels": {"app": "db"}},
}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(1, 150), STATES, max_size=30), FAMILIES, st.booleans())
def test_endpoints_say_what_the_slices_of_the_first_family_say(
    states: dict[int, str], families: list[str], publish: bool
) -> None:
    web = service(families=families, spec={"publishNotReadyAddresses": publish})
    unique = {number: state for number, state in states.items() if state != "v6" or number == min(states)}
    view = seen(web, pods=[backend(number, **MORE[state]) for number, state in unique.items()])
    decided(web, view)
    run(endpointslice.decide(web, view, NOW), view)
    from_slices = {address: flags[0] for address, flags in shown(view, families[0]).items()}
    from_endpoints = {
        each.ip: ready
        for subset in held_in(view).subsets or ()
        for ready, addresses in ((True, subset.addresses), (False, subset.notReadyAddresses))
        for each in addresses
    }
    assert from_endpoints == from_slices
    assert not writes(decided(web, view))
