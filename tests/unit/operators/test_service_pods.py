"""Which Pods a Service selects, which Services a Pod wakes, and which changes wake nobody."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.decisions import make
from tests.unit.operators.services import backend, backends, node, put, seen, service
from understudy.kinds.core import NODES, PODS, SERVICES, Pod, PodIP, Service
from understudy.kinds.meta import Key
from understudy.operators.common.service_pods import (
    ON_NODES,
    ON_PODS,
    endpoint_changed,
    pods_of,
    selects,
    services_of,
    zone_changed,
)

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3)
NAMESPACES = st.sampled_from(["shop", "default"])


def naive(web: Service, pod: Pod) -> bool:
    wanted = web.spec.selector
    if wanted is None or web.namespace != pod.namespace:
        return False
    return all(pod.metadata.labels.get(name) == value for name, value in wanted.items())


@settings(deadline=None)
@given(
    st.lists(st.tuples(NAMESPACES, st.none() | LABELS), max_size=6),
    st.lists(st.tuples(NAMESPACES, LABELS, LABELS), max_size=8),
)
def test_both_ways_agree_with_comparing_everything(
    selectors: list[tuple[str, dict[str, str] | None]], labels: list[tuple[str, dict[str, str], dict[str, str]]]
) -> None:
    services = [
        service(f"s{number}", namespace=namespace, selector=selector)
        for number, (namespace, selector) in enumerate(selectors)
    ]
    view = seen(*services)
    for index, (namespace, first, _) in enumerate(labels):
        put(view, backend(index, namespace=namespace, labels=first))
    for web in services:
        assert web.spec.selector is None or len(pods_of(web, view)) == sum(naive(web, pod) for pod in view.all(PODS))
    for index, (namespace, _, second) in enumerate(labels):
        put(view, backend(index, namespace=namespace, labels=second))
    pods = list(view.all(PODS))
    for web in services:
        if selects(web):
            assert {pod.key for pod in pods_of(web, view)} == {pod.key for pod in pods if naive(web, pod)}
    for pod in pods:
        assert sorted(services_of(pod, view)) == sorted(web.key for web in services if naive(web, pod))


def test_an_external_name_or_no_selector_selects_nothing() -> None:
    named = service("named", spec={"type": "ExternalName"})
    bare = service("bare", selector=None)
    view = seen(named, bare, pods=[backend(1)])
    assert not selects(named)
    assert not selects(bare)
    assert not list(services_of(backend(1), view))


def test_a_changed_selector_is_noticed() -> None:
    view = seen(service(selector={"app": "web", "tier": "front"}))
    pod = backend(1, labels={"app": "web", "tier": "back"})
    assert not list(services_of(pod, view))
    view.store(SERVICES).listed(service(selector={"app": "web", "tier": "back"}))
    assert list(services_of(pod, view)) == [Key("default", "web")]


# What matters


def change(edit: Callable[[Pod], None]) -> tuple[Pod, Pod]:
    old, new = backend(1), backend(1)
    edit(new)
    return new, old


def gets_ready(pod: Pod) -> None:
    pod.status.conditions[0].status = "False"


def goes(pod: Pod) -> None:
    pod.metadata.deletionTimestamp = "2026-01-02T12:00:00Z"


def is_relabelled(pod: Pod) -> None:
    pod.metadata.labels = {"app": "web", "more": "x"}


def moves(pod: Pod) -> None:
    pod.status.podIPs = [PodIP("10.9.9.9")]


def is_named(pod: Pod) -> None:
    pod.spec.hostname = "zero"


def joins_a_domain(pod: Pod) -> None:
    pod.spec.subdomain = "web"


def is_replaced(pod: Pod) -> None:
    pod.metadata.uid = "another"


def ends(pod: Pod) -> None:
    pod.status.phase = "Succeeded"


@pytest.mark.parametrize(
    "edit",
    [gets_ready, goes, is_relabelled, moves, is_named, joins_a_domain, is_replaced, ends],
    ids=lambda edit: edit.__name__,
)
def test_what_an_endpoint_shows_matters(edit: Callable[[Pod], None]) -> None:
    assert endpoint_changed(*change(edit))


def is_annotated(pod: Pod) -> None:
    pod.metadata.annotations = {"a": "b"}


def restarts(pod: Pod) -> None:
    pod.status.containerStatuses[0].restartCount = 7


def reports_again(pod: Pod) -> None:
    pod.status.conditions[0].lastProbeTime = "2026-01-02T12:00:00Z"


@pytest.mark.parametrize("edit", [is_annotated, restarts, reports_again], ids=lambda edit: edit.__name__)
def test_other_changes_matter_to_nobody(edit: Callable[[Pod], None]) -> None:
    assert not endpoint_changed(*change(edit))


def test_coming_and_going_matter_once_there_is_an_address() -> None:
    with_address, without = backend(1), backend(1, ips=[], phase="Pending", ready=False)
    assert endpoint_changed(with_address, None)
    assert endpoint_changed(None, with_address)
    assert endpoint_changed(with_address, without)
    assert not endpoint_changed(without, None)
    assert not endpoint_changed(None, without)
    assert not endpoint_changed(without, backend(1, ips=[], phase="Pending", node="", labels={}))
    assert not endpoint_changed(None, backend(1, phase="Failed"))


# Who is woken


def test_a_pod_wakes_the_services_that_match_it() -> None:
    view = seen(service(), service("other", selector={"app": "db"}), service("far", namespace="shop"))
    assert list(ON_PODS.keys(backend(1), view)) == [Key("default", "web")]


def test_a_node_wakes_the_services_of_its_pods() -> None:
    pods = [*backends([1, 2]), backend(3, labels={"app": "db"}), backend(4, node="node-2", labels={"app": "far"})]
    view = seen(service(), service("db", selector={"app": "db"}), service("far", selector={"app": "far"}), pods=pods)
    assert set(ON_NODES.keys(node("node-1"), view)) == {Key("default", "web"), Key("default", "db")}
    assert not set(ON_NODES.keys(node("node-9"), view))


def test_a_node_matters_for_its_zone_and_its_existence() -> None:
    assert zone_changed(node(), None)
    assert zone_changed(None, node())
    assert zone_changed(node(zone="b"), node(zone="a"))
    assert not zone_changed(make(NODES, "node-1", labels={"more": "x"}), node())
