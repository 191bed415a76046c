"""The arguments of InterPodAffinity and PodTopologySpread, by what they say of nodes."""

from typing import Any

import msgspec

from understudy.scheduler.kinds import PlainSelecting
from understudy.scheduler.survey import survey
from understudy.testing.scheduling import Cluster, Json, node, pod

ZONE = "zone"
WANTED = {"app": "x"}


def term() -> Json:
    return {"topologyKey": ZONE, "labelSelector": {"matchLabels": WANTED}}


def preferring(weight: int) -> Json:
    weighted = [{"weight": weight, "podAffinityTerm": term()}]
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}


def requiring() -> Json:
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term()]}}


def scores(there: dict[str, Json], wanted: Json | None = None, **arguments: Any) -> dict[str, int]:
    """What InterPodAffinity gives to each node; `there` are affinities of pods by their nodes."""
    cluster = Cluster(arguments={"InterPodAffinity": arguments})
    for name in ("a", "b"):
        cluster.add_node(node(name, zone=name))
    for name, affinity in there.items():
        cluster.add_pod(pod(f"on-{name}", affinity=affinity), name)
    asking = pod("x", affinity=wanted or {})
    asking["metadata"]["labels"] = WANTED
    said = survey(cluster.describe(asking).pod, cluster.state)
    return {each.node: each.plugins.get("InterPodAffinity", 0) for each in said}


def test_how_much_a_required_affinity_of_others_attracts() -> None:
    there = {"a": requiring(), "b": preferring(5)}

    assert scores(there) == {"a": 0, "b": 200}, "1 against 5"
    assert scores(there, hardPodAffinityWeight=50) == {"a": 200, "b": 0}
    assert scores({"a": requiring()}, hardPodAffinityWeight=0) == {"a": 0, "b": 0}


def test_what_others_prefer_may_count_only_for_pods_that_prefer_something_themselves() -> None:
    there = {"a": preferring(5)}

    assert scores(there) == {"a": 200, "b": 0}
    assert scores(there, ignorePreferredTermsOfExistingPods=True) == {"a": 0, "b": 0}
    assert scores(there, preferring(1), ignorePreferredTermsOfExistingPods=True) == {"a": 200, "b": 0}


def test_default_constraints_are_the_profiles_own_and_may_forbid() -> None:
    hard = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"}
    spread = {"defaultingType": "List", "defaultConstraints": [hard]}
    cluster = Cluster(arguments={"PodTopologySpread": spread})
    for name in ("a", "b"):
        cluster.add_node(node(name, zone=name))
    service = {"metadata": {"name": "x", "namespace": "default"}, "spec": {"selector": WANTED}}
    cluster.state.surroundings.saw_service(msgspec.convert(service, PlainSelecting), None)
    for number, on in enumerate("aab"):
        there = pod(f"p-{number}")
        there["metadata"]["labels"] = WANTED
        cluster.add_pod(there, on)
    asking = pod("x")
    asking["metadata"]["labels"] = WANTED

    assert cluster.node_for(asking) == "b"
    said = {each.node: each.reasons for each in survey(cluster.describe(asking).pod, cluster.state)}
    assert said["a"] == ["node(s) didn't match pod topology spread constraints"]
    assert cluster.node_for(pod("other")) is not None, "a pod of no Service is not spread"
