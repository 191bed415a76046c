"""The keeper over a kernel in memory: what it writes when, how it gets over failures, what it puts right."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from tests.unit.proxy.service.worlds import NODE_IP, Conversations, Table, key, service, sliced
from understudy.kinds.core import NODES, Node
from understudy.kinds.networking import SERVICE_CIDRS, ServiceCIDR
from understudy.obs.metrics import METRICS
from understudy.proxy.service import packed
from understudy.proxy.service.conntrack import Flow, stale
from understudy.proxy.service.elements import Elements
from understudy.proxy.service.keeper import EVERY, Keeper
from understudy.proxy.service.kinds import PROXY_SERVICES, PROXY_SLICES, ProxyService, ProxySlice
from understudy.proxy.service.statements import Chain, Family
from understudy.proxy.service.sync import FamilySync
from understudy.state.store import Store

pytestmark = pytest.mark.looptime

WEB = packed.target("10.96.0.1", 6, 80)


def node(*, ip: str = NODE_IP, zone: str = "east") -> Node:
    metadata = {"name": "me", "uid": "me", "resourceVersion": "1", "labels": {"topology.kubernetes.io/zone": zone}}
    addresses = [{"type": "ExternalIP", "address": "1.1.1.1"}, {"type": "InternalIP", "address": ip}]
    body = {"metadata": metadata, "spec": {"podCIDRs": ["10.244.1.0/24"]}, "status": {"addresses": addresses}}
    return msgspec.convert(body, Node)


@dataclass
class Case:
    """A keeper, what it hears from and what it writes to."""

    ipv4: Table = field(default_factory=Table)
    ipv6: Table = field(default_factory=Table)
    flows: Conversations = field(default_factory=Conversations)
    nodes: Store[Node] = field(default_factory=lambda: Store(NODES))
    ranges: Store[ServiceCIDR] = field(default_factory=lambda: Store(SERVICE_CIDRS))
    services: Store[ProxyService] = field(default_factory=lambda: Store(PROXY_SERVICES))
    slices: Store[ProxySlice] = field(default_factory=lambda: Store(PROXY_SLICES))
    revision: int = 10

    def __post_init__(self) -> None:
        self.syncs = [
            FamilySync(Family.IPV4, self.ipv4, self.flows),
            FamilySync(Family.IPV6, self.ipv6, Conversations()),
        ]
        about = lambda: (next(iter(self.nodes.all()), None), list(self.ranges.all()))  # noqa: E731
        self.keeper = Keeper(self.syncs, self.services, self.slices, "me", about)
        self.services.hooks.append(self.keeper.saw_service)
        self.slices.hooks.append(self.keeper.saw_slice)
        self.nodes.seen(node())

    def see(self, made: Any) -> None:
        self.revision += 1
        made.metadata.resourceVersion = str(self.revision)
        (self.services if isinstance(made, ProxyService) else self.slices).seen(made)

    def serve(self, *endpoints: str, protocol: str = "TCP", **spec: Any) -> None:
        self.see(service("web", ports=[{"port": 80, "protocol": protocol}], **spec))
        self.see(sliced("web", *endpoints, protocol=protocol))

    def served_by(self) -> set[tuple[str, int]]:
        found = self.ipv4.elements["endpoints"].items()
        return {packed.read_endpoint(to) for at, to in found if isinstance(to, bytes) and at.startswith(WEB)}


async def test_everything_is_loaded_once_and_then_only_what_changes() -> None:
    case = Case()
    case.serve("10.244.1.1")
    assert not case.keeper.kept.is_set()
    assert await case.keeper.turn() == EVERY
    assert case.keeper.kept.is_set()
    assert case.served_by() == {("10.244.1.1", 8080)}
    assert case.ipv4.elements["pod-cidrs"] == {packed.address("10.244.1.0"): packed.address("10.244.1.255")}
    case.see(sliced("web", "10.244.1.2"))
    await case.keeper.turn()
    assert case.served_by() == {("10.244.1.2", 8080)}
    assert case.ipv4.log == ["load", "change"]
    assert case.ipv6.log == ["load"]


async def test_a_service_that_goes_is_forgotten() -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    case.services.removed(key("web"), "web")
    await case.keeper.turn()
    assert case.served_by() == set()
    assert case.ipv4.elements["cluster-ips"] == {}


async def test_a_failure_is_followed_by_everything(caplog: pytest.LogCaptureFixture) -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    case.ipv4.broken = True
    case.see(sliced("web", "10.244.1.2"))
    pauses = [await case.keeper.turn() for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert case.keeper.waiting_since is not None
    assert "IPv4: the kernel is broken; trying again" in caplog.text
    case.ipv4.broken = False
    assert await case.keeper.turn() == EVERY
    assert case.ipv4.log[-2:] == ["load", "load"]
    assert case.served_by() == {("10.244.1.2", 8080)}
    assert case.keeper.waiting_since is None


async def test_one_family_that_fails_does_not_hold_up_the_other() -> None:
    case = Case()
    case.ipv6.broken = True
    case.serve("10.244.1.1")
    await case.keeper.turn()
    assert case.served_by() == {("10.244.1.1", 8080)}
    assert not case.keeper.kept.is_set()


async def test_a_family_the_kernel_does_not_know_is_missed_only_by_a_service_that_has_it() -> None:
    case = Case()
    case.ipv6.unknown = True
    case.serve("10.244.1.1")
    assert await case.keeper.turn() == EVERY
    assert await case.keeper.turn() == EVERY
    assert case.ipv6.log == ["load"]
    case.see(service("six", clusterIPs=["fd00::1"]))
    assert await case.keeper.turn() < EVERY
    assert case.keeper.waiting_since is not None


async def test_elements_that_somebody_changed_are_put_right_alone() -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    case.ipv4.elements["endpoints"].clear()
    case.ipv4.touched = True
    await case.keeper.turn()
    assert case.served_by() == {("10.244.1.1", 8080)}
    assert case.ipv4.log == ["load", "held", "held", "change"]
    assert METRICS.get_sample_value("understudy_service_proxy_repairs_total", {"what": "elements", "ip_family": "IPv4"})


async def test_elements_that_are_only_missing_from_one_listing_are_not_put_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    listings = [{**case.ipv4.elements, "endpoints": {}}, case.ipv4.elements]
    monkeypatch.setattr(case.ipv4, "held", lambda: listings.pop(0))
    case.ipv4.touched = True
    await case.keeper.turn()
    assert case.ipv4.log == ["load"]
    assert listings == []


async def test_rules_that_somebody_changed_are_loaded_again() -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    case.ipv4.touched, case.ipv4.ours, case.ipv4.elements = True, False, {}
    await case.keeper.turn()
    assert case.served_by() == {("10.244.1.1", 8080)}
    assert case.ipv4.log == ["load", "held", "load"]


async def test_it_looks_at_the_kernel_now_and_then_however_much_there_is_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    case.ipv4.touched = True
    case.see(sliced("web", "10.244.1.2"))
    await case.keeper.turn()
    assert case.ipv4.log == ["load", "change"]
    monkeypatch.setattr("understudy.proxy.service.keeper.LATEST_LOOK", 0.0)
    case.see(sliced("web", "10.244.1.3"))
    await case.keeper.turn()
    assert case.ipv4.log == ["load", "change", "held", "change"]


async def test_other_peoples_changes_cost_one_look() -> None:
    case = Case()
    await case.keeper.turn()
    case.ipv4.touched = True
    await case.keeper.turn()
    await case.keeper.turn()
    assert case.ipv4.log == ["load", "held"]


async def test_a_node_that_changes_is_everything_and_one_that_goes_is_nothing() -> None:
    case = Case()
    case.see(service("web", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    case.see(sliced("web", "10.244.1.1"))
    await case.keeper.turn()
    moved = node(ip="172.18.0.9")
    moved.metadata.resourceVersion = "2"
    case.nodes.seen(moved)
    await case.keeper.turn()
    assert packed.target("172.18.0.9", 6, 30080) in case.ipv4.elements["service-ips"]
    case.nodes.removed(moved.key, "me")
    await case.keeper.turn()
    assert case.ipv4.log == ["load", "load"]
    assert packed.target("172.18.0.9", 6, 30080) in case.ipv4.elements["service-ips"]


async def test_ranges_of_services_are_followed() -> None:
    case = Case()
    await case.keeper.turn()
    body = {"metadata": {"name": "kubernetes", "uid": "u", "resourceVersion": "5"}, "spec": {"cidrs": ["10.96.0.0/16"]}}
    case.ranges.seen(msgspec.convert(body, ServiceCIDR))
    await case.keeper.turn()
    assert case.ipv4.elements["service-cidrs"] == {packed.address("10.96.0.0"): packed.address("10.96.255.255")}


async def test_udp_flows_to_endpoints_that_are_gone_are_ended() -> None:
    case = Case()
    case.serve("10.244.1.1", "10.244.1.2", protocol="UDP")
    await case.keeper.turn()
    target = packed.target("10.96.0.1", 17, 80)
    flows = [Flow(target, packed.endpoint(f"10.244.1.{number}", 8080), b"") for number in (1, 2)]
    case.flows.there = list(flows)
    case.see(sliced("web", "10.244.1.2", protocol="UDP"))
    await case.keeper.turn()
    assert case.flows.ended == flows[:1]


async def test_flows_that_cannot_be_ended_hold_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    case = Case()
    case.flows.broken = True
    case.serve("10.244.1.1", protocol="UDP")
    assert await case.keeper.turn() == EVERY
    assert "UDP flows to endpoints that are gone may go on: no conntrack here" in caplog.text


def test_flows_of_others_and_of_services_nobody_serves_are_left_alone() -> None:
    mine, others = packed.target("10.96.0.1", 17, 53), packed.target("10.96.0.2", 17, 53)
    gone, there = packed.endpoint("10.244.1.1", 53), packed.endpoint("10.244.1.2", 53)
    flows = [Flow(target, end, b"") for target in (mine, others) for end in (gone, there)]
    assert stale(flows, {mine: frozenset({there})}) == flows[:1]
    assert stale(flows, {mine: frozenset()}) == []


async def test_health_of_balancers_is_counted() -> None:
    case = Case()
    asked: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    case.serve("10.244.1.1", "10.244.1.2", **asked)
    await case.keeper.turn()
    assert case.keeper.health == {key("web"): (31000, 2)}
    case.see(sliced("web"))
    await case.keeper.turn()
    assert case.keeper.health == {key("web"): (31000, 0)}
    case.services.removed(key("web"), "web")
    await case.keeper.turn()
    assert case.keeper.health == {}


async def test_a_change_wakes_it_and_a_failure_makes_it_wait() -> None:
    case = Case()
    case.serve("10.244.1.9")
    await case.keeper.turn()
    loop = asyncio.get_running_loop()
    loop.call_later(1, case.see, sliced("web", "10.244.1.1"))
    begun = loop.time()
    await case.keeper.rest(60)
    assert loop.time() - begun == pytest.approx(1, abs=0.1)
    case.ipv4.broken = True
    pause = await case.keeper.turn()
    case.see(sliced("web", "10.244.1.2"))
    begun = loop.time()
    await case.keeper.rest(pause)
    assert loop.time() - begun == pytest.approx(pause, abs=0.1)


async def test_how_long_it_took_since_the_change_is_measured() -> None:
    def measured() -> float:
        labels = {"ip_family": "IPv4"}
        return METRICS.get_sample_value("kubeproxy_network_programming_duration_seconds_count", labels) or 0

    case = Case()
    await case.keeper.turn()
    before = measured()
    for when in ("2026-01-02T03:04:05Z", "nonsense"):
        changed = sliced("web", "10.244.1.1")
        changed.metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"] = when
        case.see(changed)
    await case.keeper.turn()
    assert measured() == before + 1


async def test_a_service_whose_metadata_alone_changed_is_not_touched() -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    case.see(service("web", ports=[{"port": 80, "protocol": "TCP"}]))
    assert case.keeper.waiting_since is None


async def test_a_bug_in_one_pass_ends_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case()
    monkeypatch.setattr(case.ipv4, "load", lambda *_: 1 / 0)
    with caplog.at_level(logging.ERROR):
        assert await case.keeper.turn() < EVERY
    assert "this is a bug" in caplog.text
    monkeypatch.undo()
    assert await case.keeper.turn() == EVERY


async def test_its_page_says_what_is_there() -> None:
    case = Case()
    case.serve("10.244.1.1")
    await case.keeper.turn()
    state = case.keeper.state()
    assert state["zone"] == "east"
    assert state["families"]["IPv4"]["nodeIP"] == NODE_IP
    assert state["families"]["IPv4"]["elements"]["endpoints"] == 1


async def test_rules_are_taken_away_only_when_nothing_is_being_written_any_more() -> None:
    case = Case()
    case.see(service("web"))
    begun, written = threading.Event(), threading.Event()
    load = case.ipv4.load

    def slow(chains: Mapping[str, Chain], elements: Elements) -> None:
        begun.set()
        assert written.wait(10)
        load(chains, elements)

    case.ipv4.load = slow  # type: ignore[method-assign]
    turn = asyncio.ensure_future(case.keeper.turn())
    while not begun.is_set():
        await asyncio.sleep(0)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    removing = asyncio.ensure_future(case.syncs[0].remove())
    await asyncio.to_thread(time.sleep, 0.1)
    assert "remove" not in case.ipv4.log
    written.set()
    await removing
    assert case.ipv4.log[-2:] == ["load", "remove"]
    assert case.ipv4.chains == {}
