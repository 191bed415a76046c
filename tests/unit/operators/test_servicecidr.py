"""When a range of Service addresses is Ready, what holds it back from deletion, and for how long."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, of, only, run, view_of, writes
from understudy.errors import ApiError, Conflict
from understudy.kinds.meta import Key, Obj
from understudy.kinds.networking import IP_ADDRESSES, SERVICE_CIDRS, ServiceCIDR
from understudy.loop.controller import REGISTRY
from understudy.operators import servicecidr
from understudy.plan.steps import Patch, Requeue, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["service-cidr-controller"]
READY = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
BLOCKED = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def cidr(*ranges: str, name: str = "mine", **fields: Any) -> ServiceCIDR:
    given: dict[str, Any] = {"finalizers": [servicecidr.FINALIZER], **fields}
    return make(SERVICE_CIDRS, name, spec={"cidrs": list(ranges)}, **given)


def address(name: str, by: str = "ipallocator.k8s.io") -> Obj:
    return make(IP_ADDRESSES, name, labels={"ipaddress.kubernetes.io/managed-by": by})


def world(*cidrs: ServiceCIDR, addresses: tuple[str, ...] = ()) -> View:
    return view_of({SERVICE_CIDRS: cidrs, IP_ADDRESSES: [address(each) for each in addresses]})


def decide(view: View, after: float = 0, answer: Any = None) -> list[Step]:
    return run(servicecidr.decide(mine(view), view, NOW + timedelta(seconds=after)), view, answer)


def mine(view: View) -> ServiceCIDR:
    found = view.get(SERVICE_CIDRS, "", "mine")
    assert found is not None
    return found


# Alive


def test_a_new_range_is_protected_and_ready() -> None:
    view = world(cidr("10.0.0.0/24", finalizers=[]))
    finalizer, status = writes(decide(view))
    assert isinstance(finalizer, Patch)
    assert finalizer.body == {"metadata": {"finalizers": ["networking.k8s.io/service-cidr-finalizer"]}}
    assert isinstance(status, Patch)
    assert status.body["status"]["conditions"] == [{**READY, "lastTransitionTime": "2026-01-02T12:00:00Z"}]
    assert decide(view) == []


def test_conditions_of_others_stay() -> None:
    other = {"type": "Other", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "x"}
    view = world(cidr("10.0.0.0/24", status={"conditions": [other]}))
    decide(view)
    assert [each.type for each in mine(view).status.conditions or ()] == ["Other", "Ready"]


def refuse(error: ApiError, told: list[Step]) -> Any:
    def answer(step: Step) -> None:
        told.append(step)
        if isinstance(step, Patch):
            raise error

    return answer


def test_a_status_that_cannot_be_written_is_told() -> None:
    told: list[Step] = []
    view = world(cidr("10.0.0.0/24"))
    with pytest.raises(ApiError, match="etcd"):
        decide(view, answer=refuse(ApiError(500, "InternalError", "etcd"), told))
    message = "The ServiceCIDR Status can not be set to Ready=True"
    assert events(told) == [("Warning", "KubernetesServiceCIDRError", message)]


def test_a_conflict_is_no_news() -> None:
    told: list[Step] = []
    with pytest.raises(Conflict):
        decide(world(cidr("10.0.0.0/24")), answer=refuse(Conflict(409, "Conflict", "changed"), told))
    assert events(told) == []


# Being deleted


def test_an_unused_range_goes_after_its_grace() -> None:
    view = world(cidr("10.0.0.0/24", deleting=True))
    assert only(decide(view, 3), Requeue).after == 7
    (step,) = decide(view, 10)
    assert isinstance(step, Patch)
    assert "$deleteFromPrimitiveList/finalizers" in step.body["metadata"]


@pytest.mark.parametrize(
    ("ranges", "others", "address", "blocked"),
    [
        (["10.0.0.0/24"], [], "10.0.0.7", True),
        (["fd00::/120"], [], "fd00::7", True),
        (["10.0.0.0/24", "fd00::/120"], [], "fd00::7", True),
        (["10.0.0.0/24"], [], "10.0.1.7", False),
        (["10.0.0.0/24"], [], "10.0.0.0", False),
        (["10.0.0.0/24"], [], "10.0.0.255", False),
        (["fd00::/120"], [], "fd00::ff", True),
        (["10.0.0.0/24"], ["10.0.0.0/28"], "10.0.0.7", False),
        (["10.0.0.0/24"], ["10.0.0.0/28"], "10.0.0.99", True),
        (["10.0.0.0/24"], ["10.0.0.0/16"], "10.0.0.7", False),
        (["10.0.0.0/24"], ["10.0.0.0/24"], "10.0.0.7", False),
        (["10.0.0.0/24", "fd00::/120"], ["10.0.0.0/16"], "fd00::7", True),
    ],
)
def test_what_holds_a_range_back(ranges: list[str], others: list[str], address: str, blocked: bool) -> None:
    rest = [cidr(*others, name="other")] if others else []
    view = world(cidr(*ranges, deleting=True), *rest, addresses=(address,))
    steps = decide(view)
    assert [type(step) for step in steps] == [Patch if blocked else Requeue]
    if blocked:
        (condition,) = of(steps, Patch)[0].body["status"]["conditions"]
        assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Terminating", BLOCKED)
        assert decide(view, 60) == []


def test_addresses_of_others_hold_nothing_back() -> None:
    view = view_of({SERVICE_CIDRS: [cidr("10.0.0.0/24", deleting=True)], IP_ADDRESSES: [address("10.0.0.7", "me")]})
    assert isinstance(decide(view)[0], Requeue)


# What wakes it


def test_what_wakes_it() -> None:
    addresses, ranges = CONTROLLER.watches
    view = world(cidr("10.0.0.0/24"), cidr("10.0.0.0/16", name="large"), cidr("fd00::/120", name="six"))
    assert list(addresses.keys(address("10.0.0.7"), view)) == [Key("", "mine"), Key("", "large")]
    assert list(addresses.keys(address("10.0.0.7", "me"), view)) == []
    assert list(addresses.keys(address("nonsense"), view)) == []
    assert addresses.when is not None
    assert addresses.when(None, address("10.0.0.7"))
    assert not addresses.when(address("10.0.0.7"), address("10.0.0.7"))
    assert list(ranges.keys(cidr("10.0.0.0/8", name="new"), view)) == [Key("", "mine"), Key("", "large")]
    assert ranges.when is not None
    assert ranges.when(cidr(), None)
    assert not ranges.when(cidr(), cidr())
