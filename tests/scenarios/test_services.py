"""Services over an API server, with a ReplicaSet's Pods behind them: what proxies read, what it costs, and storms."""

from typing import Any

import pytest

from tests.scenarios.stage import NODES, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import endpoints, endpointslice, replicaset  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi
from understudy.testing.faults import LOST_AFTER, Faults
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime

LOOPS = [REGISTRY[name] for name in ("replicaset-controller", "endpointslice-controller", "endpoints-controller")]
LABELS = {"app": "web"}
ZONE = "topology.kubernetes.io/zone"
Json = dict[str, Any]


def replica_set(replicas: int, name: str = "web", **labels: str) -> Json:
    labels = {**LABELS, "set": name, **labels}
    container = {"name": "c", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}


def service(name: str = "web", **spec: Any) -> Json:
    spec = {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def world() -> FakeApi:
    api = FakeApi()
    add_nodes(api, NODES)
    return api


def pods(play: Stage, **labels: str) -> dict[str, bool]:
    """Address to readiness of the Pods with these labels."""
    found = {}
    for pod in play.api.objects("pods"):
        if labels.items() <= pod["metadata"]["labels"].items() and pod["status"].get("podIP"):
            ready = next(each["status"] for each in pod["status"]["conditions"] if each["type"] == "Ready")
            found[pod["status"]["podIP"]] = ready == "True" and "deletionTimestamp" not in pod["metadata"]
    return found


def slices(play: Stage, name: str = "web") -> list[Json]:
    every = play.api.objects("endpointslices")
    return [each for each in every if each["metadata"]["labels"]["kubernetes.io/service-name"] == name]


def in_slices(play: Stage, name: str = "web") -> dict[str, bool]:
    """Address to readiness; fails if an address stands there twice or a slice holds more than a hundred."""
    found: dict[str, bool] = {}
    for each in slices(play, name):
        assert len(each["endpoints"]) <= 100
        for endpoint in each["endpoints"]:
            (address,) = endpoint["addresses"]
            assert address not in found
            found[address] = endpoint["conditions"]["ready"]
    return found


def in_endpoints(play: Stage, name: str = "web") -> dict[str, bool]:
    held = play.api.get("endpoints", name)
    assert held is not None
    found = {}
    for subset in held.get("subsets") or ():
        found.update({each["ip"]: True for each in subset.get("addresses") or ()})
        found.update({each["ip"]: False for each in subset.get("notReadyAddresses") or ()})
    return found


def unready(play: Stage, pod: Json) -> None:
    """What the node controller does to a Pod of a node that went away."""
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:01:00Z"}
    play.patch("pods", pod["metadata"]["name"], {"status": {"conditions": [condition]}}, subresource="status")


async def test_two_hundred_and_fifty_pods_are_shown_and_a_quiet_service_costs_nothing() -> None:
    async with stage(*LOOPS, api=world()) as play:
        play.api.apply(service())
        play.api.apply(replica_set(250))
        await play.on(10)
        expected = pods(play, **LABELS)
        assert len(expected) == 250
        assert in_slices(play) == in_endpoints(play) == expected == dict.fromkeys(expected, True)
        assert len(slices(play)) == 3
        revision = play.api.revision
        await play.on(3600)
        assert play.api.revision == revision


async def test_a_pod_more_or_less_changes_one_slice() -> None:
    async with stage(*LOOPS, api=world()) as play:
        play.api.apply(service())
        play.api.apply(replica_set(250))
        await play.on(10)
        before = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in slices(play)}
        play.patch("replicasets", "web", {"spec": {"replicas": 251}})
        await play.on()
        after = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in slices(play)}
        assert before.keys() == after.keys()
        assert sum(before[name] != after[name] for name in before) == 1
        assert in_slices(play) == pods(play, **LABELS)
        assert len(in_slices(play)) == 251


async def test_rolling_pods_are_replaced_without_a_gap() -> None:
    async with stage(*LOOPS, api=world(), stop_after=3.0) as play:
        play.api.apply(service())
        play.api.apply(replica_set(60, "old"))
        await play.on(10)
        play.api.apply(replica_set(0, "new"))
        counts: list[int] = []
        play.api.on_change("endpointslices", lambda _: counts.append(sum(in_slices(play).values())))
        for done in range(10, 70, 10):
            play.patch("replicasets", "new", {"spec": {"replicas": done}})
            await play.on(2)
            play.patch("replicasets", "old", {"spec": {"replicas": 60 - done}})
            await play.on(1)
            assert sum(in_slices(play).values()) == 60
            assert in_slices(play) == pods(play, **LABELS)
            assert in_endpoints(play) == {address: True for address, ready in pods(play, **LABELS).items() if ready}
        await play.on(10)
        assert min(counts) == 60, "never fewer than there were"
        assert in_slices(play) == in_endpoints(play) == pods(play, set="new")


async def test_a_pod_that_is_not_ready_stays_shown_as_such() -> None:
    async with stage(*LOOPS, api=world()) as play:
        play.api.apply(service())
        play.api.apply(service("all", publishNotReadyAddresses=True))
        play.api.apply(replica_set(5))
        await play.on()
        (pod, *_) = play.api.objects("pods")
        unready(play, pod)
        await play.on()
        expected = pods(play, **LABELS)
        assert list(expected.values()).count(False) == 1
        assert in_slices(play) == in_endpoints(play) == expected
        assert in_slices(play, "all") == in_endpoints(play, "all") == dict.fromkeys(expected, True)
        dated = [each["metadata"].get("annotations", {}) for each in slices(play)]
        assert dated == [{"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:01:00Z"}]


async def test_another_selector_shows_other_pods() -> None:
    async with stage(*LOOPS, api=world()) as play:
        play.api.apply(service())
        play.api.apply(replica_set(120, "blue"))
        play.api.apply(replica_set(30, "green"))
        await play.on(10)
        assert len(in_slices(play)) == 150
        play.patch("services", "web", {"spec": {"selector": {"set": "green"}}})
        await play.on()
        assert in_slices(play) == in_endpoints(play) == pods(play, set="green")
        play.patch("services", "web", {"spec": {"selector": {"set": "red"}}})
        await play.on()
        assert in_slices(play) == in_endpoints(play) == {}
        assert [each["endpoints"] for each in slices(play)] == [[]]
        name = play.api.objects("pods")[0]["metadata"]["name"]
        play.patch("pods", name, {"metadata": {"labels": {"set": "red"}}})
        await play.on()
        assert len(in_slices(play)) == len(in_endpoints(play)) == 1


async def test_a_deleted_service_leaves_its_slices_to_the_garbage_collector() -> None:
    async with stage(*LOOPS, api=world()) as play:
        play.api.apply(service())
        play.api.apply(replica_set(5))
        await play.on()
        owned = [each["metadata"]["ownerReferences"][0]["uid"] for each in slices(play)]
        play.api.delete("services", "web")
        await play.on()
        assert play.api.get("endpoints", "web") is None
        assert [each["metadata"]["ownerReferences"][0]["uid"] for each in slices(play)] == owned

        play.api.apply(service())  # before the collector came by
        await play.on()
        assert owned[0] not in [each["metadata"]["ownerReferences"][0]["uid"] for each in slices(play)]
        assert in_slices(play) == in_endpoints(play) == pods(play, **LABELS)


async def test_what_others_delete_or_change_is_restored() -> None:
    async with stage(*LOOPS, api=world()) as play:
        play.api.apply(service())
        play.api.apply(replica_set(5))
        await play.on()
        play.api.delete("endpointslices", slices(play)[0]["metadata"]["name"])
        play.api.delete("endpoints", "web")
        await play.on()
        expected = pods(play, **LABELS)
        assert in_slices(play) == in_endpoints(play) == expected
        name = slices(play)[0]["metadata"]["name"]
        play.patch("endpointslices.discovery.k8s.io", name, {"endpoints": []})
        await play.on()
        assert in_slices(play) == expected


async def test_zones_come_and_change_with_the_nodes() -> None:
    async with stage(*LOOPS, api=FakeApi()) as play:
        play.api.apply(service(trafficDistribution="PreferSameZone"))
        play.api.apply(replica_set(3))
        await play.on()
        assert in_slices(play) == {}
        reasons = {reason for reason, message in play.events() if "Not Found" in message}
        assert reasons == {"FailedToUpdateEndpointSlices"}
        add_nodes(play.api, NODES)
        await play.on()
        assert in_slices(play) == pods(play, **LABELS)
        for name in NODES:
            node = play.api.get("nodes", name)
            assert node is not None
            node["metadata"]["labels"][ZONE] = f"zone-{name}"
            play.api.apply(node)
        await play.on()
        shown = [endpoint for each in slices(play) for endpoint in each["endpoints"]]
        assert sorted(each["zone"] for each in shown) == [f"zone-{name}" for name in NODES]
        assert all(each["hints"]["forZones"] == [{"name": each["zone"]}] for each in shown)


async def test_a_lost_answer_makes_no_second_slice() -> None:
    faults = Faults()
    faults.next(LOST_AFTER, method="POST", path="/endpointslices", times=3)
    async with stage(*LOOPS, api=world(), faults=faults) as play:
        play.api.apply(service())
        play.api.apply(replica_set(5))
        await play.on(30)
        assert len(slices(play)) == 1
        assert in_slices(play) == pods(play, **LABELS)


@pytest.mark.parametrize("seed", range(4))
async def test_storms_end_with_exactly_the_right_endpoints(seed: int) -> None:
    faults = Faults(seed, rate=0.15, event_rate=0.1)
    async with stage(*LOOPS, api=world(), faults=faults, seed=seed) as play:
        play.api.apply(service())
        play.api.apply(replica_set(110))
        await play.on(20)
        play.patch("replicasets", "web", {"spec": {"replicas": 40}})
        await play.on(20)
        play.patch("services", "web", {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9090}]}})
        play.patch("replicasets", "web", {"spec": {"replicas": 70}})
        await play.on(20)
        faults.calm()
        await play.on(240)
        expected = pods(play, **LABELS)
        assert len(expected) == 70
        assert in_slices(play) == in_endpoints(play) == expected
        assert {port["port"] for each in slices(play) for port in each["ports"]} == {9090}
