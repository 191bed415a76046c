"""Creates, updates and patches of the in-memory API server: what a writer is told, and what is stored."""

from typing import Any

import pytest

from tests.unit.testing.fake_asking import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    STRATEGIC,
    ask,
    bound_pod,
    configmap,
    pod,
    workload,
)
from understudy.errors import ApiError, Forbidden, NotFound, api_error
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request

Json = dict[str, Any]
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def widget(**parts: Any) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, **parts}


class TestCreate:
    def test_gives_identity_and_a_revision(self, api: FakeApi) -> None:
        before = api.revision
        status, made = ask(api, "POST", PODS, pod("a", uid="mine", deletionTimestamp="2020-01-01T00:00:00Z"))
        meta = made["metadata"]
        assert status == 201
        assert meta["resourceVersion"] == str(before + 1)
        assert (meta["namespace"], meta["generation"]) == ("default", 1)
        assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert meta["uid"] != "mine"
        assert "deletionTimestamp" not in meta

    def test_of_a_taken_name(self, api: FakeApi) -> None:
        api.apply(workload("Deployment", "d"))
        status, refusal = ask(api, "POST", DEPLOYMENTS, workload("Deployment", "d"))
        assert status == 409
        assert refusal == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'deployments.apps "d" already exists',
            "reason": "AlreadyExists",
            "details": {"name": "d", "group": "apps", "kind": "deployments"},
            "code": 409,
        }

    def test_generates_names_that_differ_and_repeat_with_the_seed(self) -> None:
        def names(seed: int) -> list[str]:
            api = FakeApi(seed=seed)
            nameless = pod("") | {"metadata": {"generateName": "web-"}}
            return [ask(api, "POST", PODS, nameless)[1]["metadata"]["name"] for _ in range(20)]

        assert len(set(names(1))) == 20
        assert all(name.startswith("web-") and len(name) == 9 for name in names(1))
        assert names(1) == names(1) != names(2)

    @pytest.mark.parametrize(
        ("body", "status", "message"),
        [
            (pod("") | {"metadata": {}}, 422, 'Pod "" is invalid: metadata.name: Required value: name or generateName'),
            (pod("a", resourceVersion="5"), 500, "resourceVersion should not be set on objects to be created"),
            (pod("a", namespace="other"), 400, "the namespace of the provided object does not match"),
            (configmap("a"), 400, "cannot be handled as a Pod"),
            ([], 400, "not a JSON object"),
        ],
    )
    def test_refuses(self, api: FakeApi, body: Json, status: int, message: str) -> None:
        assert (refused := ask(api, "POST", PODS, body))[0] == status
        assert message in refused[1]["message"]
        assert api.objects("pods") == []

    def test_in_a_missing_namespace(self, api: FakeApi) -> None:
        status, refusal = ask(api, "POST", "/api/v1/namespaces/none/pods", pod("a"))
        assert (status, refusal["message"]) == (404, 'namespaces "none" not found')

    def test_in_any_namespace_if_so_switched(self) -> None:
        api = FakeApi(check_namespaces=False)
        assert ask(api, "POST", "/api/v1/namespaces/none/pods", pod("a"))[0] == 201

    def test_in_a_dying_namespace(self, api: FakeApi) -> None:
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
        api.delete("namespaces", "n")
        with pytest.raises(Forbidden) as caught:
            api.apply(configmap("c", namespace="n"))
        assert caught.value.namespace_terminating
        assert caught.value.message == (
            'configmaps "c" is forbidden: unable to create new content in namespace n because it is being terminated'
        )

    def test_asks_admission(self, api: FakeApi) -> None:
        def quota(request: Request, obj: Json) -> None:
            if request.verb == "create" and len(api.objects("pods")) >= 2:
                raise api_error(403, "Forbidden", f'pods "{obj["metadata"]["name"]}" is forbidden: exceeded quota')

        api.admission.append(quota)
        answers = [ask(api, "POST", PODS, pod(name)) for name in "abc"]
        assert [status for status, _ in answers] == [201, 201, 403]
        assert answers[2][1]["message"] == 'pods "c" is forbidden: exceeded quota'


class TestUpdate:
    def test_takes_the_place_of_the_object(self, api: FakeApi) -> None:
        made = api.apply(configmap("c", labels={"a": "1"}))
        status, new = ask(api, "PUT", f"{CONFIGMAPS}/c", configmap("c", "2"))
        assert status == 200
        assert new["data"] == {"value": "2"}
        assert "labels" not in new["metadata"]
        assert new["metadata"]["uid"] == made["metadata"]["uid"]
        assert int(new["metadata"]["resourceVersion"]) == int(made["metadata"]["resourceVersion"]) + 1

    def test_from_an_old_revision_is_a_conflict(self, api: FakeApi) -> None:
        old = api.apply(configmap("c"))
        api.apply(configmap("c", "2"))
        for method, body in (("PUT", old | {"data": {}}), ("PATCH", {"metadata": old["metadata"], "data": None})):
            status, refusal = ask(api, method, f"{CONFIGMAPS}/c", body, MERGE)
            assert (status, refusal["reason"]) == (409, "Conflict")
            assert refusal["message"] == (
                'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
                "please apply your changes to the latest version and try again"
            )
        assert api.objects("configmaps")[0]["data"] == {"value": "2"}

    def test_of_a_namesake(self, api: FakeApi) -> None:
        made = api.apply(configmap("c"))
        other = made | {"metadata": made["metadata"] | {"uid": "other"}}
        assert ask(api, "PUT", f"{CONFIGMAPS}/c", other)[0] == 409
        status, refusal = ask(api, "PATCH", f"{CONFIGMAPS}/c", {"metadata": {"uid": "other"}}, MERGE)
        assert (status, refusal["reason"]) == (422, "Invalid")
        assert refusal["details"]["causes"][0]["field"] == "metadata.uid"

    def test_of_nothing_writes_nothing(self, api: FakeApi) -> None:
        made = api.apply(pod("a", labels={"x": "1"}))
        before = api.revision
        assert ask(api, "PUT", f"{PODS}/a", made) == (200, made)
        assert ask(api, "PATCH", f"{PODS}/a", {"metadata": {"labels": {"x": "1", "y": None}}}, MERGE) == (200, made)
        assert ask(api, "PATCH", f"{PODS}/a/status", {"status": {"phase": "Pending"}}, STRATEGIC) == (200, made)
        assert api.revision == before

    def test_of_what_is_missing(self, api: FakeApi) -> None:
        for method, sub in (("PUT", ""), ("PATCH", ""), ("PATCH", "/status"), ("GET", ""), ("DELETE", "")):
            status, refusal = ask(api, method, f"{PODS}/zz{sub}", {}, MERGE)
            assert (status, refusal["message"]) == (404, 'pods "zz" not found')

    def test_must_name_the_object_of_the_url(self, api: FakeApi) -> None:
        api.apply(pod("a"))
        status, refusal = ask(api, "PUT", f"{PODS}/a", pod("b"))
        assert (status, refusal["message"]) == (
            400,
            "the name of the object (b) does not match the name on the URL (a)",
        )

    def test_of_a_lease_needs_a_revision_and_may_create(self, api: FakeApi) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
        lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
        status, made = ask(api, "PUT", path, lease)
        assert status == 201
        status, refusal = ask(api, "PUT", path, lease)
        assert status == 422
        assert refusal["message"].endswith(
            "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
        )
        assert ask(api, "PUT", path, made | {"spec": {"holderIdentity": "you"}})[0] == 200

    def test_cannot_touch_what_is_the_servers(self, api: FakeApi) -> None:
        made = api.apply(pod("a"))
        forged = {"creationTimestamp": "2000-01-01T00:00:00Z", "deletionTimestamp": "2000-01-01T00:00:00Z"}
        assert ask(api, "PATCH", f"{PODS}/a", {"metadata": forged | {"generation": 9}}, MERGE) == (200, made)


class TestGeneration:
    def test_counts_changes_of_the_spec_only(self, api: FakeApi) -> None:
        api.apply(workload("ReplicaSet", "r"))
        path = "/apis/apps/v1/namespaces/default/replicasets/r"

        def generation(sub: str, patch: Json) -> int:
            status, obj = ask(api, "PATCH", path + sub, patch, MERGE)
            assert status == 200
            return int(obj["metadata"]["generation"])

        assert generation("", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}) == 1
        assert generation("/status", {"status": {"replicas": 4}}) == 1
        assert generation("", {"spec": {"replicas": 4}}) == 2
        assert generation("", {"spec": {"replicas": 4}}) == 2

    def test_of_a_deployment_counts_annotations_too(self, api: FakeApi) -> None:
        api.apply(workload("Deployment", "d"))
        status, new = ask(api, "PATCH", f"{DEPLOYMENTS}/d", {"metadata": {"annotations": {"a": "b"}}}, MERGE)
        assert (status, new["metadata"]["generation"]) == (200, 2)

    def test_of_a_custom_resource_counts_all_but_metadata_and_status(self, api: FakeApi) -> None:
        api.serve("example.com/v1", "widgets", "Widget")
        api.apply(widget(top=1))
        status, new = ask(api, "PATCH", f"{WIDGETS}/w", {"top": 2, "metadata": {"labels": {"a": "b"}}}, MERGE)
        assert (status, new["metadata"]["generation"]) == (200, 2)

    def test_is_absent_where_the_server_keeps_none(self, api: FakeApi) -> None:
        assert "generation" not in api.apply(configmap("c"))["metadata"]


class TestStatus:
    def test_is_apart_from_the_main_resource(self, api: FakeApi) -> None:
        api.apply(workload("Deployment", "d"))
        path = f"{DEPLOYMENTS}/d"
        _, new = ask(api, "PATCH", f"{path}/status", {"status": {"replicas": 2}, "spec": {"replicas": 9}}, MERGE)
        assert (new["status"], new["spec"]["replicas"]) == ({"replicas": 2}, 1)
        _, new = ask(api, "PATCH", path, {"status": {"replicas": 7}, "spec": {"replicas": 3}}, MERGE)
        assert (new["status"], new["spec"]["replicas"]) == ({"replicas": 2}, 3)

    def test_of_a_custom_resource_leaves_metadata_alone(self, api: FakeApi) -> None:
        api.serve("example.com/v1", "widgets", "Widget")
        ask(api, "POST", WIDGETS, widget(spec={"a": 1}, status={"b": 1}))
        patch = {"metadata": {"labels": {"x": "y"}}, "status": {"c": 1}}
        status, new = ask(api, "PATCH", f"{WIDGETS}/w/status", patch, MERGE)
        assert status == 200
        assert new["status"] == {"c": 1}
        assert "labels" not in new["metadata"]

    def test_does_not_exist_where_it_is_not_served(self, api: FakeApi) -> None:
        api.apply(configmap("c"))
        assert ask(api, "PATCH", f"{CONFIGMAPS}/c/status", {}, MERGE)[0] == 404


class TestScale:
    def test_shows_and_sets_the_replicas(self, api: FakeApi) -> None:
        made = api.apply(workload("Deployment", "d"))
        _, scale = ask(api, "GET", f"{DEPLOYMENTS}/d/scale")
        assert scale["kind"] == "Scale"
        assert scale["spec"] == {"replicas": 1}
        assert scale["status"] == {"replicas": 0, "selector": "app=w"}
        status, scale = ask(api, "PUT", f"{DEPLOYMENTS}/d/scale", scale | {"spec": {"replicas": 4}})
        assert (status, scale["spec"]["replicas"]) == (200, 4)
        assert ask(api, "PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 5}}, MERGE)[0] == 200
        found = api.get("deployments", "d")
        assert found is not None
        assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (5, 3)
        stale = scale | {"metadata": made["metadata"]}
        assert ask(api, "PUT", f"{DEPLOYMENTS}/d/scale", stale)[0] == 409


class TestBinding:
    def test_binds_once(self, api: FakeApi) -> None:
        found = bound_pod(api, "a")
        assert found["spec"]["nodeName"] == "n1"
        assert [(each["type"], each["status"]) for each in found["status"]["conditions"]] == [("PodScheduled", "True")]
        assert found["metadata"]["generation"] == 1
        status, refusal = ask(api, "POST", f"{PODS}/a/binding", {"target": {"name": "n2"}})
        assert status == 409
        assert refusal["message"] == (
            'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"'
        )

    def test_of_another_uid_or_a_gated_or_dying_pod(self, api: FakeApi) -> None:
        api.apply(pod("a", finalizers=["x/y"]))
        api.apply(pod("g") | {"spec": {"schedulingGates": [{"name": "wait"}], "containers": []}})
        stranger = {"metadata": {"uid": "other"}, "target": {"name": "n2"}}
        assert ask(api, "POST", f"{PODS}/a/binding", stranger)[0] == 409
        assert "schedulingGates" in ask(api, "POST", f"{PODS}/g/binding", {"target": {"name": "n"}})[1]["message"]
        api.delete("pods", "a")
        assert "being deleted" in ask(api, "POST", f"{PODS}/a/binding", {"target": {"name": "n"}})[1]["message"]


class TestPatchTypes:
    def test_json_patch_that_does_not_fit_changes_nothing(self, api: FakeApi) -> None:
        made = api.apply(configmap("c"))
        patch = [
            {"op": "replace", "path": "/data/value", "value": "2"},
            {"op": "test", "path": "/data/value", "value": "3"},
        ]
        assert ask(api, "PATCH", f"{CONFIGMAPS}/c", patch, JSON_PATCH)[0] == 422
        assert api.get("configmaps", "c") == made

    def test_unknown_ones_are_refused(self, api: FakeApi) -> None:
        api.serve("example.com/v1", "widgets", "Widget")
        api.apply(configmap("c"))
        api.apply(widget())
        assert ask(api, "PATCH", f"{CONFIGMAPS}/c", {}, "application/json")[0] == 415
        assert ask(api, "PATCH", f"{WIDGETS}/w", {}, STRATEGIC)[0] == 415
        assert ask(api, "PATCH", f"{WIDGETS}/w", {"spec": {"a": 1}}, MERGE)[0] == 200

    def test_a_patch_that_is_no_object(self, api: FakeApi) -> None:
        api.apply(configmap("c"))
        assert ask(api, "PATCH", f"{CONFIGMAPS}/c", "x", MERGE)[0] == 400


class TestApply:
    def test_creates_then_replaces_with_the_status(self, api: FakeApi) -> None:
        full = workload("Deployment", "d") | {"status": {"replicas": 3}}
        assert api.apply(full)["status"] == {"replicas": 3}
        again = api.apply(workload("Deployment", "d", replicas=5))
        assert (again["status"], again["spec"]["replicas"]) == ({"replicas": 3}, 5)

    def test_tells_refusals_and_unknown_kinds(self, api: FakeApi) -> None:
        with pytest.raises(NotFound, match='namespaces "none" not found'):
            api.apply(pod("a", namespace="none"))
        with pytest.raises(KeyError, match="not served"):
            api.apply(widget())

    def test_survives_removing_the_last_finalizer(self, api: FakeApi) -> None:
        api.apply(pod("a", finalizers=["x/y"]) | {"status": {"phase": "Running"}})
        api.delete("pods", "a")
        api.apply(pod("a") | {"status": {"phase": "Failed"}})
        assert api.get("pods", "a") is None


def test_stored_objects_cannot_be_changed_from_outside(api: FakeApi) -> None:
    api.apply(configmap("c"))
    api.objects("configmaps")[0]["data"]["value"] = "changed"
    found = api.get("configmaps", "c")
    assert found is not None
    assert found["data"] == {"value": "1"}


def test_the_log_tells_who_asked_for_what(api: FakeApi) -> None:
    api.handle("GET", f"{PODS}/a", user="me")
    assert api.log == [("GET", f"{PODS}/a", "me", 404)]


def test_methods_and_paths_that_do_not_exist(api: FakeApi) -> None:
    for method, path, status in (
        ("POST", f"{PODS}/a", 405),
        ("PUT", PODS, 405),
        ("POST", "/api/v1/pods", 405),
        ("DELETE", "/api/v1/pods", 405),
        ("GET", "/api/v1/pods/a", 404),
        ("GET", "/api/v1/foos", 404),
        ("GET", "/apis/apps/v2/deployments", 404),
        ("GET", "/nothing", 404),
    ):
        assert ask(api, method, path, {})[0] == status, (method, path)


def test_garbage_in_the_body(api: FakeApi) -> None:
    assert api.handle("POST", PODS, b"{").status == 400


def test_an_error_of_the_api_keeps_its_details() -> None:
    with pytest.raises(ApiError) as caught:
        FakeApi().delete("pods", "a")
    assert caught.value.details == {"name": "a", "kind": "pods"}
