"""Deletion on the in-memory API server: grace, finalizers, propagation, preconditions, namespaces."""

from typing import Any

import pytest

from tests.unit.testing.fake_asking import (
    CONFIGMAPS,
    JSON_PATCH,
    MERGE,
    PODS,
    ask,
    bound_pod,
    configmap,
    events,
    opened,
    pod,
    workload,
)
from understudy.errors import Conflict, Invalid, NotFound
from understudy.testing.fake import FakeApi

Json = dict[str, Any]
JOB = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


class TestPods:
    def test_unbound_goes_at_once(self, api: FakeApi) -> None:
        made = api.apply(pod("a"))
        watcher = opened(api, f"{PODS}?watch=1&resourceVersion={api.revision}")
        answer = api.delete("pods", "a")
        assert answer["metadata"]["deletionGracePeriodSeconds"] == 0
        assert answer["metadata"]["deletionTimestamp"]
        assert int(answer["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        assert answer["metadata"]["generation"] == 2
        assert events(watcher) == [("MODIFIED", "a"), ("DELETED", "a")]
        assert api.objects("pods") == []

    def test_bound_gets_its_grace_and_stays(self, api: FakeApi) -> None:
        bound_pod(api, "a")
        answer = api.delete("pods", "a")
        assert answer["metadata"]["deletionGracePeriodSeconds"] == 30
        assert answer["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
        assert api.delete("pods", "a") == answer
        assert api.delete("pods", "a", gracePeriodSeconds=60) == answer
        assert api.objects("pods") == [answer]

    def test_grace_can_be_shortened_and_ended(self, api: FakeApi) -> None:
        bound_pod(api, "a")
        api.delete("pods", "a")
        shorter = api.delete("pods", "a", gracePeriodSeconds=10)
        assert shorter["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:10Z"
        assert shorter["metadata"]["deletionGracePeriodSeconds"] == 10
        assert api.delete("pods", "a", gracePeriodSeconds=0)["metadata"]["deletionGracePeriodSeconds"] == 0
        assert api.objects("pods") == []

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_ended_goes_at_once(self, api: FakeApi, phase: str) -> None:
        bound = bound_pod(api, "a")
        api.apply(bound | {"status": {"phase": phase}})
        api.delete("pods", "a")
        assert api.objects("pods") == []

    def test_without_grace_still_waits_for_its_finalizer(self, api: FakeApi) -> None:
        bound_pod(api, "a", finalizers=["x/y", "z/z"])
        api.delete("pods", "a")
        patch = {"metadata": {"finalizers": None}}
        assert ask(api, "PATCH", f"{PODS}/a", {"metadata": {"finalizers": ["x/y"]}}, MERGE)[0] == 200
        assert api.delete("pods", "a", gracePeriodSeconds=0)["metadata"]["deletionGracePeriodSeconds"] == 0
        assert len(api.objects("pods")) == 1
        assert ask(api, "PATCH", f"{PODS}/a", patch, MERGE)[0] == 200
        assert api.objects("pods") == []

    def test_without_finalizer_still_waits_for_its_grace(self, api: FakeApi) -> None:
        bound_pod(api, "a", finalizers=["x/y"])
        api.delete("pods", "a")
        ask(api, "PATCH", f"{PODS}/a", {"metadata": {"finalizers": None}}, MERGE)
        assert len(api.objects("pods")) == 1


class TestFinalizers:
    def test_hold_back_the_deletion(self, api: FakeApi) -> None:
        api.apply(configmap("c", finalizers=["x/y", "x/z"]))
        answer = api.delete("configmaps", "c")
        assert answer["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
        before = api.revision
        assert api.delete("configmaps", "c") == answer
        assert api.revision == before
        remove = [{"op": "remove", "path": "/metadata/finalizers/0"}]
        assert ask(api, "PATCH", f"{CONFIGMAPS}/c", remove, JSON_PATCH)[0] == 200
        assert len(api.objects("configmaps")) == 1
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}")
        status, last = ask(api, "PATCH", f"{CONFIGMAPS}/c", remove, JSON_PATCH)
        assert status == 200
        assert "finalizers" not in last["metadata"]
        assert events(watcher) == [("DELETED", "c")]

    def test_count_one_generation(self, api: FakeApi) -> None:
        api.apply(workload("ReplicaSet", "r") | {"metadata": {"name": "r", "finalizers": ["x/y"]}})
        assert api.delete("replicasets", "r")["metadata"]["generation"] == 2
        assert api.delete("replicasets", "r")["metadata"]["generation"] == 2


class TestPropagation:
    @pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
    def test_leaves_a_finalizer_to_the_garbage_collector(self, api: FakeApi, policy: str, finalizer: str) -> None:
        api.apply(workload("ReplicaSet", "r"))
        answer = api.delete("replicasets", "r", propagationPolicy=policy)
        assert answer["metadata"]["finalizers"] == [finalizer]
        assert answer["metadata"]["deletionTimestamp"]
        api.delete("replicasets", "r", propagationPolicy="Background")
        assert api.objects("replicasets") == []

    def test_of_a_job_is_orphan_unless_said_otherwise(self, api: FakeApi) -> None:
        for name in "ab":
            api.apply(
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "metadata": {"name": name},
                    "spec": {"template": {"spec": JOB}},
                }
            )
        assert api.delete("jobs", "a")["metadata"]["finalizers"] == ["orphan"]
        api.delete("jobs", "b", propagationPolicy="Background")
        assert [each["metadata"]["name"] for each in api.objects("jobs")] == ["a"]

    def test_means_nothing_to_events(self, api: FakeApi) -> None:
        api.apply({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}})
        assert api.delete("events", "e", propagationPolicy="Foreground")["status"] == "Success"

    def test_may_stand_in_the_query(self, api: FakeApi) -> None:
        api.apply(configmap("c"))
        _, answer = ask(api, "DELETE", f"{CONFIGMAPS}/c?propagationPolicy=Orphan")
        assert answer["metadata"]["finalizers"] == ["orphan"]

    def test_of_an_unknown_kind_is_refused(self, api: FakeApi) -> None:
        api.apply(configmap("c"))
        with pytest.raises(Invalid, match='Unsupported value: "Bogus"'):
            api.delete("configmaps", "c", propagationPolicy="Bogus")


class TestAnswers:
    def test_a_status_with_the_uid(self, api: FakeApi) -> None:
        made = api.apply(workload("Deployment", "d"))
        assert api.delete("deployments", "d") == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "d", "group": "apps", "kind": "deployments", "uid": made["metadata"]["uid"]},
        }

    def test_the_object_itself_without_a_mark_of_its_deletion(self, api: FakeApi) -> None:
        api.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {}})
        answer = api.delete("services", "s")
        assert answer["kind"] == "Service"
        assert "deletionTimestamp" not in answer["metadata"]
        assert answer["metadata"]["resourceVersion"] == str(api.revision)
        assert api.objects("services") == []


class TestPreconditions:
    def test_must_hold(self, api: FakeApi) -> None:
        made = api.apply(pod("a"))["metadata"]
        with pytest.raises(Conflict, match="the UID in the precondition \\(other\\) does not match the UID in record"):
            api.delete("pods", "a", preconditions={"uid": "other"})
        with pytest.raises(Conflict, match="The object might have been modified"):
            api.delete("pods", "a", preconditions={"uid": made["uid"], "resourceVersion": "1"})
        api.delete("pods", "a", preconditions={"uid": made["uid"], "resourceVersion": made["resourceVersion"]})
        with pytest.raises(NotFound):
            api.delete("pods", "a", preconditions={"uid": made["uid"]})

    def test_hold_back_a_namespace_too(self, api: FakeApi) -> None:
        with pytest.raises(Conflict, match="Precondition failed: UID in precondition: other"):
            api.delete("namespaces", "default", preconditions={"uid": "other"})


def test_a_collection_is_deleted_by_selector(api: FakeApi) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        api.apply(configmap(name, labels={"color": color}))
    status, listed = ask(api, "DELETE", f"{CONFIGMAPS}?labelSelector=color%3Dred")
    assert (status, [each["metadata"]["name"] for each in listed["items"]]) == (200, ["a", "c"])
    assert [each["metadata"]["name"] for each in api.objects("configmaps")] == ["b"]


def test_a_namespace_terminates_until_finalized(api: FakeApi) -> None:
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    answer = api.delete("namespaces", "n")
    assert answer["status"]["phase"] == "Terminating"
    assert answer["spec"]["finalizers"] == ["kubernetes"]
    assert api.delete("namespaces", "n") == answer
    ask(api, "PATCH", "/api/v1/namespaces/n", {"spec": {"finalizers": []}}, MERGE)
    assert api.get("namespaces", "n") == answer, "only /finalize may take the finalizer away"
    status, _ = ask(api, "PUT", "/api/v1/namespaces/n/finalize", answer | {"spec": {"finalizers": []}})
    assert (status, api.get("namespaces", "n")) == (200, None)


def test_a_new_object_of_the_same_name_is_another(api: FakeApi) -> None:
    first = api.apply(pod("a"))
    api.delete("pods", "a")
    assert api.apply(pod("a"))["metadata"]["uid"] != first["metadata"]["uid"]
