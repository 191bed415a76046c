"""SchedulerProfiles on a real API server: what it refuses, what the scheduler makes of one, what kubectl shows."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.world import path, run, until
from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, ApiError, Object

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/scheduler_plugin"
PROFILES = "/apis/understudy.dev/v1alpha1/schedulerprofiles"
FULLEST: Object = {"enabled": [{"name": "NodeResourcesFit"}], "disabled": ["*"]}


def packed(kind: str = "MostAllocated", **more: Any) -> Object:
    return {"NodeResourcesFit": {"scoringStrategy": {"type": kind, "resources": [{"name": "cpu"}], **more}}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    made = EmbeddedCluster("profiles", tmp_path_factory.mktemp("profiles"), binaries=binaries)
    try:
        made.up(nodes=3, die_with_parent=True)
        kubectl(made, binaries, "apply", "-f", str(ROOT / "crds/schedulerprofile.yaml"))
        kubectl(made, binaries, "wait", "--for=condition=Established", "crd/schedulerprofiles.understudy.dev")
        loops.start(made, die_with_parent=True, more={"scheduler": ["--plugin-dir", str(EXAMPLE)]})
        operator = [sys.executable, "-m", "understudy", "run", "operator", "--log-format", "text"]
        made.start_component("operator", [*operator, "--kubeconfig", str(made.at.kubeconfig)], die_with_parent=True)
        yield made
    finally:
        made.down()


@pytest.fixture
def api(cluster: EmbeddedCluster) -> Iterator[Api]:
    with cluster.api() as made:
        yield made


def kubectl(cluster: EmbeddedCluster, binaries: dict[str, Path], *words: str) -> str:
    said = run([str(binaries["kubectl"]), f"--kubeconfig={cluster.at.kubeconfig}", *words])
    assert said.code == 0, said.err
    return said.out


def profile(name: str, **spec: Any) -> Object:
    kind = {"apiVersion": "understudy.dev/v1alpha1", "kind": "SchedulerProfile"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def pods(api: Api, count: int, scheduler: str, prefix: str) -> list[str]:
    for number in range(count):
        container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}}
        body = {"metadata": {"name": f"{prefix}-{number}"}}
        api.create(path("pods", "default"), {**body, "spec": {"schedulerName": scheduler, "containers": [container]}})
    names = [f"{prefix}-{number}" for number in range(count)]
    until(lambda: all(node_of(api, name) for name in names))
    return [node_of(api, name) for name in names]


def node_of(api: Api, name: str) -> str:
    return str(api.get(path("pods", "default", name))["spec"].get("nodeName", ""))


def condition(api: Api, name: str, kind: str) -> tuple[str, str]:
    status = api.get(f"{PROFILES}/{name}").get("status", {})
    found = [each for each in status.get("conditions", ()) if each["type"] == kind]
    return (found[0]["status"], found[0]["message"]) if found else ("", "")


def test_a_profile_is_applied_judged_and_shown(api: Api, cluster: EmbeddedCluster, binaries: dict[str, Path]) -> None:
    api.create(PROFILES, profile("packing", plugins=FULLEST, arguments=packed()))
    assert len(set(pods(api, 5, "packing", "packed"))) == 1
    until(lambda: condition(api, "packing", "InForce")[0] == "True", why=lambda: api.get(f"{PROFILES}/packing"))
    assert condition(api, "packing", "Accepted") == ("True", "it makes sense")

    api.patch(f"{PROFILES}/packing", {"spec": {"plugins": {"enabled": [*FULLEST["enabled"], {"name": "Nobody"}]}}})
    until(lambda: condition(api, "packing", "InForce")[0] == "False", why=lambda: api.get(f"{PROFILES}/packing"))
    assert condition(api, "packing", "InForce")[1] == "no such plugin: Nobody; generation 1 stays in force"
    assert len(set(pods(api, 3, "packing", "still-packed"))) == 1

    until(lambda: api.get(f"{PROFILES}/packing")["status"]["scheduler"]["scheduled"] == 8)
    header, row = kubectl(cluster, binaries, "get", "schedulerprofiles").splitlines()
    assert header.split("  ")[0] == "NAME"
    assert row.split()[:5] == ["packing", "True", "False", "8", "0"]
    api.delete(f"{PROFILES}/packing")


def test_a_plugin_of_a_users_own_decides(api: Api, cluster: EmbeddedCluster, binaries: dict[str, Path]) -> None:
    nodes = [each["metadata"]["name"] for each in api.get(path("nodes"))["items"]]
    for node, grams in zip(nodes, ("300", "20", "100"), strict=True):
        api.patch(path("nodes", name=node), {"metadata": {"labels": {"example.com/carbon": grams}}})
    kubectl(cluster, binaries, "apply", "-f", str(EXAMPLE / "profile.yaml"))

    assert set(pods(api, 3, "green-scheduler", "green")) == {nodes[1]}
    until(lambda: condition(api, "green-scheduler", "InForce")[0] == "True")
    assert "Carbon must be known" in condition(api, "green-scheduler", "Accepted")[1]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"plugins": {"disabled": ["DefaultBinder"]}}, "somebody has to bind"),
        ({"plugins": {"enabled": [{"name": "A"}, {"name": "A"}]}}, "Duplicate value"),
        ({"arguments": packed("Best")}, "Unsupported value"),
        ({"arguments": packed("RequestedToCapacityRatio")}, "needs requestedToCapacityRatio.shape"),
        (
            {
                "arguments": packed(
                    "RequestedToCapacityRatio",
                    requestedToCapacityRatio={
                        "shape": [{"utilization": 50, "score": 1}, {"utilization": 10, "score": 5}]
                    },
                )
            },
            "utilizations must increase",
        ),
        ({"arguments": {"InterPodAffinity": {"hardPodAffinityWeight": 101}}}, "less than or equal to 100"),
        (
            {
                "arguments": {
                    "PodTopologySpread": {
                        "defaultConstraints": [
                            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                        ]
                    }
                }
            },
            "need the defaultingType List",
        ),
        (
            {"arguments": {"DefaultPreemption": {"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0}}},
            "both cannot be zero",
        ),
        ({"extenders": [{"urlPrefix": "ftp://x"}]}, "should match"),
        ({"extenders": [{"urlPrefix": "http://x", "prioritizeVerb": "p"}]}, "needs a weight"),
        (
            {"extenders": [{"urlPrefix": "http://x", "bindVerb": "b"}, {"urlPrefix": "http://y", "bindVerb": "b"}]},
            "only one extender can bind",
        ),
    ],
)
def test_the_server_refuses_what_makes_no_sense(api: Api, spec: Object, why: str) -> None:
    with pytest.raises(ApiError, match=why):
        api.create(PROFILES, profile("odd", **spec))


def test_the_server_takes_every_field(api: Api) -> None:
    ratio = {"requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}}
    even = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "Honor"}
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["b"]}]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    extender = {"urlPrefix": "http://x:80/y", "filterVerb": "f", "prioritizeVerb": "p", "weight": 2, "ignorable": True}
    made = profile(
        "whole",
        plugins={"enabled": [{"name": "ImageLocality", "weight": 0}], "disabled": ["NodePorts"]},
        arguments={
            **packed("RequestedToCapacityRatio", **ratio),
            "NodeResourcesBalancedAllocation": {"resources": [{"name": "cpu"}, {"name": "example.com/gpu"}]},
            "InterPodAffinity": {"hardPodAffinityWeight": 5, "ignorePreferredTermsOfExistingPods": True},
            "PodTopologySpread": {"defaultingType": "List", "defaultConstraints": [even]},
            "NodeAffinity": {"addedAffinity": added},
            "DefaultPreemption": {"minCandidateNodesPercentage": 20},
            "VolumeBinding": {"bindTimeoutSeconds": 30},
        },
        extenders=[{**extender, "httpTimeout": "300ms", "managedResources": [{"name": "example.com/gpu"}]}],
    )
    api.create(PROFILES, made)
    until(lambda: condition(api, "whole", "InForce")[0] == "True", why=lambda: api.get(f"{PROFILES}/whole"))
    assert api.get(f"{PROFILES}/whole")["spec"]["arguments"]["NodeAffinity"]["addedAffinity"] == added
