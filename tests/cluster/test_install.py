"""After the chart is installed: nodes ready by our network alone, our loops leading, pods that reach each other."""

import json

import pykube
from pytest_kind import KindCluster as PytestKind

from tests.api.world import Place, until
from tests.cluster.world import BUSYBOX, MANAGER, SCHEDULER, KindWorld, web
from understudy.cluster.kind.stage import NAMESPACE
from understudy.loop.call import is_ours


def test_every_node_is_ready_by_our_network_alone(kind_cluster: PytestKind, world: KindWorld) -> None:
    nodes = list(pykube.Node.objects(kind_cluster.api))
    assert len(nodes) == 3
    for node in nodes:
        ready = next(each for each in node.obj["status"]["conditions"] if each["type"] == "Ready")
        assert ready["status"] == "True", ready
        assert world.cluster.execute(node.name, "ls", "/etc/cni/net.d").split() == ["10-understudy.conflist"]


def test_ours_lead_and_say_so(world: KindWorld) -> None:
    world.ours_lead()
    said = world.understudy("status")
    assert said.code == 0, said.err
    for lease in (MANAGER, SCHEDULER):
        assert is_ours(world.holder(lease))
        assert world.holder(lease) in said.out


def test_component_statuses_look_right(world: KindWorld) -> None:
    said = json.loads(world.kubectl("get", "componentstatuses", "--output=json").out)
    told = {
        each["metadata"]["name"]: {one["type"]: one["status"] for one in each["conditions"]} for each in said["items"]
    }
    assert told == {name: {"Healthy": "True"} for name in ("controller-manager", "scheduler", "etcd-0")}


def test_replicas_stand_on_different_nodes(kind_cluster: PytestKind, world: KindWorld) -> None:
    for component in ("controllers", "scheduler"):
        until(lambda component=component: len(world.processes(component)) == 2)  # type: ignore[misc]
        assert len({process.node for process in world.processes(component)}) == 2


def test_pods_on_two_nodes_reach_each_other(world: KindWorld, place: Place) -> None:
    place.create("deployments", web("web", 4))
    place.complete("web", 120)
    pods = place.items("pods")
    assert len({pod["spec"]["nodeName"] for pod in pods}) >= 2, "the scheduler spreads them"
    for asking in pods:
        for asked in pods:
            url = f"http://{asked['status']['podIP']}:8080/"
            said = place.kubectl("exec", asking["metadata"]["name"], "--", "timeout", "5", "wget", "-qO-", url)
            assert said.out.strip() == asked["metadata"]["name"], said.err


def test_kubectl_run_and_a_service(place: Place) -> None:
    place.create("deployments", web("web", 2))
    assert place.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080").code == 0
    place.complete("web", 120)
    command = (
        "run",
        "asker",
        f"--image={BUSYBOX}",
        "--restart=Never",
        "--attach",
        "--rm",
        "--quiet",
        "--",
        "wget",
        "-qO-",
    )
    address = place.get("services", "web")
    assert address
    until(lambda: place.kubectl(*command, f"http://{address['spec']['clusterIP']}/").out.startswith("web-"), 60)


def test_the_control_plane_tells_who_leads(world: KindWorld) -> None:
    def ready() -> bool:
        said = world.kubectl("get", "controlplane", "cluster", "--output", "json")
        conditions = json.loads(said.out).get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    until(ready, 60)


def test_the_pods_of_the_chart_may_do_no_more_than_they_need(kind_cluster: PytestKind) -> None:
    pods = pykube.Pod.objects(kind_cluster.api).filter(namespace=NAMESPACE)
    for pod in pods:
        for container in pod.obj["spec"]["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, pod.name
            assert security["allowPrivilegeEscalation"] is False, pod.name
            assert security["capabilities"]["drop"] == ["ALL"], pod.name
