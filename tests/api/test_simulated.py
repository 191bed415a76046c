"""What becomes of pods on simulated nodes: our kwok stages, played by the real kwok against the real API server."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from understudy.cluster import nodes
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.process import wait_until
from understudy.cluster.rest import Api, ApiError, Object

PODS = "/api/v1/namespaces/default/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
SOON = 20.0

_numbers = count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    made = EmbeddedCluster("simulated", tmp_path_factory.mktemp("simulated"))
    made.up(nodes=3)
    with made.api() as api:
        api.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    yield made
    made.down()


@pytest.fixture
def api(cluster: EmbeddedCluster) -> Iterator[Api]:
    with cluster.api() as made:
        yield made


def create(api: Api, annotations: dict[str, str] | None = None, meta: Object | None = None, **spec: Any) -> str:
    """Create a pod bound to a simulated node; return its path. Keys of `annotations` are ours without their prefix."""
    name = f"pod-{next(_numbers)}"
    ours = {f"kwok.understudy.dev/{key}": value for key, value in (annotations or {}).items()}
    body = {
        "metadata": {"name": name, "annotations": ours, **(meta or {})},
        "spec": {"nodeName": "node-0", "containers": [{"name": "main", "image": "i"}], **spec},
    }
    api.create(PODS, body)
    return f"{PODS}/{name}"


def get(api: Api, path: str) -> Object | None:
    try:
        return api.get(path)
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def reach(api: Api, path: str, phase: str, ready: str | None = None) -> Object:
    """Wait for a pod's phase, and its readiness where given; return its status."""

    def there() -> bool:
        status = api.get(path)["status"]
        return status["phase"] == phase and ready in (None, condition(status, "Ready").get("status"))

    assert wait_until(there, SOON), api.get(path)["status"]
    status: Object = api.get(path)["status"]
    return status


def condition(status: Object, kind: str) -> Object:
    return next((each for each in status.get("conditions", ()) if each["type"] == kind), {})


def gone(api: Api, path: str) -> bool:
    return wait_until(lambda: get(api, path) is None, SOON)


def annotate(api: Api, path: str, key: str, value: str | None) -> None:
    api.patch(path, {"metadata": {"annotations": {f"kwok.understudy.dev/{key}": value}}})


def test_nodes_are_ready_and_complete(api: Api) -> None:
    there = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"]}
    assert set(there) == {"node-0", "node-1", "node-2"}
    for node in there.values():
        assert condition(node["status"], "Ready")["status"] == "True"
        assert condition(node["status"], "MemoryPressure")["status"] == "False"
        assert node["status"]["allocatable"] == {"cpu": "4", "memory": "32Gi", "pods": "110"}
        assert node["status"]["nodeInfo"]["operatingSystem"] == "linux"


def test_nodes_hold_leases(api: Api) -> None:
    assert wait_until(lambda: len(api.get(LEASES)["items"]) == 3, SOON)
    for lease in api.get(LEASES)["items"]:
        assert lease["spec"]["leaseDurationSeconds"] == 40
        assert lease["metadata"]["ownerReferences"][0]["name"] == lease["metadata"]["name"]


def test_a_bound_pod_runs_and_is_ready(api: Api) -> None:
    status = reach(api, create(api), "Running", ready="True")
    assert status["containerStatuses"][0]["state"]["running"]["startedAt"] == status["startTime"]
    assert {each["type"]: each["status"] for each in status["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"), "True"
    )
    assert status["hostIP"] == "10.128.0.1"
    assert status["podIPs"] == [{"ip": status["podIP"]}]


def test_each_pod_has_an_address_of_its_own(api: Api) -> None:
    paths = [create(api, nodeName=f"node-{number % 3}") for number in range(30)]
    addresses = {reach(api, path, "Running")["podIP"] for path in paths}
    assert len(addresses) == 30


def test_a_pod_on_the_hosts_network_has_the_nodes_address(api: Api) -> None:
    status = reach(api, create(api, hostNetwork=True, nodeName="node-1"), "Running")
    assert status["podIP"] == status["hostIP"] == "10.128.0.2"


def test_init_containers_are_done_and_sidecars_run(api: Api) -> None:
    inits = [{"name": "once", "image": "i"}, {"name": "beside", "image": "i", "restartPolicy": "Always"}]
    status = reach(api, create(api, initContainers=inits), "Running", ready="True")
    once, beside = status["initContainerStatuses"]
    assert once["state"]["terminated"]["reason"] == "Completed"
    assert "running" in beside["state"]


def test_readiness_gates_are_passed(api: Api) -> None:
    status = reach(api, create(api, readinessGates=[{"conditionType": "example.com/gate"}]), "Running", ready="True")
    assert condition(status, "example.com/gate")["status"] == "True"


def test_readiness_follows_the_annotation(api: Api) -> None:
    path = create(api, {"not-ready": "true"})
    status = reach(api, path, "Running", ready="False")
    assert condition(status, "Ready")["reason"] == "ContainersNotReady"
    assert condition(status, "Ready")["message"] == "containers with unready status: [main]"
    assert status["containerStatuses"][0]["ready"] is False
    annotate(api, path, "not-ready", None)
    again = reach(api, path, "Running", ready="True")
    assert "reason" not in condition(again, "Ready")
    assert again["podIP"] == status["podIP"]
    annotate(api, path, "not-ready", "true")
    reach(api, path, "Running", ready="False")


def test_a_delayed_pod_is_pending_meanwhile(api: Api) -> None:
    path = create(api, {"ready-delay": "1h"})
    reach(api, create(api), "Running")  # kwok has seen both by now
    assert api.get(path)["status"]["phase"] == "Pending"
    annotate(api, path, "ready-delay", "1ms")
    reach(api, path, "Running")


def job() -> Object:
    return {"ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": True}]}


def test_a_jobs_pod_succeeds(api: Api) -> None:
    status = reach(api, create(api, meta=job(), restartPolicy="Never"), "Succeeded")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert condition(status, "Ready") | {"lastTransitionTime": ""} == {
        "type": "Ready",
        "status": "False",
        "reason": "PodCompleted",
        "lastProbeTime": None,
        "lastTransitionTime": "",
    }


def test_a_jobs_pod_may_take_its_time(api: Api) -> None:
    path = create(api, {"complete-delay": "1h"}, meta=job(), restartPolicy="OnFailure")
    reach(api, create(api, meta=job(), restartPolicy="Never"), "Succeeded")
    assert reach(api, path, "Running", ready="True")


def test_other_pods_complete_only_when_told(api: Api) -> None:
    plain = create(api, restartPolicy="Never")
    reach(api, create(api, {"complete-delay": "1ms"}, restartPolicy="Never"), "Succeeded")
    always = create(api, {"complete-delay": "1ms"})
    reach(api, create(api, meta=job(), restartPolicy="Never"), "Succeeded")
    reach(api, plain, "Running", ready="True")
    reach(api, always, "Running", ready="True")


@pytest.mark.parametrize(("annotations", "code"), [({}, 1), ({"exit-code": "42"}, 42)])
def test_a_pod_can_fail(api: Api, annotations: dict[str, str], code: int) -> None:
    path = create(api, {"fail": "true", **annotations}, meta=job(), restartPolicy="Never")
    status = reach(api, path, "Failed")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert condition(status, "Ready")["reason"] == "PodFailed"


def test_a_deleted_pod_goes(api: Api) -> None:
    path = create(api)
    reach(api, path, "Running")
    api.delete(path)
    assert gone(api, path)


def test_a_pod_can_take_long_to_end(api: Api) -> None:
    path = create(api, {"termination-delay": "1h"})
    reach(api, path, "Running", ready="True")
    api.delete(path)
    other = create(api)
    reach(api, other, "Running")
    api.delete(other)
    assert gone(api, other)
    assert condition(api.get(path)["status"], "Ready")["status"] == "True"
    api.delete(f"{path}?gracePeriodSeconds=0")
    assert gone(api, path)


def test_a_pod_can_take_its_whole_grace_period(api: Api) -> None:
    path = create(api, {"termination-delay": "grace"})
    reach(api, path, "Running")
    api.delete(f"{path}?gracePeriodSeconds=1")
    assert gone(api, path)


def test_finalizers_keep_a_pod_and_its_end_is_seen(api: Api) -> None:
    path = create(api, meta={"finalizers": ["example.com/wait"]})
    reach(api, path, "Running")
    api.delete(path)
    status = reach(api, path, "Failed")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    assert wait_until(lambda: api.get(path)["metadata"]["deletionGracePeriodSeconds"] == 0, SOON)
    api.patch(path, {"metadata": {"finalizers": None}})
    assert gone(api, path)


def test_a_succeeded_pod_with_finalizers_stays_succeeded(api: Api) -> None:
    path = create(api, meta=job() | {"finalizers": ["example.com/wait"]}, restartPolicy="Never")
    reach(api, path, "Succeeded")
    api.delete(path)
    assert api.get(path)["status"]["phase"] == "Succeeded"
    api.patch(path, {"metadata": {"finalizers": None}})
    assert gone(api, path)


def test_a_node_can_be_unplugged_and_plugged_in_again(api: Api) -> None:
    def renewed() -> str:
        return str(api.get(f"{LEASES}/node-2")["spec"]["renewTime"])

    def heartbeat(value: str | None) -> None:
        api.patch("/api/v1/nodes/node-2", {"metadata": {"labels": {"kwok.understudy.dev/heartbeat": value}}})

    pods: list[str] = []

    def left_alone() -> bool:
        """Whether a pod on the node stays Pending while one elsewhere runs, as soon as kwok has seen the label."""
        pods.append(create(api, nodeName="node-2"))
        reach(api, create(api), "Running")
        return bool(api.get(pods[-1])["status"]["phase"] == "Pending")

    heartbeat("stopped")
    assert wait_until(left_alone, SOON)
    before = renewed()
    heartbeat(None)
    reach(api, pods[-1], "Running", ready="True")
    assert wait_until(lambda: renewed() > before, SOON)


def test_nodes_are_added_and_removed(cluster: EmbeddedCluster, api: Api) -> None:
    api.create("/api/v1/nodes", {"metadata": {"name": "somebody-elses"}})
    cluster.up(nodes=5)
    assert nodes.alive(api) == 5
    cluster.up(nodes=3)
    assert sorted(nodes.simulated(api)) == ["node-0", "node-1", "node-2"]
    assert get(api, "/api/v1/nodes/somebody-elses")
    api.delete("/api/v1/nodes/somebody-elses")


def test_kwok_needs_no_more_rights_than_it_has(cluster: EmbeddedCluster) -> None:
    log = "".join(cluster.logs("kwok"))
    assert "forbidden" not in log.lower()
