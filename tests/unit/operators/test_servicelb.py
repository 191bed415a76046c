"""Service load balancers: who is given which address, when it is kept, and what the user is told."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, events, make, only, run, settle, view_of, writes
from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.core import SERVICES, Service
from understudy.kinds.meta import Condition
from understudy.kinds.pools import ADDRESS_POOLS, AddressPool
from understudy.operators import servicelb
from understudy.operators.servicelb import status
from understudy.operators.servicelb.addresses import canonical, parse
from understudy.operators.servicelb.holders import SHARE, addresses_of, may_share
from understudy.operators.servicelb.marks import FINALIZER, MARK
from understudy.operators.servicelb.pools import ADDRESSES, CLASS, POOL
from understudy.plan.steps import Patch, Requeue, Step
from understudy.state.view import View

HOME = ("10.0.0.1-10.0.0.3",)
DUAL = ("IPv4", "IPv6")


def pool(name: str = "home", addresses: Sequence[str] = HOME, default: bool = True, **metadata: Any) -> AddressPool:
    return make(ADDRESS_POOLS, name, spec={"addresses": list(addresses), "default": default}, **metadata)


def service(
    name: str = "web",
    *held: str,
    annotations: Mapping[str, str] | None = None,
    finalizers: Sequence[str] = (),
    ports: Sequence[int] = (80,),
    deleting: bool = False,
    created: str = "2026-01-02T11:00:00Z",
    **spec: Any,
) -> Service:
    """A Service of type LoadBalancer that holds these addresses."""
    ingress = [{"ip": each, "ipMode": "VIP"} for each in held]
    spec = {"type": "LoadBalancer", "ports": [{"port": each} for each in ports], "ipFamilies": ["IPv4"], **spec}
    about: dict[str, Any] = {
        "annotations": annotations,
        "finalizers": finalizers,
        "deleting": deleting,
        "created": created,
    }
    return make(SERVICES, name, spec=spec, status={"loadBalancer": {"ingress": ingress}}, **about)


def marked(*names: str, **more: Any) -> Service:
    """One that we have served."""
    return service(*names, annotations={MARK: "pool"}, finalizers=[FINALIZER], **more)


def view(services: Iterable[Service], pools: Iterable[AddressPool] = ()) -> View:
    return view_of({SERVICES: list(services), ADDRESS_POOLS: list(pools) or [pool()]})


def decided(mine: Service, *others: Service, pools: Iterable[AddressPool] = (), answer: Any = None) -> list[Step]:
    seen = view([mine, *others], pools)
    return run(servicelb.decide(mine, seen, NOW), seen, answer)


def got(mine: Service, *others: Service, pools: Iterable[AddressPool] = ()) -> list[str]:
    """The addresses it has when all is done."""
    seen = view([mine, *others], pools)
    settle(servicelb.decide, SERVICES, mine.key, seen)
    after = seen.get(SERVICES, mine.namespace, mine.name)
    assert after is not None
    return addresses_of(after)


def refusal(steps: Iterable[Step]) -> str:
    """Why there is no load balancer, as the user is told."""
    type_, reason, message = events(steps)[-1]
    assert (type_, reason) == ("Warning", "SyncLoadBalancerFailed")
    assert only(steps, Requeue).after == 300
    prefix = "Error syncing load balancer: failed to ensure load balancer: "
    assert message.startswith(prefix)
    return message.removeprefix(prefix)


# Getting one


def test_a_service_gets_the_lowest_free_address_and_is_held_until_it_is_cleaned_up() -> None:
    steps = decided(service(), service("other", "10.0.0.1"))
    held, told = writes(steps)
    assert isinstance(held, Patch)
    assert isinstance(told, Patch)
    assert held.body["metadata"] == {"finalizers": [FINALIZER], "annotations": {MARK: "pool"}}
    assert told.subresource == "status"
    assert told.body["status"] == {"loadBalancer": {"ingress": [{"ip": "10.0.0.2", "ipMode": "VIP"}]}}
    assert events(steps) == [
        ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer"),
        ("Normal", "EnsuredLoadBalancer", "Ensured load balancer"),
    ]


def test_what_is_done_is_left_alone() -> None:
    assert decided(marked("web", "10.0.0.3"), service("other", "10.0.0.1")) == []


def test_finalizers_of_others_stay() -> None:
    held, _ = writes(decided(service(finalizers=["x"])))
    assert isinstance(held, Patch)
    assert held.body["metadata"]["finalizers"] == ["x", FINALIZER]


@pytest.mark.parametrize(
    "given",
    [
        service(type="ClusterIP"),
        service(type="NodePort"),
        service(loadBalancerClass="example.com/other"),
        service(finalizers=[FINALIZER]),
        service("web", "192.168.0.1"),
        service(deleting=True, finalizers=["x"]),
        service(deleting=True, finalizers=[FINALIZER]),
    ],
    ids=["cluster", "node", "another class", "another's finalizer", "another's address", "going", "going, another's"],
)
def test_others_are_not_touched(given: Service) -> None:
    assert decided(given) == []


def test_without_a_default_pool_only_those_that_ask_are_served() -> None:
    special = pool(default=False)
    assert decided(service(), pools=[special]) == []
    assert got(service(annotations={POOL: "home"}), pools=[special]) == ["10.0.0.1"]
    assert got(service(loadBalancerClass=CLASS, annotations={POOL: "home"}), pools=[special]) == ["10.0.0.1"]


def test_a_service_that_lost_its_marks_is_known_by_its_address() -> None:
    assert got(service("web", "10.0.0.3")) == ["10.0.0.3"]


@pytest.mark.parametrize(
    ("mine", "pools", "reason"),
    [
        (service(loadBalancerClass=CLASS), [pool(default=False)], "it names no AddressPool, and none is the default"),
        (service(loadBalancerClass=CLASS, annotations={POOL: "x"}), [pool()], "there is no AddressPool x"),
        (service(ipFamilies=["IPv6"]), [pool()], "AddressPool home has no IPv6 addresses"),
        (
            service(ipFamilies=DUAL, ipFamilyPolicy="RequireDualStack"),
            [pool()],
            "AddressPool home has no IPv6 addresses",
        ),
        (service(loadBalancerIP="10.9.9.9"), [pool()], "address 10.9.9.9 is not in AddressPool home"),
        (service(annotations={ADDRESSES: "10.0.0.1"}), [pool()], "address 10.0.0.1 is held by Service default/other"),
        (service(), [pool(addresses=["10.0.0.1"])], "AddressPool home has no free IPv4 address"),
        (
            service(annotations={ADDRESSES: "::1"}),
            [pool(addresses=["::1", *HOME])],
            "address ::1 is of none of the Service's families, IPv4",
        ),
    ],
)
def test_why_there_is_none(mine: Service, pools: Sequence[AddressPool], reason: str) -> None:
    steps = decided(mine, marked("other", "10.0.0.1"), pools=pools)
    assert refusal(steps) == reason
    assert not [step for step in writes(steps) if isinstance(step, Patch) and step.subresource]


def test_addresses_that_cannot_be_read_are_told() -> None:
    assert "'10.0.0' does not appear to be" in refusal(decided(service(annotations={ADDRESSES: "10.0.0"})))
    broken = pool(addresses=["10.0.0.9-10.0.0.1"])
    reason = refusal(decided(service(), pools=[broken]))
    assert reason.startswith("AddressPool home cannot be used: '10.0.0.9-10.0.0.1' is no address, range or network")


def test_one_address_a_family() -> None:
    both = pool(addresses=["fd00::1-fd00::9", *HOME])
    assert got(service(ipFamilies=DUAL), pools=[both]) == ["10.0.0.1", "fd00::1"]
    wanted = {ADDRESSES: "fd00::0005, 10.0.0.2"}
    assert got(service(ipFamilies=DUAL, annotations=wanted), pools=[both]) == ["10.0.0.2", "fd00::5"]
    assert got(service(ipFamilies=DUAL, ipFamilyPolicy="PreferDualStack")) == ["10.0.0.1"]


def test_an_address_is_taken_however_it_is_written() -> None:
    wide = pool(addresses=["fd00::1-fd00::2"])
    other = service("other", "FD00:0::1", "010.0.0.1", loadBalancerClass="example.com/other")
    assert got(service(ipFamilies=["IPv6"]), other, pools=[wide]) == ["fd00::2"]


# Keeping it


def test_an_address_the_pool_no_longer_has_is_replaced() -> None:
    moved = pool(addresses=["10.1.0.0/30"])
    assert got(marked("web", "10.0.0.3"), pools=[moved]) == ["10.1.0.0"]


def test_a_pool_that_is_gone_takes_no_address_away() -> None:
    mine = marked("web", "10.0.0.3", loadBalancerClass=CLASS)
    steps = decided(mine, pools=[pool("another", default=False)])
    assert refusal(steps) == "it names no AddressPool, and none is the default"
    assert writes(steps) == []


def test_of_two_that_hold_the_same_the_older_stays() -> None:
    old = marked("old", "10.0.0.1")
    young = marked("young", "10.0.0.1", created="2026-01-02T11:30:00Z")
    assert got(old, young) == ["10.0.0.1"]
    assert got(young, old) == ["10.0.0.2"]


def test_who_asks_for_another_address_moves() -> None:
    wish = {MARK: "pool", ADDRESSES: "10.0.0.2"}
    assert got(service("web", "10.0.0.3", annotations=wish, finalizers=[FINALIZER])) == ["10.0.0.2"]


def test_an_address_of_an_older_service_is_let_go_also_if_there_is_no_other() -> None:
    young = marked("young", "10.0.0.1", created="2026-01-02T11:30:00Z")
    small = [pool(addresses=["10.0.0.1"])]
    steps = decided(young, marked("old", "10.0.0.1"), pools=small)
    assert refusal(steps) == "AddressPool home has no free IPv4 address"
    assert only(steps, Patch).body == {"status": {"loadBalancer": {"ingress": None}}}


# Sharing it


def sharing(name: str, *held: str, key: str = "k", **more: Any) -> Service:
    return service(name, *held, annotations={SHARE: key}, **more)


def test_services_share_an_address_if_both_ask_for_it() -> None:
    assert got(sharing("a"), sharing("b", "10.0.0.3", ports=[443])) == ["10.0.0.3"]


@pytest.mark.parametrize(
    "other",
    [
        sharing("b", "10.0.0.1", key="another", ports=[443]),
        service("b", "10.0.0.1", ports=[443]),
        sharing("b", "10.0.0.1", ports=[443, 80]),
        sharing("b", "10.0.0.1", ports=[443], externalTrafficPolicy="Local", selector={"app": "b"}),
    ],
    ids=["another key", "no key", "a port of both", "other nodes"],
)
def test_else_they_do_not(other: Service) -> None:
    assert got(sharing("a", selector={"app": "a"}), other) == ["10.0.0.2"]


def test_nobody_gets_at_the_address_of_another_namespace_by_its_key() -> None:
    mine = service("a", annotations={SHARE: "k", ADDRESSES: "10.0.0.1"}, ports=[443])
    theirs = sharing("b", "10.0.0.1")
    theirs.metadata.namespace = "theirs"
    assert refusal(decided(mine, theirs)) == "address 10.0.0.1 is held by Service theirs/b"


def test_who_has_begun_to_use_another_s_port_moves() -> None:
    young = sharing("b", "10.0.0.1", ports=[80], created="2026-01-02T11:30:00Z")
    assert got(young, sharing("a", "10.0.0.1")) == ["10.0.0.2"]


# Letting go of it


def test_a_deleted_service_is_let_go() -> None:
    steps = decided(marked("web", "10.0.0.1", deleting=True))
    patch = only(steps, Patch)
    assert patch.body == {"metadata": {"finalizers": None, "annotations": {MARK: None}}}
    assert events(steps) == [
        ("Normal", "DeletingLoadBalancer", "Deleting load balancer"),
        ("Normal", "DeletedLoadBalancer", "Deleted load balancer"),
    ]


@pytest.mark.parametrize(
    "mine",
    [
        marked("web", "10.0.0.1", type="ClusterIP"),
        marked("web", "10.0.0.1", loadBalancerClass="example.com/other"),
        service("web", "10.0.0.1", annotations={MARK: "pool"}, finalizers=[FINALIZER, "x"], deleting=True),
    ],
    ids=["another type", "another class", "held by others"],
)
def test_who_stays_no_longer_tells_the_address(mine: Service) -> None:
    seen = view([mine])
    settle(servicelb.decide, SERVICES, mine.key, seen)
    after = seen.get(SERVICES, "default", "web")
    assert after is not None
    assert addresses_of(after) == []
    assert FINALIZER not in after.metadata.finalizers
    assert MARK not in after.metadata.annotations


def test_a_service_that_is_gone_meanwhile_is_no_failure() -> None:
    def missing(step: Step) -> None:
        if isinstance(step, Patch):
            raise NotFound(404, "NotFound", "gone")

    steps = decided(marked("web", "10.0.0.1", deleting=True), answer=missing)
    assert [reason for _, reason, _ in events(steps)] == ["DeletingLoadBalancer"]


# What goes wrong


def failing(error: ApiError, subresource: str) -> Any:
    def answer(step: Step) -> None:
        if isinstance(step, Patch) and step.subresource == subresource:
            raise error

    return answer


@pytest.mark.parametrize(
    ("subresource", "doing"),
    [("", "add load balancer cleanup finalizer"), ("status", "update load balancer status")],
)
def test_a_refused_write_is_told_and_tried_again(subresource: str, doing: str) -> None:
    mine = service()
    seen = view([mine])
    steps: list[Step] = []

    def note(step: Step) -> Any:
        steps.append(step)
        return failing(ApiError(500, "InternalError", "boom"), subresource)(step)

    with pytest.raises(ApiError, match="boom"):
        run(servicelb.decide(mine, seen, NOW), seen, note)
    assert events(steps)[-1] == (
        "Warning",
        "SyncLoadBalancerFailed",
        f"Error syncing load balancer: failed to {doing}: boom",
    )


def test_a_conflict_is_not_worth_telling() -> None:
    mine = service()
    seen = view([mine])
    with pytest.raises(Conflict):
        run(servicelb.decide(mine, seen, NOW), seen, failing(Conflict(409, "Conflict", "old"), ""))


# Addresses


def test_single_ones_ranges_and_networks() -> None:
    single, range_, network = parse(("10.0.0.1", "10.0.0.5 - 10.0.0.7", "fd00::/126"))
    assert [str(each) for each in single] == ["10.0.0.1"]
    assert [str(each) for each in range_] == ["10.0.0.5", "10.0.0.6", "10.0.0.7"]
    assert [str(each) for each in network] == ["fd00::", "fd00::1", "fd00::2", "fd00::3"]
    assert (single.size, range_.size, network.size) == (1, 3, 4)
    assert parse(("::/0",))[0].size == 2**128
    assert canonical(" FD00:0::1 ") == "fd00::1"


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/28", "10.0.0.2-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-", "1-2"])
def test_what_is_none_is_refused(text: str) -> None:
    if text == "10.0.0.1-":
        assert str(parse((text,))[0]) == "10.0.0.1"
        return
    with pytest.raises(ValueError, match="is no address, range or network"):
        parse((text,))


NUMBERS = st.integers(0, 2**32 - 1)


@given(NUMBERS, st.integers(0, 30), NUMBERS)
def test_a_range_holds_what_it_lists(first: int, more: int, other: int) -> None:
    last = min(first + more, 2**32 - 1)
    (range_,) = parse((f"{IPv4Address(first)}-{IPv4Address(last)}",))
    listed = list(range_)
    assert len(listed) == range_.size
    assert all(range_.holds(each) for each in listed)
    assert range_.holds(IPv4Address(other)) == (IPv4Address(other) in listed)


# The pools' own status


def told(mine: AddressPool, *services: Service, others: Sequence[AddressPool] = ()) -> dict[str, tuple[str, str]]:
    seen = view(services, [mine, *others])
    settle(status.decide, ADDRESS_POOLS, mine.key, seen)
    after = seen.get(ADDRESS_POOLS, "", mine.name)
    assert after is not None
    found = {each.type: (each.status, each.reason) for each in after.status.conditions}
    return found | {"used": (str(after.status.assigned), after.status.addresses)}


def test_a_pool_tells_how_full_it_is() -> None:
    assert told(pool()) == {
        "Ready": ("True", "AddressesValid"),
        "Exhausted": ("False", "AddressesFree"),
        "Conflicting": ("False", "NoConflict"),
        "used": ("0", "3"),
    }
    full = told(pool(), service("a", "10.0.0.1"), service("b", "10.0.0.2"), service("c", "10.0.0.3", "9.9.9.9"))
    assert (full["Exhausted"], full["used"]) == (("True", "AllInUse"), ("3", "3"))


def test_a_pool_tells_what_is_wrong_with_it() -> None:
    assert told(pool(addresses=["x"]))["Ready"] == ("False", "InvalidAddresses")
    overlapping = pool("other", ["10.0.0.0/28"], default=False)
    assert told(pool(), others=[overlapping])["Conflicting"] == ("True", "Overlaps")
    assert told(overlapping, others=[pool()])["Conflicting"] == ("True", "Overlaps")
    older = pool("older", ["10.9.0.0/28"], created="2026-01-01T00:00:00Z")
    assert told(pool(), others=[older])["Conflicting"] == ("True", "AnotherIsDefault")
    assert told(older, others=[pool()])["Conflicting"] == ("False", "NoConflict")


def test_the_time_of_a_condition_moves_with_its_status_only() -> None:
    mine = pool()
    mine.status.conditions = [
        Condition("Ready", "True", "2020-01-01T00:00:00Z", reason="Other"),
        Condition("Exhausted", "True", "2020-01-01T00:00:00Z", reason="AllInUse"),
    ]
    seen = view([], [mine])
    patch = only(run(status.decide(mine, seen, NOW), seen), Patch)
    since = {each["type"]: each["lastTransitionTime"] for each in patch.body["status"]["conditions"]}
    assert since == {
        "Ready": "2020-01-01T00:00:00Z",
        "Exhausted": "2026-01-02T12:00:00Z",
        "Conflicting": "2026-01-02T12:00:00Z",
    }


# Never the same address twice

ANYTHING = st.lists(
    st.fixed_dictionaries(
        {
            "held": st.lists(st.integers(1, 5).map("10.0.0.{}".format), max_size=1),
            "key": st.sampled_from(["", "", "k", "l"]),
            "ports": st.lists(st.sampled_from([80, 443, 53]), min_size=1, max_size=2, unique=True),
            "wants": st.sampled_from(["", "", "10.0.0.2", "10.0.0.9"]),
            "minute": st.integers(0, 3),
        }
    ),
    min_size=2,
    max_size=7,
)


@given(ANYTHING)
def test_no_two_services_share_an_address_unless_they_ask_for_it(given_: list[dict[str, Any]]) -> None:
    services = [
        service(
            f"s{number}",
            *each["held"],
            annotations={SHARE: each["key"], ADDRESSES: each["wants"], MARK: "pool"},
            finalizers=[FINALIZER],
            ports=each["ports"],
            created=f"2026-01-02T11:0{each['minute']}:00Z",
        )
        for number, each in enumerate(given_)
    ]
    seen = view(services, [pool(addresses=["10.0.0.1-10.0.0.4"]), pool("big", ["10.0.0.4-10.0.0.30"], default=False)])
    for _ in range(3):
        for each in services:
            run(servicelb.decide(seen.store(SERVICES).get(each.key), seen, NOW), seen)
    for one, other in combinations(seen.all(SERVICES), 2):
        assert may_share(one, other) or not set(addresses_of(one)) & set(addresses_of(other)), (one, other)
