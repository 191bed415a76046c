"""Shapes: what makes pods alike, which ports conflict, which nodes an affinity names."""

import pytest

from tests.unit.scheduler.builders import Json, affinity, container, label_in, name_in, pod, shape
from understudy.scheduler.shape import HostPort, host_ports, same_usage, usage_of
from understudy.scheduler.shapes import Shapes


def test_pods_that_want_the_same_share_a_shape() -> None:
    shapes = Shapes()
    first = shapes.describe(pod("a", container("1")))
    second = shapes.describe(pod("b", container("1"), priority=7))

    assert first.shape is second.shape
    assert (second.uid, second.priority, str(second.key)) == ("uid-b", 7, "default/b")


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"disk": "ssd"}},
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
        {"affinity": affinity(label_in("zone", "a"))},
        {"affinity": affinity(preferred=[(1, label_in("zone", "a"))])},
        {"overhead": {"cpu": "1"}},
        {"nodeName": "node-1"},
        {"containers": [container("1", ports=[{"hostPort": 80}])]},
    ],
)
def test_each_wish_makes_another_shape(spec: Json) -> None:
    shapes = Shapes()
    plain = shapes.describe(pod("a", container("1"))).shape

    assert shapes.describe(pod("b", **{"containers": [container("1")], **spec})).shape is not plain


def test_the_oldest_shapes_are_forgotten() -> None:
    shapes = Shapes(limit=2)
    first = shapes.describe(pod("a", container("1"))).shape
    for cpu in ("2", "3"):
        shapes.describe(pod("a", container(cpu)))

    assert shapes.describe(pod("a", container("1"))).shape is not first


def test_host_ports_of_what_runs_on() -> None:
    ports = [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2}]
    early = [
        container(ports=[{"hostPort": 1}]),
        container(ports=[{"hostPort": 2, "protocol": "UDP", "hostIP": "10.0.0.1"}], restartPolicy="Always"),
    ]

    assert host_ports(pod("a", container(ports=ports), initContainers=early)) == (
        HostPort("TCP", 80, "0.0.0.0"),
        HostPort("UDP", 2, "10.0.0.1"),
    )


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (("TCP", 80, "0.0.0.0"), ("TCP", 80, "0.0.0.0"), True),
        (("TCP", 80, "0.0.0.0"), ("TCP", 80, "10.0.0.1"), True),
        (("TCP", 80, "10.0.0.1"), ("TCP", 80, "10.0.0.1"), True),
        (("TCP", 80, "10.0.0.1"), ("TCP", 80, "10.0.0.2"), False),
        (("TCP", 80, "0.0.0.0"), ("UDP", 80, "0.0.0.0"), False),
        (("TCP", 80, "0.0.0.0"), ("TCP", 81, "0.0.0.0"), False),
    ],
)
def test_conflicts_of_ports(one: tuple[str, int, str], other: tuple[str, int, str], conflict: bool) -> None:
    assert HostPort(*one).conflicts(HostPort(*other)) is conflict
    assert HostPort(*other).conflicts(HostPort(*one)) is conflict


@pytest.mark.parametrize(
    ("terms", "names", "conflict"),
    [
        ([name_in("a")], {"a"}, False),
        ([name_in("a"), name_in("b")], {"a", "b"}, False),
        ([name_in("a"), label_in("zone", "x")], None, False),
        ([{**name_in("a"), **label_in("zone", "x")}], {"a"}, False),
        ([{"matchFields": [*name_in("a")["matchFields"], *name_in("b")["matchFields"]]}], None, True),
        ([], None, False),
    ],
)
def test_the_nodes_an_affinity_names(terms: list[Json], names: set[str] | None, conflict: bool) -> None:
    found = shape(affinity=affinity(*terms))

    assert found.names == (None if names is None else frozenset(names))
    assert found.conflict is conflict


def test_a_preferred_term_that_cannot_be_read_is_left_out() -> None:
    wrong = {"matchExpressions": [{"key": "zone", "operator": "Near", "values": ["a"]}]}
    found = shape(affinity=affinity(preferred=[(5, wrong), (7, label_in("zone", "a"))]))

    assert [weight for weight, _ in found.preferred] == [7]


STATUS = {"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}
INFEASIBLE = {**STATUS, "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]}


@pytest.mark.parametrize(
    "changed",
    [
        pod("a", container("2")),
        pod("a", container("1"), initContainers=[container("4")]),
        pod("a", container("1"), resources={"requests": {"cpu": "3"}}),
        pod("a", container("1"), overhead={"cpu": "1"}),
        pod("a", container("1"), status=STATUS),
        pod("a", container("1", ports=[{"hostPort": 80}])),
    ],
)
def test_a_change_of_usage_is_noticed(changed: object) -> None:
    before = pod("a", container("1"))
    after = changed
    assert isinstance(after, type(before))

    assert usage_of(before) != usage_of(after)
    assert not same_usage(before, after)


def test_a_resize_found_to_be_infeasible_is_noticed() -> None:
    assert not same_usage(pod("a", container("4"), status=STATUS), pod("a", container("4"), status=INFEASIBLE))


def test_getting_a_node_does_not_change_the_usage() -> None:
    assert same_usage(pod("a", container("1")), pod("a", container("1"), node_name="node-1"))
