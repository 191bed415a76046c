"""Each plugin's plain form against upstream's behaviour; that the array form agrees is tested in `test_cycle`."""

import pytest

from tests.unit.scheduler.builders import (
    Json,
    affinity,
    container,
    label_in,
    name_in,
    node,
    pod,
    shape,
    taint,
    view,
)
from understudy.scheduler.images import Image, full_name
from understudy.scheduler.plugins import (
    image_locality,
    node_name,
    node_ports,
    node_unschedulable,
    taint_toleration,
)
from understudy.scheduler.plugins.balanced import NodeResourcesBalancedAllocation
from understudy.scheduler.plugins.fit import NodeResourcesFit
from understudy.scheduler.plugins.node_affinity import NodeAffinity
from understudy.scheduler.registry import DEFAULT

balanced, fit, node_affinity = NodeResourcesBalancedAllocation(), NodeResourcesFit(), NodeAffinity()
TOLERATE_CORDON = [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}]


def test_order_and_weights_are_upstreams() -> None:
    assert [plugin.NAME for plugin in DEFAULT.filters] == [
        "NodeUnschedulable",
        "NodeName",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
    ]
    assert {plugin.NAME: weight for plugin, weight in DEFAULT.scores} == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }
    assert {plugin.NAME: weight for plugin, weight in DEFAULT.wide} == {"PodTopologySpread": 2, "InterPodAffinity": 2}


def test_node_name() -> None:
    wanted = shape(nodeName="node-1")

    assert node_name.reasons(wanted, view(node("node-1"))) == []
    assert node_name.reasons(wanted, view(node("node-2"))) == ["node(s) didn't match the requested node name"]
    assert not node_name.applies(shape())


def test_cordoned_nodes() -> None:
    cordoned = view(node(unschedulable=True))

    assert node_unschedulable.reasons(shape(), cordoned) == ["node(s) were unschedulable"]
    assert node_unschedulable.reasons(shape(tolerations=TOLERATE_CORDON), cordoned) == []
    assert node_unschedulable.reasons(shape(), view(node())) == []


@pytest.mark.parametrize(
    ("toleration", "passes"),
    [
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"operator": "Exists"}, True),
        ({"key": "disk", "operator": "Exists"}, False),
        ({"key": "gpu", "operator": "Lt", "value": "yes"}, False),
    ],
)
def test_tolerations(toleration: Json, passes: bool) -> None:
    tainted = view(node(taints=[taint("gpu", value="yes")]))
    reasons = taint_toleration.reasons(shape(tolerations=[toleration]), tainted)

    assert reasons == ([] if passes else ["node(s) had untolerated taint(s)"])


def test_every_forbidding_taint_must_be_tolerated_and_preferences_forbid_nothing() -> None:
    two = [taint("a"), taint("b", "NoExecute")]

    assert taint_toleration.reasons(shape(tolerations=[{"key": "a", "operator": "Exists"}]), view(node(taints=two)))
    assert not taint_toleration.reasons(shape(), view(node(taints=[taint("a", "PreferNoSchedule")])))


def test_unwelcoming_taints_are_counted() -> None:
    three = [taint("a", "PreferNoSchedule"), taint("b", "PreferNoSchedule"), taint("c", "NoSchedule")]

    assert taint_toleration.score(shape(), view(node(taints=three))) == 2
    assert (
        taint_toleration.score(shape(tolerations=[{"key": "a", "operator": "Exists"}]), view(node(taints=three))) == 1
    )


@pytest.mark.parametrize(
    ("spec", "passes"),
    [
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "b"}}, False),
        ({"nodeSelector": {"zone": "a", "disk": "ssd"}}, False),
        ({"affinity": affinity(label_in("zone", "b"), label_in("zone", "a", "c"))}, True),
        ({"affinity": affinity(label_in("zone", "b"))}, False),
        ({"affinity": affinity(name_in("node-1"))}, True),
        ({"affinity": affinity(name_in("node-2"))}, False),
        ({"affinity": affinity({})}, False),
        ({"nodeSelector": {"zone": "a"}, "affinity": affinity(label_in("zone", "b"))}, False),
        ({"affinity": affinity({"matchExpressions": [{"key": "cpus", "operator": "Gt", "values": ["4"]}]})}, True),
        ({"affinity": affinity({"matchExpressions": [{"key": "cpus", "operator": "Lt", "values": ["4"]}]})}, False),
    ],
)
def test_required_node_affinity(spec: Json, passes: bool) -> None:
    reasons = node_affinity.reasons(shape(**spec), view(node(labels={"zone": "a", "cpus": "8"})))

    assert reasons == ([] if passes else ["node(s) didn't match Pod's node affinity/selector"])


def test_preferred_node_affinity_adds_the_weights_that_match() -> None:
    wish = [(5, label_in("zone", "a")), (7, label_in("disk", "ssd")), (11, label_in("zone", "b")), (90, {})]

    assert node_affinity.score(shape(affinity=affinity(preferred=wish)), view(node(labels={"zone": "a"}))) == 5


def test_ports_that_are_taken() -> None:
    there = pod("other", container(ports=[{"hostPort": 80, "hostIP": "10.0.0.1"}]))
    taken = ["node(s) didn't have free ports for the requested pod ports"]

    assert node_ports.reasons(shape(container(ports=[{"hostPort": 80}])), view(node(), there)) == taken
    assert node_ports.reasons(shape(container(ports=[{"hostPort": 81}])), view(node(), there)) == []


def test_every_shortage_is_named() -> None:
    full = view(node(cpu="1", memory="1Gi", pods="1"), pod("other", container("500m")))
    wanted = shape(container("600m", "2Gi", example_com__gpu="1"))

    assert fit.reasons(wanted, full) == [
        "Too many pods",
        "Insufficient cpu",
        "Insufficient example.com/gpu",
        "Insufficient memory",
    ]


def test_what_fits_exactly_fits() -> None:
    there = pod("other", container("2500m", "3Gi"))

    assert fit.reasons(shape(container("1500m", "5Gi")), view(node(pods="2"), there)) == []
    assert fit.reasons(shape(container("1501m", "5Gi")), view(node(), there)) == ["Insufficient cpu"]


def test_a_pod_that_asks_for_nothing_fits_where_there_is_a_place() -> None:
    overfull = view(node(cpu="1"), pod("other", container("2")))

    assert fit.reasons(shape(container("0")), overfull) == []


@pytest.mark.parametrize(
    ("of", "there", "wanted", "score"),
    [
        (node(cpu="4", memory="8Gi"), (), container("1", "2Gi"), 75),
        (node(cpu="4", memory="8Gi"), (container("1", "2Gi"),), container("1", "2Gi"), 50),
        (node(cpu="3", memory="8Gi"), (), container("1", "8Gi"), 33),  # (66 + 0) / 2
        (node(cpu="1", memory="1Gi"), (), container(), 85),  # 90 and 80 by the defaults
        (node(cpu="1", memory="8Gi"), (container("3", "4Gi"),), container("1", "4Gi"), 0),
        (node(cpu="4", memory=""), (), container("1", "2Gi"), 75),
        (node(cpu="", memory=""), (), container("1", "2Gi"), 0),
    ],
)
def test_the_emptier_node_scores_higher(of: object, there: tuple[Json, ...], wanted: Json, score: int) -> None:
    where = node() if not isinstance(of, type(node())) else of
    pods = [pod(f"other-{number}", each) for number, each in enumerate(there)]

    assert fit.score(shape(wanted), view(where, *pods)) == score


@pytest.mark.parametrize(
    ("wanted", "score"),
    [
        (container("2", "4Gi"), 100),
        (container("4", "0"), 50),
        (container("1", "4Gi"), 87),  # a quarter and a half: 1 - 0.125
        (container("1"), 87),  # no default for memory here: a quarter and none
        (container("8", "8Gi"), 100),  # more than all is all
        (container(), 0),
    ],
)
def test_the_more_balanced_node_scores_higher(wanted: Json, score: int) -> None:
    assert balanced.score(shape(wanted), view(node(cpu="4", memory="8Gi"))) == score


def test_a_node_with_one_resource_is_balanced() -> None:
    assert balanced.score(shape(container("1", "1Gi")), view(node(memory=""))) == 100


@pytest.mark.parametrize(
    ("images", "nodes", "count", "score"),
    [
        (["web"], 1, 1, 23),  # 250 MiB of 1000, the first 23 of which do not count: 227 / 977, rounded down
        (["web"], 1, 2, 10),  # half of the nodes have it: 125 MiB
        (["web"], 1, 20, 0),
        (["web:latest", "other"], 1, 1, 11),
        (["web", "web"], 1, 1, 24),  # 477 / 1977
        (["huge"], 1, 1, 100),
        (["web:1"], 1, 1, 0),
    ],
)
def test_nodes_that_have_the_images_score_higher(images: list[str], nodes: int, count: int, score: int) -> None:
    mib = 1024 * 1024
    where = node(images={"web:latest": 250 * mib, "huge:latest": 5000 * mib})
    known = {"web:latest": Image(250 * mib, set(range(nodes))), "huge:latest": Image(5000 * mib, set(range(nodes)))}
    wanted = shape(*({"name": f"c{at}", "image": image} for at, image in enumerate(images)))

    assert image_locality.score(wanted, view(where, images=known, count=count)) == score


def test_a_port_of_a_registry_is_no_tag() -> None:
    assert [full_name(each) for each in ("web", "web:1", "r:5000/web", "r:5000/web:1")] == [
        "web:latest",
        "web:1",
        "r:5000/web:latest",
        "r:5000/web:1",
    ]
