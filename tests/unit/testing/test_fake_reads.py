"""GET, LIST and discovery of the in-memory API server."""

from typing import Any

import pytest

from tests.unit.testing.fake_asking import CONFIGMAPS, PODS, ask, bound_pod, configmap, pod
from understudy.testing.fake import FakeApi

Json = dict[str, Any]
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def names(listed: Json) -> list[str]:
    return [each["metadata"]["name"] for each in listed["items"]]


class TestList:
    def test_of_one_and_of_all_namespaces(self, api: FakeApi) -> None:
        api.apply(configmap("b"))
        api.apply(configmap("a"))
        api.apply(configmap("z", namespace="kube-system"))
        _, one = ask(api, "GET", CONFIGMAPS)
        _, every = ask(api, "GET", "/api/v1/configmaps")
        assert (names(one), names(every)) == (["a", "b"], ["a", "b", "z"])
        assert one["metadata"] == {"resourceVersion": str(api.revision)}
        assert (one["kind"], one["apiVersion"]) == ("ConfigMapList", "v1")

    def test_items_name_their_kind_only_if_custom(self, api: FakeApi) -> None:
        api.serve("example.com/v1", "widgets", "Widget", namespaced=False)
        api.apply(configmap("c"))
        api.apply({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
        assert "kind" not in ask(api, "GET", CONFIGMAPS)[1]["items"][0]
        assert ask(api, "GET", "/apis/example.com/v1/widgets")[1]["items"][0]["kind"] == "Widget"

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("labelSelector=app%3Dweb", ["a"]),
            ("labelSelector=app", ["a", "b"]),
            ("labelSelector=app%20in%20(db,x),!tier", ["b"]),
            ("fieldSelector=metadata.name%3Dc", ["c"]),
            ("fieldSelector=spec.nodeName%3Dn1", ["n"]),
            ("fieldSelector=spec.nodeName%3D,status.phase%3DPending", ["a", "b", "c"]),
            ("fieldSelector=metadata.name!%3Da&labelSelector=app", ["b"]),
        ],
    )
    def test_selects(self, api: FakeApi, query: str, found: list[str]) -> None:
        api.apply(pod("a", labels={"app": "web"}))
        api.apply(pod("b", labels={"app": "db"}))
        api.apply(pod("c"))
        bound_pod(api, "n")
        assert names(ask(api, "GET", f"{PODS}?{query}")[1]) == found

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("fieldSelector=spec.foo%3Dx", "field label not supported: spec.foo"),
            ("fieldSelector=x", "invalid selector"),
            ("labelSelector=a%3D%3D%3Db", "unable to parse"),
            ("continue=abc", "invalid continue token"),
        ],
    )
    def test_refuses(self, api: FakeApi, query: str, message: str) -> None:
        status, refusal = ask(api, "GET", f"{PODS}?{query}")
        assert status == 400
        assert message in refusal["message"]

    def test_from_the_future_is_too_early(self, api: FakeApi) -> None:
        answer = api.handle("GET", f"{PODS}?resourceVersion=999")
        assert (answer.status, answer.retry_after) == (504, 1.0)
        assert b"Too large resource version: 999" in answer.body


class TestPages:
    def test_show_one_moment(self, api: FakeApi) -> None:
        for name in "abcde":
            api.apply(configmap(name))
        _, first = ask(api, "GET", f"{CONFIGMAPS}?limit=2")
        assert first["metadata"]["remainingItemCount"] == 3
        api.delete("configmaps", "d")
        api.apply(configmap("f"))
        _, second = ask(api, "GET", f"{CONFIGMAPS}?limit=2&continue={first['metadata']['continue']}")
        _, third = ask(api, "GET", f"{CONFIGMAPS}?limit=2&continue={second['metadata']['continue']}")
        assert [*names(first), *names(second), *names(third)] == list("abcde")
        revisions = {page["metadata"]["resourceVersion"] for page in (first, second, third)}
        assert len(revisions) == 1
        assert "continue" not in third["metadata"]

    def test_expire_with_compaction(self, api: FakeApi) -> None:
        api.apply(configmap("a"))
        api.apply(configmap("b"))
        token = ask(api, "GET", f"{CONFIGMAPS}?limit=1")[1]["metadata"]["continue"]
        api.compact()
        status, refusal = ask(api, "GET", f"{CONFIGMAPS}?limit=1&continue={token}")
        assert (status, refusal["reason"]) == (410, "Expired")


class TestPartial:
    def test_objects_and_lists_and_answers_to_writes(self, api: FakeApi) -> None:
        made = api.apply(configmap("c"))
        shown = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": made["metadata"]}
        assert ask(api, "GET", f"{CONFIGMAPS}/c", accept=PARTIAL) == (200, shown)
        _, listed = ask(api, "GET", CONFIGMAPS, accept=PARTIAL_LIST)
        assert listed["kind"] == "PartialObjectMetadataList"
        assert listed["items"] == [shown]
        assert "data" not in ask(api, "POST", CONFIGMAPS, configmap("d"), accept=PARTIAL)[1]
        assert ask(api, "DELETE", f"{CONFIGMAPS}/c", accept=PARTIAL)[1]["status"] == "Success"


class TestDiscovery:
    def test_aggregated(self, api: FakeApi) -> None:
        api.serve("example.com/v1", "widgets", "Widget", namespaced=False)
        _, core = ask(api, "GET", "/api", accept=AGGREGATED)
        _, rest = ask(api, "GET", "/apis", accept=AGGREGATED)
        pods = next(each for each in core["items"][0]["versions"][0]["resources"] if each["resource"] == "pods")
        assert {each["subresource"] for each in pods["subresources"]} == {"binding", "status"}
        groups = {each["metadata"]["name"]: each["versions"][0]["resources"] for each in rest["items"]}
        assert groups["example.com"][0]["scope"] == "Cluster"
        apps = {each["resource"]: each for each in groups["apps"]}
        assert apps["deployments"]["responseKind"]["kind"] == "Deployment"
        assert "watch" in apps["deployments"]["verbs"]

    def test_plain(self, api: FakeApi) -> None:
        assert ask(api, "GET", "/api")[1]["versions"] == ["v1"]
        groups = ask(api, "GET", "/apis")[1]["groups"]
        assert "apps/v1" in [each["preferredVersion"]["groupVersion"] for each in groups]
        _, apps = ask(api, "GET", "/apis/apps/v1")
        assert {"deployments", "deployments/scale", "deployments/status"} <= {
            each["name"] for each in apps["resources"]
        }
        assert ask(api, "GET", "/api/v1")[1]["groupVersion"] == "v1"

    def test_version_and_health(self, api: FakeApi) -> None:
        assert ask(api, "GET", "/version")[1]["gitVersion"] == "v1.34.4"
        assert api.handle("GET", "/readyz?verbose").body == b"ok"
