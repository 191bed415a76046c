"""Our API server in memory answers as kube-apiserver does: what the scenarios in virtual time prove rests on this.

Each test is a scene of requests in a namespace of its own, played on both; see `exchange`.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.api import crds
from tests.api.exchange import Exchange, Fake, Json, Real, Seen
from understudy.cluster.embedded import EmbeddedCluster
from understudy.testing.fake import FakeApi

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
HOLD = "example.com/hold"

_numbers = count()


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, binaries: object) -> Iterator[tuple[Real, Fake]]:
    """A server of its own, on which nobody acts but these tests."""
    cluster = EmbeddedCluster("oracle", tmp_path_factory.mktemp("oracle"))
    # Ours has no admission of service accounts: it would put a volume into every pod.
    cluster.up(die_with_parent=True, apiserver_args=["--disable-admission-plugins=ServiceAccount"])
    with cluster.api() as api:
        crds.install(api)
    fake = FakeApi()
    fake.serve("example.com/v1", "widgets", "Widget")
    real = Real(cluster)
    yield real, Fake(fake)
    real.close()
    cluster.down()


@pytest.fixture
def both(sides: tuple[Real, Fake]) -> Iterator[Exchange]:
    """Both, in a new namespace; no answer may have differed in the end."""
    real, fake = sides
    exchange = Exchange(Seen(real), Seen(fake), f"scene-{next(_numbers)}")
    assert exchange.create("/api/v1/namespaces", {"metadata": {"name": exchange.namespace}}) == 201
    yield exchange
    assert not exchange.differences, "\n".join(exchange.differences)


def core(both: Exchange, plural: str) -> str:
    return f"/api/v1/namespaces/{both.namespace}/{plural}"


def group(both: Exchange, api: str, plural: str) -> str:
    return f"/apis/{api}/namespaces/{both.namespace}/{plural}"


def pod(name: str, **metadata: Any) -> Json:
    spec = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def configmap(name: str, **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "b"}}


def workload(kind: str, name: str, **spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    full = {"selector": {"matchLabels": {"app": "w"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": full}


def binding(name: str, **metadata: Any) -> Json:
    target = {"kind": "Node", "name": "n1"}
    return {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, **metadata}, "target": target}


def meta(**changes: Any) -> Any:
    """The object of the answer before, with other metadata."""
    return lambda obj: {**obj, "metadata": {**obj["metadata"], **changes}}


def test_create(both: Exchange) -> None:
    pods = core(both, "pods")
    assert both.create(pods, pod("a")) == 201
    assert both.create(pods, pod("a")) == 409
    both.create(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": pod("x")["spec"]})
    both.create(pods, pod("b", resourceVersion="5"))
    both.create(pods, pod("b", namespace="other"))
    both.create("/api/v1/namespaces/none/pods", pod("b"))
    both.create("/api/v1/pods", pod("b"))
    both.create(f"{pods}/a", {})
    limits = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    containers = [{"name": "c", "image": "i:latest", **limits}]
    spec = {"restartPolicy": "Never", "tolerations": [{"operator": "Exists"}], "containers": containers}
    both.create(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rich"}, "spec": spec})


def test_read(both: Exchange) -> None:
    pods = core(both, "pods")
    for name in "abc":
        both.create(pods, pod(name, labels={"name": name, "m": "n"}))
    both.get(f"{pods}/a")
    both.get(f"{pods}/a", PARTIAL)
    both.get(pods)
    both.get(pods, PARTIAL_LIST)
    for query in ("labelSelector=m%3Dn,!z", "labelSelector=name+in+(a,b)", "fieldSelector=metadata.name%3Da"):
        both.get(f"{pods}?{query}")
    both.get(f"{pods}?fieldSelector=spec.nodeName!%3D")
    assert both.get(f"{pods}?fieldSelector=spec.foo%3Dx") == 400
    both.get(f"{pods}/none")
    both.get(core(both, "foos"))
    both.get("/apis/apps/v1/bars")


def test_pages(both: Exchange) -> None:
    maps = core(both, "configmaps")
    for name in "abc":
        both.create(maps, configmap(name))
    both.get(f"{maps}?limit=2")
    for side in (both.real, both.fake):
        token = side.last["metadata"]["continue"]
        rest = side.ask("GET", f"{maps}?limit=2&continue={token}", None, "application/json", "application/json")
        assert [each["metadata"]["name"] for each in rest["body"]["items"]] == ["c"]


def test_conflicts(both: Exchange) -> None:
    pods = core(both, "pods")
    both.create(pods, pod("a"))
    assert both.merge(f"{pods}/a", {"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}}) == 409
    assert both.merge(f"{pods}/a", {"metadata": {"uid": "nope"}}) == 422
    both.get(f"{pods}/a")
    both.put(f"{pods}/a", meta(uid="nope"))
    both.get(f"{pods}/a")
    both.put(f"{pods}/a", meta(resourceVersion="1"))
    both.get(f"{pods}/a")
    both.put(f"{pods}/other", lambda obj: obj)
    both.put(f"{pods}/other", pod("other"))
    both.merge(f"{pods}/other", {})
    both.get(f"{pods}/a")
    assert both.put(f"{pods}/a", lambda obj: obj) == 200


def test_patches(both: Exchange) -> None:
    maps = core(both, "configmaps")
    both.create(maps, configmap("p"))
    both.patch(f"{maps}/p", [{"op": "test", "path": "/data/a", "value": "z"}])
    both.patch(f"{maps}/p", [{"op": "remove", "path": "/data/zzz"}])
    add = {"op": "add", "path": "/metadata/labels", "value": {"example.com/x": "1"}}
    both.patch(f"{maps}/p", [{"op": "replace", "path": "/data/a", "value": "z"}, add])
    both.patch(f"{maps}/p", [{"op": "replace", "path": "/metadata/labels/example.com~1x", "value": "2"}])
    both.merge(f"{maps}/p", {"data": {"a": "z"}})
    both.merge(f"{maps}/p", {"data": {"a": None, "b": "c"}})
    both.merge(f"{maps}/p", {"metadata": {"name": "zz"}})
    both.merge(f"{maps}/p", {"metadata": {"namespace": "other"}})
    assert both.ask("PATCH", f"{maps}/p", {}) == 415


def test_owners_and_finalizers_by_strategic_patch(both: Exchange) -> None:
    pods = core(both, "pods")
    both.create(pods, pod("q"))
    owner = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u", "controller": True}
    both.strategic(f"{pods}/q", {"metadata": {"ownerReferences": [owner], "finalizers": [HOLD]}})
    both.strategic(f"{pods}/q", {"metadata": {"ownerReferences": [{**owner, "uid": "v"}]}})
    more = {**owner, "uid": "v", "controller": False}
    both.strategic(f"{pods}/q", {"metadata": {"ownerReferences": [more], "finalizers": ["z/z"]}})
    rid = {"ownerReferences": [{"$patch": "delete", "uid": "u"}], "$deleteFromPrimitiveList/finalizers": [HOLD]}
    both.strategic(f"{pods}/q", {"metadata": rid})
    both.strategic(f"{pods}/q", {"spec": {"containers": [{"name": "c", "image": "other"}]}})


def test_status_is_a_world_of_its_own(both: Exchange) -> None:
    pods = core(both, "pods")
    both.create(pods, pod("q"))
    both.strategic(f"{pods}/q/status", {"status": {"conditions": [{"type": "A", "status": "True"}]}})
    beside = {"spec": {"nodeName": "x"}, "metadata": {"labels": {"m": "n"}, "finalizers": [HOLD]}}
    both.strategic(f"{pods}/q/status", {**beside, "status": {"conditions": [{"type": "B", "status": "True"}]}})
    both.strategic(f"{pods}/q/status", {"status": {"conditions": [{"$patch": "delete", "type": "A"}]}})
    both.merge(f"{pods}/q", {"status": {"phase": "Failed"}})


def test_pods_are_bound_and_end_in_grace(both: Exchange) -> None:
    pods = core(both, "pods")
    both.create(pods, pod("a"))
    assert both.create(f"{pods}/a/binding", binding("a", uid="nope")) == 409
    assert both.create(f"{pods}/a/binding", binding("a", annotations={"q": "r"})) == 201
    assert both.create(f"{pods}/a/binding", binding("a")) == 409
    both.create(f"{pods}/none/binding", binding("none"))
    both.get(f"{pods}?fieldSelector=spec.nodeName%3Dn1")
    assert both.delete(f"{pods}/a", {"preconditions": {"uid": "nope"}}) == 409
    assert both.delete(f"{pods}/a", {"preconditions": {"resourceVersion": "1"}}) == 409
    both.delete(f"{pods}/a")
    both.delete(f"{pods}/a", {"gracePeriodSeconds": 10})
    both.get(f"{pods}/a")
    both.create(f"{pods}/a/binding", binding("a"))
    both.delete(f"{pods}/a", {"gracePeriodSeconds": 0})
    assert both.delete(f"{pods}/a") == 404
    both.create(pods, pod("unbound"))
    both.delete(f"{pods}/unbound")
    assert both.get(f"{pods}/unbound") == 404


def test_finalizers_hold_what_is_deleted(both: Exchange) -> None:
    pods = core(both, "pods")
    for name in ("f", "g"):
        both.create(pods, pod(name, finalizers=[HOLD]))
    both.create(f"{pods}/g/binding", binding("g"))
    for name in ("f", "g"):
        both.delete(f"{pods}/{name}")
        both.get(f"{pods}/{name}")
        both.merge(f"{pods}/{name}", {"metadata": {"finalizers": ["late/one", HOLD]}})
        both.merge(f"{pods}/{name}", {"metadata": {"finalizers": None}})
        both.get(f"{pods}/{name}")
    assert both.delete(f"{pods}/g", {"gracePeriodSeconds": 0}) == 200
    assert both.get(f"{pods}/g") == 404


def test_propagation(both: Exchange) -> None:
    maps, sets = core(both, "configmaps"), group(both, "apps/v1", "replicasets")
    for name in ("one", "two"):
        both.create(maps, configmap(name))
    for policy in ("Foreground", "Orphan", "Background"):
        both.delete(f"{maps}/one", {"propagationPolicy": policy})
    both.get(f"{maps}/one")
    both.delete(f"{maps}/two?propagationPolicy=Orphan")
    both.delete(f"{maps}/two", {"propagationPolicy": "Bogus"})
    both.create(sets, workload("ReplicaSet", "rs"))
    both.delete(f"{sets}/rs", {"propagationPolicy": "Foreground"})
    both.patch(f"{sets}/rs", [{"op": "remove", "path": "/metadata/finalizers/0"}])
    assert both.get(f"{sets}/rs") == 404


def test_delete_collection(both: Exchange) -> None:
    pods, maps = core(both, "pods"), core(both, "configmaps")
    for name in "abc":
        both.create(pods, pod(name, labels={"name": name}))
        both.create(maps, configmap(name, finalizers=[HOLD] if name == "a" else []))
    both.delete(f"{pods}?labelSelector=none")
    both.delete(f"{pods}?labelSelector=name%3Da")
    both.get(pods, PARTIAL_LIST)
    both.delete(pods)
    both.delete(maps)
    both.get(maps)
    assert both.delete("/api/v1/pods") == 405


def test_workloads_count_generations(both: Exchange) -> None:
    path = group(both, "apps/v1", "deployments")
    both.create(path, workload("Deployment", "d"))
    both.get(f"{path}/d/scale")
    both.merge(f"{path}/d/scale", {"spec": {"replicas": 3}})
    both.merge(f"{path}/d/scale", {"spec": {"replicas": 3}, "metadata": {"resourceVersion": "1"}})
    both.get(f"{path}/d/scale")
    both.put(f"{path}/d/scale", lambda obj: {**obj, "spec": {"replicas": 5}})
    beside = {"spec": {"replicas": 9}, "metadata": {"labels": {"l": "1"}}}
    both.merge(f"{path}/d/status", {"status": {"replicas": 2}, **beside})
    both.merge(f"{path}/d", {"metadata": {"annotations": {"a": "2"}}, "status": {"replicas": 7}})
    both.merge(f"{path}/d", {"metadata": {"labels": {"a": "2"}}})
    both.merge(f"{path}/d", {"spec": {"template": {"metadata": {"annotations": {"a": "2"}}}}})
    containers = [{"name": "c", "env": [{"name": "X", "value": "1"}]}, {"name": "e", "image": "z"}]
    both.strategic(f"{path}/d", {"spec": {"template": {"spec": {"containers": containers}}}})
    both.get(f"{path}/d")
    both.put(f"{path}/d", lambda obj: {**obj, "status": {"replicas": 9}})
    both.delete(f"{path}/d")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet"])
def test_other_workloads(both: Exchange, kind: str) -> None:
    path = group(both, "apps/v1", f"{kind.lower()}s")
    both.create(path, workload(kind, "w"))
    both.merge(f"{path}/w", {"metadata": {"labels": {"q": "1"}}})
    both.merge(f"{path}/w", {"spec": {"template": {"metadata": {"annotations": {"a": "2"}}}}})
    both.merge(f"{path}/w/status", {"status": {"observedGeneration": 1}})
    both.get(f"{path}/w")
    both.delete(f"{path}/w")


def test_jobs(both: Exchange) -> None:
    path = group(both, "batch/v1", "jobs")
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    indexed: Json = {"completions": 3, "completionMode": "Indexed"}
    kinds: dict[str, Json] = {"plain": {}, "wide": {"parallelism": 2}, "indexed": indexed}
    for name, more in kinds.items():
        spec = {"template": template, **more}
        both.create(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
    both.merge(f"{path}/plain", {"spec": {"parallelism": 3}})
    both.delete(f"{path}/plain", {"propagationPolicy": "Background"})


def test_services_and_endpoints(both: Exchange) -> None:
    services, endpoints = core(both, "services"), core(both, "endpoints")
    slices = group(both, "discovery.k8s.io/v1", "endpointslices")
    for name, spec in {
        "plain": {"ports": [{"port": 80}]},
        "headless": {"clusterIP": "None", "selector": {"app": "w"}},
        "outside": {"type": "NodePort", "ports": [{"port": 80}]},
        "alias": {"type": "ExternalName", "externalName": "x.y"},
    }.items():
        both.create(services, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
    both.delete(f"{services}/plain")
    subsets = [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]
    both.create(endpoints, {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e"}, "subsets": subsets})
    both.put(f"{endpoints}/e", {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e"}})
    made = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s"},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["10.0.0.1"]}],
    }
    both.create(slices, made)
    both.merge(f"{slices}/s", {"metadata": {"labels": {"a": "b"}}})
    both.merge(f"{slices}/s", {"endpoints": [{"addresses": ["10.0.0.2"]}]})
    both.delete(f"{slices}/s")


def test_leases_and_events(both: Exchange) -> None:
    leases, events = group(both, "coordination.k8s.io/v1", "leases"), core(both, "events")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}}
    both.create(leases, {**lease, "spec": {"holderIdentity": "me"}})
    both.put(f"{leases}/x", {**lease, "spec": {"holderIdentity": "you"}})
    both.get(f"{leases}/x")
    both.put(f"{leases}/x", meta(resourceVersion="1"))
    both.get(f"{leases}/x")
    both.put(f"{leases}/x", lambda obj: {**obj, "spec": {"holderIdentity": "q"}})
    both.delete(f"{leases}/x")
    about = {"kind": "Pod", "name": "a", "namespace": both.namespace}
    said = {"involvedObject": about, "reason": "R", "message": "m", "type": "Normal"}
    both.create(events, {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "y"}, **said})
    both.get(f"{events}?fieldSelector=involvedObject.name%3Da,reason%3DR")


def test_custom_resources(both: Exchange) -> None:
    path = group(both, "example.com/v1", "widgets")
    widget = crds.widget("w") | {"spec": {"a": 1}, "status": {"b": 1}}
    assert both.create(path, widget) == 201
    assert both.create(path, widget) == 409
    both.put(f"{path}/w", widget)
    beside = {"spec": {"a": 9}, "metadata": {"annotations": {"a": "b"}, "labels": {"q": "r"}}}
    both.merge(f"{path}/w/status", {**beside, "status": {"x": 1}})
    assert both.strategic(f"{path}/w", {"spec": {"a": 9}}) == 415
    both.merge(f"{path}/w", {"spec": {"a": 9}})
    both.merge(f"{path}/w", {"metadata": {"labels": {"a": "b"}}})
    both.merge(f"{path}/w", {"metadata": {"uid": "nope"}})
    both.get(path)
    both.delete(f"{path}/w", {"propagationPolicy": "Foreground"})
    both.delete(f"{path}/w", {"propagationPolicy": "Background"})


def test_a_namespace_ends(both: Exchange) -> None:
    path = f"/api/v1/namespaces/{both.namespace}"
    assert both.delete(path, {"preconditions": {"uid": "nope"}}) == 409
    both.merge(path, {"spec": {"finalizers": []}, "metadata": {"labels": {"a": "b"}}})
    both.delete(path)
    both.delete(path)
    assert both.create(core(both, "configmaps"), configmap("late")) == 403
    both.get(path)
    conditions = [{"type": "X", "status": "True"}]
    both.put(f"{path}/status", lambda obj: {**obj, "status": {"phase": "Terminating", "conditions": conditions}})
    both.put(f"{path}/finalize", lambda obj: {**obj, "spec": {"finalizers": []}})
    assert both.get(path) == 404


def test_watches(both: Exchange) -> None:
    pods, maps = core(both, "pods"), core(both, "configmaps")
    both.create(pods, pod("a", labels={"m": "n"}))
    both.create(pods, pod("f", finalizers=[HOLD]))
    both.merge(f"{pods}/a", {"metadata": {"labels": {"m": "x"}}})
    both.create(f"{pods}/a/binding", binding("a"))
    both.delete(f"{pods}/f")
    both.merge(f"{pods}/f", {"metadata": {"finalizers": None}})
    both.create(maps, configmap("late"))
    assert both.watch(pods) == ["ADDED", "ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    # For a watch with a selector an object that stops to match is deleted, one that begins to is added.
    assert both.watch(pods, "resourceVersion=2&labelSelector=m%3Dn") == ["ADDED", "DELETED"]
    assert both.watch(pods, "resourceVersion=2&fieldSelector=spec.nodeName%3Dn1") == ["ADDED"]


def test_a_list_is_streamed_and_ends_with_a_bookmark(both: Exchange) -> None:
    maps = core(both, "configmaps")
    for name in "ab":
        both.create(maps, configmap(name))
    streamed = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    assert both.watch(maps, streamed)[:3] == ["ADDED", "ADDED", "BOOKMARK"]
    assert both.watch(maps, "sendInitialEvents=true") == ["refused"]
