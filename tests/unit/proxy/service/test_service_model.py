"""The rules of many Services: kept up by changes, as few as can be, and the same as rendered at once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.proxy.service.worlds import FACTS, HERE, NODE_IP, Table, key, service, sliced, status_of
from understudy.proxy.service import packed
from understudy.proxy.service.elements import Facts, Slots, place, tokens_of
from understudy.proxy.service.endpoints import Address, Choice, Endpoint
from understudy.proxy.service.kinds import ProxyService
from understudy.proxy.service.model import Changes, Model, difference, render, serve
from understudy.proxy.service.statements import DROP, Family, goto

ADDRESSES = st.lists(st.integers(1, 40), max_size=20, unique=True)
TCP80 = packed.target("10.96.0.1", 6, 80)


def endpoint(number: int) -> Endpoint:
    return Endpoint(packed.endpoint(f"10.244.0.{number}", 80), True, True, True, False)


def placed(before: Slots, numbers: list[int]) -> Slots:
    return place(before, Choice(tuple(endpoint(number) for number in numbers)))


@given(ADDRESSES, ADDRESSES)
def test_slots_have_no_gap_and_few_move(before: list[int], after: list[int]) -> None:
    old = placed(Slots(), before).cluster
    new = placed(Slots(old), after).cluster
    assert sorted(new) == sorted(endpoint(number).address for number in after)
    stayed = sum(1 for one, other in zip(old, new, strict=False) if one == other)
    kept = set(before) & set(after)
    beyond = sum(1 for each in old[len(after) :] if each in {endpoint(number).address for number in kept})
    assert stayed == len(kept) - beyond


def test_tokens_are_of_the_endpoint_alone_and_unique() -> None:
    every: list[Address] = [packed.endpoint(f"10.{a}.{b}.1", 80) for a in range(50) for b in range(50)]
    tokens = tokens_of(every)
    assert len(set(tokens.values())) == len(every)
    assert tokens_of(every[:3]) == {each: tokens[each] for each in every[:3]}


def test_tokens_that_would_be_equal_are_told_apart() -> None:
    """Two of these have one checksum."""
    from understudy.proxy.service import elements

    original = elements.TOKENS
    elements.TOKENS = 4
    try:
        assert sorted(tokens_of([packed.endpoint(f"10.0.0.{number}", 80) for number in range(4)]).values()) == [
            0,
            1,
            2,
            3,
        ]
    finally:
        elements.TOKENS = original


class Kept:
    """A model and the kernel that got its changes."""

    def __init__(self, facts: Facts = FACTS) -> None:
        self.model, self.table = Model(facts), Table()
        self.table.load({}, {name: {} for name in self.model.elements})
        self.step()

    def step(self) -> Changes:
        changes = self.model.take()
        self.table.change(changes)
        return changes

    def put(self, name: str, made: ProxyService | None, *endpoints: str, created: str = "") -> Changes:
        slices = [sliced(name, *endpoints)]
        self.model.put(key(name), created, serve(made, slices, FACTS, HERE))
        return self.step()


def test_one_endpoint_that_goes_is_a_few_elements() -> None:
    kept = Kept()
    kept.put("web", service("web"), *(f"10.244.0.{number}" for number in range(1, 101)))
    changes = kept.put("web", service("web"), *(f"10.244.0.{number}" for number in range(2, 101)))
    assert changes.size == 7  # its slot goes to the last one, the last slot, the plan's number, the plan, the hairpin


def test_what_stays_the_same_changes_nothing() -> None:
    kept = Kept()
    kept.put("web", service("web"), "10.244.0.1")
    assert not kept.put("web", service("web"), "10.244.0.1")
    assert kept.put("web", None)
    assert not kept.put("web", None)
    assert kept.model.elements == {**Model(FACTS).elements, "plans": kept.model.elements["plans"]}


def test_several_changes_of_one_element_are_one() -> None:
    kept = Kept()
    kept.put("web", service("web"), "10.244.0.1")
    for ip in ("10.244.0.2", "10.244.0.3", "10.244.0.1"):
        kept.model.put(key("web"), "", serve(service("web"), [sliced("web", ip)], FACTS, HERE))
    assert not kept.model.take()


def test_what_services_share_stays_until_the_last_is_gone() -> None:
    kept = Kept()
    kept.put("one", service("one", "10.96.0.1"), "10.244.0.1")
    kept.put("two", service("two", "10.96.0.2"), "10.244.0.1")
    kept.put("one", None)
    assert list(kept.table.elements["hairpin"]) == [packed.address("10.244.0.1") * 2]
    kept.put("two", None)
    assert kept.table.elements["hairpin"] == {}


def serving(kept: Kept, target: bytes) -> bytes | None:
    data = kept.table.elements["endpoints"].get(target + packed.slot(0))
    assert data is None or isinstance(data, bytes)
    return data


def test_an_address_that_two_claim_is_the_older_ones_and_comes_back() -> None:
    kept = Kept()
    old, young = (service(name, ip, externalIPs=["1.1.1.1"]) for name, ip in (("b", "10.96.0.1"), ("a", "10.96.0.2")))
    shared = packed.target("1.1.1.1", 6, 80)
    kept.put("a", young, "10.244.0.2", created="2026-01-02")
    assert serving(kept, shared) == packed.endpoint("10.244.0.2", 8080)
    kept.put("b", old, "10.244.0.1", created="2026-01-01")
    assert serving(kept, shared) == packed.endpoint("10.244.0.1", 8080)
    kept.put("b", None)
    assert serving(kept, shared) == packed.endpoint("10.244.0.2", 8080)


def test_nobody_takes_a_cluster_ip_by_an_external_one() -> None:
    kept = Kept()
    kept.put("thief", service("thief", "10.96.0.9", externalIPs=["10.96.0.1"]), "10.244.0.9", created="2025-01-01")
    kept.put("web", service("web"), "10.244.0.1", created="2026-01-01")
    assert serving(kept, TCP80) == packed.endpoint("10.244.0.1", 8080)


def test_its_own_cluster_ip_named_as_an_external_one_stays_a_cluster_ip() -> None:
    kept = Kept()
    kept.put("web", service("web", externalIPs=["10.96.0.1"]), "10.244.0.1")
    number = kept.table.elements["service-ips"][TCP80]
    assert isinstance(number, bytes)
    assert kept.table.elements["plans"][number] == goto("internal-1-0-0").verdict


def test_who_is_not_served_is_refused_or_dropped_where_others_are() -> None:
    kept = Kept()
    kept.put("web", service("web"))
    assert kept.table.elements["no-endpoints"] == {TCP80: goto("refuse").verdict}
    away = {"addresses": ["10.244.2.1"], "nodeName": "other"}
    near = service("web", internalTrafficPolicy="Local")
    kept.model.put(key("web"), "", serve(near, [sliced("web", away)], FACTS, HERE))
    kept.step()
    assert kept.table.elements["no-endpoints"] == {TCP80: DROP.verdict}


def test_a_node_that_is_let_in_reaches_a_balancer_from_its_own_address() -> None:
    made = service("web", loadBalancerSourceRanges=["172.18.0.0/16"], status=status_of("203.0.113.1"))
    kept = Kept()
    kept.put("web", made, "10.244.0.1")
    target = packed.target("203.0.113.1", 6, 80)
    assert kept.table.elements["firewall-allow"] == {
        target + packed.address("172.18.0.0"): target + packed.address("172.18.255.255"),
        target + packed.address("203.0.113.1"): target + packed.address("203.0.113.1"),
    }


def test_without_an_address_of_the_node_there_are_no_node_ports() -> None:
    made = service("web", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    served = serve(made, [sliced("web", "10.244.0.1")], FACTS, HERE)
    for facts, there in ((FACTS, True), (Facts(Family.IPV4), False)):
        model = Model(facts)
        model.put(key("web"), "", served)
        assert (packed.target(NODE_IP, 6, 30080) in model.elements["service-ips"]) is there


def test_udp_addresses_are_known_with_all_that_serve() -> None:
    kept = Kept()
    made = service("dns", ports=[{"port": 53, "protocol": "UDP"}])
    kept.model.put(key("dns"), "", serve(made, [sliced("dns", "10.244.0.1", protocol="UDP")], FACTS, HERE))
    assert kept.model.udp == {packed.target("10.96.0.1", 17, 53): {packed.endpoint("10.244.0.1", 8080)}}
    assert kept.model.udp_changed
    kept.model.put(key("dns"), "", ())
    assert kept.model.udp == {}


def test_local_policies_without_endpoints_here_are_counted() -> None:
    kept = Kept()
    away = {"addresses": ["10.244.2.1"], "nodeName": "other"}
    made = service("web", internalTrafficPolicy="Local")
    kept.model.put(key("web"), "", serve(made, [sliced("web", away)], FACTS, HERE))
    assert kept.model.lonely == {"internal": 1, "external": 0}
    kept.put("web", made, "10.244.1.1")
    assert kept.model.lonely == {"internal": 0, "external": 0}


NAMES = ("a", "b", "c")
Step = tuple[str, tuple[list[int], bool, bool] | None]
"""A Service that goes, or is there with these endpoints, an address others claim too, and affinity."""
STEPS = st.tuples(
    st.sampled_from(NAMES),
    st.none() | st.tuples(st.lists(st.integers(1, 9), max_size=6, unique=True), st.booleans(), st.booleans()),
)


def versions(name: str, shared: bool, sticky: bool) -> ProxyService:
    return service(
        name,
        f"10.96.0.{NAMES.index(name) + 1}",
        externalIPs=["1.1.1.1"] if shared else [],
        sessionAffinity="ClientIP" if sticky else "None",
    )


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=12))
def test_changes_lead_where_rendering_at_once_does(
    steps: list[tuple[str, tuple[list[int], bool, bool] | None]],
) -> None:
    """Slots and plans' numbers may differ; sets, and who is in which map, may not."""
    kept = Kept()
    now: dict[str, tuple[ProxyService, list[str]]] = {}
    for name, step in steps:
        if step is None:
            now.pop(name, None)
            kept.put(name, None)
        else:
            numbers, shared, sticky = step
            now[name] = versions(name, shared, sticky), [f"10.244.0.{number}" for number in numbers]
            kept.put(name, now[name][0], *now[name][1])
        assert kept.table.elements == kept.model.elements
    slices = {key(name): [sliced(name, *ips)] for name, (_, ips) in now.items()}
    fresh = render([each for each, _ in now.values()], slices, FACTS, HERE)
    for table, elements in fresh.elements.items():
        if table != "plans":
            assert kept.model.elements[table].keys() == elements.keys()
            if table == "endpoints":
                assert sorted(map(str, kept.model.elements[table].values())) == sorted(map(str, elements.values()))
    assert {each.chain for each in fresh._numbers} <= kept.table.chains.keys()


def test_the_difference_puts_right_whatever_was_done() -> None:
    kept = Kept()
    kept.put("web", service("web"), "10.244.0.1", "10.244.0.2")
    held = {name: dict(each) for name, each in kept.model.elements.items()}
    held["endpoints"].pop(TCP80 + packed.slot(1))
    held["service-ips"][TCP80] = packed.slot(99)
    held["cluster-ips"][packed.address("9.9.9.9")] = b""
    kept.table.elements = held
    changes = difference(held, kept.model.elements)
    assert changes.size == 4
    kept.table.change(changes)
    assert kept.table.elements == kept.model.elements
    assert not difference(kept.table.elements, kept.model.elements)


def test_rendered_at_once_the_loser_of_an_address_leaves_nothing_there() -> None:
    many = [sliced("b", *(f"10.244.0.{number}" for number in range(1, 6)))]
    both = [service(name, ip, externalIPs=["1.1.1.1"]) for name, ip in (("b", "10.96.0.2"), ("a", "10.96.0.1"))]
    model = render(both, {key("b"): many, key("a"): [sliced("a", "10.244.0.9")]}, FACTS, HERE)
    shared = packed.target("1.1.1.1", 6, 80)
    assert [at for at in model.elements["endpoints"] if at.startswith(shared)] == [shared + packed.slot(0)]
