"""Quotas: counting a namespace, writing it down, whom a change concerns, when to look again."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, make, of, only, run, view_of, writes
from understudy.errors import ApiError, NotFound
from understudy.kinds.core import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SERVICES,
    PersistentVolumeClaim,
    Pod,
    ResourceQuota,
    Service,
)
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Key, Obj
from understudy.kinds.resource import RESOURCE_CLAIMS, ResourceClaim
from understudy.operators import resourcequota
from understudy.operators.resourcequota import amounts
from understudy.operators.resourcequota.ledger import Ledger
from understudy.plan.steps import List, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import quantity, timestamp

Json = dict[str, Any]
Hard = Mapping[str, str]

SECRETS: Kind[Obj] = Kind("v1", "secrets", "Secret", Obj, metadata_only=True)
WIDGETS: Kind[Obj] = Kind("example.com/v1", "widgets", "Widget", Obj, metadata_only=True)
EVENTS: Kind[Obj] = Kind("v1", "events", "Event", Obj, metadata_only=True)
NODES: Kind[Obj] = Kind("v1", "nodes", "Node", Obj, namespaced=False, metadata_only=True)
TYPED: tuple[Kind[Any], ...] = (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS, RESOURCE_QUOTAS, RESOURCE_CLAIMS)
PLAIN: tuple[Kind[Any], ...] = (SECRETS, WIDGETS, CONFIG_MAPS, REPLICATION_CONTROLLERS, EVENTS, NODES)
VERBS = frozenset({"create", "list", "watch", "delete", "get"})


def quota(hard: Hard, status: Json | None = None, name: str = "quota", **spec: Any) -> ResourceQuota:
    return make(RESOURCE_QUOTAS, name, spec={"hard": dict(hard), **spec}, status=status or {})


def pod(name: str = "web", cpu: str = "", phase: str = "Running", **more: Any) -> Pod:
    asked = {"requests": {"cpu": cpu}} if cpu else {}
    spec = {"containers": [{"name": "c", "resources": asked}], **more.pop("spec", {})}
    return make(PODS, name, spec=spec, status={"phase": phase}, **more)


def service(name: str, type_: str, *ports: Json, **spec: Any) -> Service:
    return make(SERVICES, name, spec={"type": type_, "ports": list(ports), **spec})


def claim(name: str, storage: str | None, status: Json | None = None, **more: Any) -> PersistentVolumeClaim:
    spec = {"resources": {"requests": {"storage": storage} if storage else {}}, **more.pop("spec", {})}
    return make(PERSISTENT_VOLUME_CLAIMS, name, spec=spec, status=status or {}, **more)


def devices(name: str, *requests: Json) -> ResourceClaim:
    return make(RESOURCE_CLAIMS, name, spec={"devices": {"requests": list(requests)}})


def world(quota: ResourceQuota, objects: Mapping[Kind[Any], Iterable[Obj]] | None = None) -> View:
    held: dict[Kind[Any], Iterable[Obj]] = dict.fromkeys((*TYPED, *PLAIN), ())
    view = view_of({**held, RESOURCE_QUOTAS: [quota], **(objects or {})})
    view.resources = [Resource(kind, VERBS) for kind in held]
    for kind in held:
        view.store(kind).synced = True
    return view


def held(view: View) -> ResourceQuota:
    (found,) = view.all(RESOURCE_QUOTAS)
    return found


def used(hard: Iterable[str], objects: Mapping[Kind[Any], Iterable[Obj]], **spec: Any) -> dict[str, str]:
    """What the status says after one decision; the next one has nothing to write."""
    wanted = quota(dict.fromkeys(hard, "100"), **spec)
    view = world(wanted, objects)
    run(resourcequota.decide(wanted, view, NOW), view)
    assert held(view).status.hard == wanted.spec.hard
    assert not writes(run(resourcequota.decide(held(view), view, NOW), view))
    return held(view).status.used


# What is counted


def test_pods_and_what_they_ask_for() -> None:
    found = [pod("a", "500m"), pod("b", "700m"), pod("c", "9", "Succeeded"), pod("d"), pod("e", "1", namespace="else")]
    names = ["pods", "count/pods", "cpu", "requests.cpu", "limits.cpu"]
    expected = {"pods": "3", "count/pods": "4", "cpu": "1200m", "requests.cpu": "1200m", "limits.cpu": "0"}
    assert used(names, {PODS: found}) == expected
    assert used(["pods"], {PODS: found}) == {"pods": "3"}


def test_services_and_their_ports() -> None:
    ports = [{"port": 80, "nodePort": 30080}, {"port": 81}]
    found = [
        service("plain", "ClusterIP", *ports),
        service("node", "NodePort", *ports),
        service("balanced", "LoadBalancer", *ports),
        service("direct", "LoadBalancer", *ports, allocateLoadBalancerNodePorts=False),
    ]
    names = ["services", "count/services", "services.nodeports", "services.loadbalancers"]
    assert used(names, {SERVICES: found}) == dict(zip(names, ["4", "4", "5", "2"], strict=True))


GOLD = "gold.storageclass.storage.k8s.io/"


def test_claims_and_their_storage() -> None:
    old = {"volume.beta.kubernetes.io/storage-class": "gold"}
    found = [
        claim("a", "1Gi", spec={"storageClassName": "gold"}),
        claim("b", "1Gi", annotations=old, spec={"storageClassName": "tin"}),
        claim("c", "1500m"),
        claim("d", "1Gi", status={"allocatedResources": {"storage": "2Gi"}}),
        claim("e", None, spec={"storageClassName": "gold"}),
        claim("f", "2Gi", status={"allocatedResources": {"storage": "1Gi"}}),
    ]
    names = ["persistentvolumeclaims", "requests.storage", f"{GOLD}persistentvolumeclaims", f"{GOLD}requests.storage"]
    total = quantity.render((6 * 2**30 + 2) * 10**9, "BinarySI")
    assert used(names, {PERSISTENT_VOLUME_CLAIMS: found}) == dict(zip(names, ["6", total, "3", "2Gi"], strict=True))


def test_attributes_classes_of_claims() -> None:
    found = [
        claim("a", "1", spec={"volumeAttributesClassName": "fast"}),
        claim("b", "1", status={"currentVolumeAttributesClassName": "fast"}),
        claim("c", "1", status={"modifyVolumeStatus": {"targetVolumeAttributesClassName": "fast"}}),
        claim("d", "1", spec={"volumeAttributesClassName": "slow"}),
        claim("e", "1"),
    ]
    for operator, values, expected in ("Exists", [], "4"), ("In", ["fast"], "3"), ("NotIn", ["fast"], "2"):
        scope = {"scopeName": "VolumeAttributesClass", "operator": operator, "values": values}
        selector = {"matchExpressions": [scope]}
        counted = used(["persistentvolumeclaims"], {PERSISTENT_VOLUME_CLAIMS: found}, scopeSelector=selector)
        assert counted == {"persistentvolumeclaims": expected}


def test_devices_by_class() -> None:
    exact = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2}
    every = {"deviceClassName": "nic", "allocationMode": "All"}
    unknown = {"deviceClassName": "gpu", "allocationMode": "Later", "count": 7}
    found = [
        devices("a", {"exactly": exact}, {"exactly": every}, {"exactly": unknown}, {}),
        devices("b", {"firstAvailable": [exact, {**exact, "count": 5}, {**exact, "deviceClassName": "nic"}]}),
    ]
    names = ["count/resourceclaims.resource.k8s.io"]
    assert used(names, {RESOURCE_CLAIMS: found}) == dict.fromkeys(names, "2")
    names += ["gpu.deviceclass.resource.k8s.io/devices", "nic.deviceclass.resource.k8s.io/devices"]
    assert used(names, {RESOURCE_CLAIMS: found}) == dict(zip(names, ["2", "7", "34"], strict=True))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("secrets", SECRETS),
        ("count/secrets", SECRETS),
        ("configmaps", CONFIG_MAPS),
        ("replicationcontrollers", REPLICATION_CONTROLLERS),
        ("count/widgets.example.com", WIDGETS),
    ],
)
def test_plain_counts(name: str, kind: Kind[Any]) -> None:
    found = [make(kind, "a"), make(kind, "b"), make(kind, "c", "elsewhere")]
    assert used([name], {kind: found}) == {name: "2"}
    assert used([name], {kind: found}, scopes=["BestEffort"]) == {name: "0"}
    assert used(["resourcequotas"], {}) == {"resourcequotas": "1"}


def test_all_scopes_must_hold() -> None:
    found = [pod("a"), pod("b", "1"), pod("c", spec={"activeDeadlineSeconds": 5}), pod("d", "1", phase="Failed")]
    deadline = {"matchExpressions": [{"scopeName": "NotTerminating", "operator": "Exists"}]}
    for more, expected in (
        ({"scopes": ["BestEffort"]}, "2"),
        ({"scopes": ["NotBestEffort"]}, "1"),
        ({"scopes": ["BestEffort"], "scopeSelector": deadline}, "1"),
    ):
        assert used(["pods"], {PODS: found}, **more) == {"pods": expected}


def test_what_is_not_served_or_never_counted_is_left_out() -> None:
    assert used(["count/gone.example.com", "count/events", "count/nodes", "odd", "pods"], {}) == {"pods": "0"}


# What is written


def test_the_status_follows_limits_and_keeps_what_it_cannot_count() -> None:
    known = {"hard": {"pods": "1", "secrets": "3"}, "used": {"pods": "1", "secrets": "2", "count/x.io": "4"}}
    one = quota({"pods": "2", "count/x.io": "9"}, known)
    patch = only(run(resourcequota.decide(one, (view := world(one)), NOW), view), Patch)
    hard = {"pods": "2", "count/x.io": "9", "secrets": None}
    assert patch.body == {"status": {"hard": hard, "used": {"pods": "0", "secrets": None}}}
    assert (patch.subresource, patch.guard) == ("status", "revision")
    assert held(view).status.used == {"pods": "0", "count/x.io": "4"}


def test_equal_quantities_are_not_written_again() -> None:
    known = {"hard": {"cpu": "1000m", "pods": "5"}, "used": {"cpu": "1000m", "pods": "1"}}
    one = quota({"cpu": "1", "pods": "5"}, known)
    assert not writes(run(resourcequota.decide(one, (view := world(one, {PODS: [pod(cpu="1")]})), NOW), view))


def test_a_quota_without_limits_needs_no_status() -> None:
    one = quota({})
    assert not writes(run(resourcequota.decide(one, (view := world(one)), NOW), view))


def test_a_quota_that_is_gone_by_now_is_let_be() -> None:
    def refuse(step: Step) -> None:
        if isinstance(step, Patch):
            raise NotFound(404, "NotFound", "gone")

    one = quota({"pods": "1"})
    assert isinstance(run(resourcequota.decide(one, (view := world(one)), NOW), view, refuse)[-1], Patch)


def test_what_the_server_does_not_answer_is_tried_again_after_the_rest_is_written() -> None:
    def refuse(step: Step) -> None:
        if isinstance(step, List):
            raise ApiError(503, "ServiceUnavailable", "later")

    one = quota({"gpu.deviceclass.resource.k8s.io/devices": "1", "pods": "1"})
    view = world(one)
    with pytest.raises(ApiError, match="later"):
        run(resourcequota.decide(one, view, NOW), view, refuse)
    assert held(view).status.used == {"pods": "0"}


# When to look again


def pause(view: View) -> tuple[float, str]:
    step = only(run(resourcequota.decide(held(view), view, NOW), view), Requeue)
    return step.after, step.why


def test_a_write_is_looked_over_and_rest_follows() -> None:
    view = world(quota({"pods": "1"}))
    assert pause(view)[0] == 5
    assert pause(view)[0] == 300


def test_a_store_that_is_not_filled_yet_is_not_counted() -> None:
    view = world(quota({"secrets": "1", "pods": "1"}, {"used": {"secrets": "1"}}), {PODS: [pod()]})
    view.store(SECRETS).synced = False
    assert pause(view) == (0.5, "not all of secrets is known yet")
    assert held(view).status.used == {"secrets": "1", "pods": "1"}


def test_what_is_not_served_may_be_one_day() -> None:
    view = world(quota({"count/gone.example.com": "1"}))
    pause(view)
    assert pause(view) == (35, "gone.example.com may be served by then")


def test_a_pod_stuck_in_its_deletion_is_given_back_in_time() -> None:
    stuck = pod(cpu="1", deleting=True)
    stuck.metadata.deletionGracePeriodSeconds = 30
    view = world(quota({"pods": "5"}), {PODS: [stuck]})
    pause(view)
    assert pause(view)[0] == 31
    stuck.metadata.deletionTimestamp = timestamp.format(NOW - timedelta(seconds=30))
    assert pause(view)[0] == 1
    stuck.metadata.deletionTimestamp = timestamp.format(NOW - timedelta(seconds=31))
    pause(view)
    assert held(view).status.used == {"pods": "0"}
    assert pause(view)[0] == 300


# Whom a change concerns


def ledger(*quotas: ResourceQuota) -> Ledger:
    made = Ledger()
    for each in quotas:
        assert each.key in list(made.changed(RESOURCE_QUOTAS, each, None))
    return made


QUOTA = Key("default", "quota")


def test_departures_concern_those_who_count_them() -> None:
    book = ledger(quota({"secrets": "1"}), quota({"pods": "1"}, name="other"))
    secret = make(SECRETS, "a")
    assert list(book.changed(SECRETS, None, secret)) == [QUOTA]
    assert list(book.changed(SECRETS, make(SECRETS, "a", uid="new"), secret)) == [QUOTA]
    assert not list(book.changed(SECRETS, make(SECRETS, "a"), secret))
    assert not list(book.changed(SECRETS, secret, None)), "admission charged it already"
    assert not list(book.changed(SECRETS, None, make(SECRETS, "a", "elsewhere")))
    assert not list(book.changed(WIDGETS, None, make(WIDGETS, "a")))


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (pod(cpu="1"), False),
        (pod(cpu="1", labels={"a": "b"}, spec={"nodeName": "n"}), False),
        (pod(cpu="1", phase="Pending"), False),
        (pod(cpu="1", phase="Failed"), True),
        (pod(cpu="2"), True),
        (pod(cpu="1", spec={"activeDeadlineSeconds": 1}), True),
        (pod(cpu="1", deleting=True), True),
    ],
)
def test_changes_of_pods_that_matter(new: Pod, told: bool) -> None:
    book = ledger(quota({"pods": "1"}))
    assert bool(list(book.changed(PODS, new, pod(cpu="1")))) is told


def test_changes_of_services_and_claims_that_matter() -> None:
    book = ledger(quota({"services": "1", "requests.storage": "1"}))
    plain, node = service("a", "ClusterIP", {"port": 80}), service("a", "NodePort", {"port": 80})
    assert list(book.changed(SERVICES, node, plain)) == [QUOTA]
    assert not list(book.changed(SERVICES, service("a", "ClusterIP", {"port": 81}), plain))
    small = claim("a", "1Gi")
    for new in (
        claim("a", "2Gi"),
        claim("a", "1Gi", status={"allocatedResources": {"storage": "2Gi"}}),
        claim("a", "1Gi", status={"currentVolumeAttributesClassName": "fast"}),
    ):
        assert list(book.changed(PERSISTENT_VOLUME_CLAIMS, new, small)) == [QUOTA]
    assert not list(book.changed(PERSISTENT_VOLUME_CLAIMS, claim("a", "1Gi", labels={"a": "b"}), small))


def test_a_quota_is_counted_when_its_limits_change_or_somebody_meddles() -> None:
    status = {"hard": {"pods": "1"}, "used": {"pods": "0"}}
    old = quota({"pods": "1"}, status)
    book = ledger(old)
    for meddled in (
        quota({"pods": "2"}, status),
        quota({"pods": "1"}, status, scopes=["BestEffort"]),
        quota({"pods": "1"}, {**status, "hard": {"pods": "2"}}),
        quota({"pods": "1"}, {"hard": {"pods": "1"}}),
    ):
        assert list(book.changed(RESOURCE_QUOTAS, meddled, old)) == [QUOTA]
        assert book.get(QUOTA) is meddled
    charged = quota({"pods": "1"}, {**status, "used": {"pods": "1"}})
    assert not list(book.changed(RESOURCE_QUOTAS, charged, old))


def test_a_quota_that_went_is_forgotten_and_others_count_it() -> None:
    gone = quota({"pods": "1"})
    book = ledger(gone, quota({"resourcequotas": "1"}, name="other"))
    assert list(book.changed(RESOURCE_QUOTAS, None, gone)) == [Key("default", "other")]
    assert book.get(QUOTA) is None
    assert not list(book.changed(PODS, None, pod()))


# Sums

TEXTS = st.sampled_from(["0", "1", "250m", "1Gi", "64Mi", "1k", "1e3", "3", "100n"])


@given(st.lists(TEXTS, min_size=1))
def test_a_sum_is_exact_and_written_like_its_first_part_that_is_not_zero(texts: list[str]) -> None:
    total: amounts.Amounts = {}
    for text in texts:
        amounts.put(total, "x", amounts.parse(text))
    first = next((text for text in texts if quantity.nanos(text)), texts[-1])
    assert total["x"].nanos == sum(map(quantity.nanos, texts))
    assert str(total["x"]) == quantity.render(total["x"].nanos, quantity.form(first))


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "1", "250m"]), st.booleans()))


@given(STEPS)
def test_whatever_goes_or_ends_is_told(steps: list[tuple[str, str, bool]]) -> None:
    """Between two counts, what is used is less only if a change was told."""
    one = quota({"pods": "9", "cpu": "9"})
    book, view = ledger(one), world(one)
    store = view.store(PODS)
    told: list[Key] = []
    store.hooks.append(lambda new, old: told.extend(book.changed(PODS, new, old)))
    for at, (name, cpu, ended) in enumerate(steps):
        before = counted(view)
        present = store.get(Key("default", name))
        told.clear()
        if present is not None and ended:
            store.gone(present)
        else:
            store.seen(pod(name, cpu, uid=f"{name}-{at}"))
        if any(counted(view)[part] < before[part] for part in before):
            assert told == [QUOTA]


def counted(view: View) -> dict[str, int]:
    names = ["pods", "cpu"]
    blank = quota(dict.fromkeys(names, "9"))
    patch = of(run(resourcequota.decide(blank, view, NOW), view, lambda step: blank), Patch)[0]
    return {name: quantity.nanos(patch.body["status"]["used"][name]) for name in names}
