"""The controllers of APIs that are off by default: pod certificates, trust bundles, storage versions, migrations."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import EARLIER, NOW, make, of, only, run, settle, view_of, writes
from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.coordination import LEASES, Lease
from understudy.kinds.core import NAMESPACES, Namespace
from understudy.kinds.gated import (
    CLUSTER_TRUST_BUNDLES,
    POD_CERTIFICATE_REQUESTS,
    STORAGE_VERSION_MIGRATIONS,
    STORAGE_VERSIONS,
    ClusterTrustBundle,
    StorageVersion,
    StorageVersionMigration,
)
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Key, Obj
from understudy.loop.controller import REGISTRY
from understudy.operators import podcertificates, storagemigration, storageversiongc, trustbundle
from understudy.plan.steps import Create, Delete, Get, List, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import conditions, timestamp


class TestPodCertificates:
    @pytest.mark.parametrize(("age", "goes"), [(timedelta(minutes=14), False), (timedelta(minutes=15), True)])
    def test_a_quarter_of_an_hour(self, age: timedelta, goes: bool) -> None:
        request = make(POD_CERTIFICATE_REQUESTS, "r", created=timestamp.format(NOW - age))
        view = view_of({POD_CERTIFICATE_REQUESTS: [request]})
        steps = run(podcertificates.decide(request, view, NOW), view)
        assert bool(of(steps, Delete)) is goes
        assert [each.after for each in of(steps, Requeue)] == ([] if goes else [60.0])

    def test_one_on_its_way_out_is_left_alone(self) -> None:
        request = make(POD_CERTIFICATE_REQUESTS, "r", deleting=True)
        assert run(podcertificates.decide(request, view_of({}), NOW)) == []


CA = "-----BEGIN CERTIFICATE-----\n…"


def bundle(name: str, ca: str = CA, signer: str = trustbundle.SIGNER) -> ClusterTrustBundle:
    return make(CLUSTER_TRUST_BUNDLES, name, spec={"signerName": signer, "trustBundle": ca})


class TestTrustBundle:
    SYSTEM: Namespace = make(NAMESPACES, "kube-system")

    def view(self, *bundles: ClusterTrustBundle, ca: str = CA) -> View:
        view = view_of({CLUSTER_TRUST_BUNDLES: bundles, NAMESPACES: [self.SYSTEM]})
        view.settings = {"root-ca": ca}
        return view

    def test_it_is_published_once_under_a_name_with_its_hash(self) -> None:
        view = self.view()
        [[create]] = settle(trustbundle.decide, NAMESPACES, Key("", "kube-system"), view)
        assert isinstance(create, Create)
        assert create.body["spec"] == {"signerName": "kubernetes.io/kube-apiserver-serving", "trustBundle": CA}
        prefix, _, digest = create.body["metadata"]["name"].rpartition(":")
        assert (prefix, len(digest)) == ("kubernetes.io:kube-apiserver-serving", 24)

    def test_another_ca_is_another_bundle_and_the_old_one_goes(self) -> None:
        old, strange = bundle(trustbundle.name_of("old"), "old"), bundle("other:x", "x", "example.com/other")
        view = self.view(old, strange)
        settle(trustbundle.decide, NAMESPACES, Key("", "kube-system"), view)
        assert {each.name for each in view.all(CLUSTER_TRUST_BUNDLES)} == {trustbundle.name_of(CA), "other:x"}

    def test_what_was_changed_is_put_right(self) -> None:
        view = self.view(bundle(trustbundle.name_of(CA), "something else"))
        patch = only(run(trustbundle.decide(self.SYSTEM, view, NOW), view), Patch)
        assert patch.body == {"spec": {"trustBundle": CA}}

    def test_without_a_ca_nothing_is_done(self) -> None:
        assert run(trustbundle.decide(self.SYSTEM, self.view(ca=""), NOW)) == []


def server(name: str, version: str = "v1") -> Mapping[str, Any]:
    return {"apiServerID": name, "encodingVersion": version, "decodableVersions": [version]}


def lease(name: str, identity: str = "kube-apiserver") -> Lease:
    return make(LEASES, name, "kube-system", labels={storageversiongc.IDENTITY: identity})


def stored(*servers: Mapping[str, Any], **status: Any) -> StorageVersion:
    return make(STORAGE_VERSIONS, "apps.deployments", status={"storageVersions": list(servers), **status})


class TestStorageVersions:
    def play(self, held: StorageVersion, *leases: Lease) -> tuple[list[Step], View]:
        view = view_of({STORAGE_VERSIONS: [held], LEASES: leases})
        return run(storageversiongc.decide(held, view, NOW), view), view

    def test_those_that_are_there_stay(self) -> None:
        steps, _ = self.play(stored(server("a"), server("b")), lease("a"), lease("b"))
        assert steps == []

    def test_one_that_is_gone_is_taken_out_and_the_rest_may_agree(self) -> None:
        steps, view = self.play(stored(server("a"), server("b", "v2")), lease("b"))
        assert only(steps, Get).name == "a"
        held = view.get(STORAGE_VERSIONS, "", "apps.deployments")
        assert held is not None
        assert [each.apiServerID for each in held.status.storageVersions] == ["b"]
        assert held.status.commonEncodingVersion == "v2"
        told = conditions.find(held.status.conditions, "AllEncodingVersionsEqual")
        assert told is not None
        assert (told.status, told.reason) == ("True", "CommonEncodingVersionSet")
        assert told.lastTransitionTime == timestamp.format(NOW)

    def test_those_that_still_disagree_have_no_common_version(self) -> None:
        since = {"type": "AllEncodingVersionsEqual", "status": "False", "lastTransitionTime": EARLIER}
        _, view = self.play(
            stored(server("a"), server("b", "v2"), server("c"), conditions=[since]), lease("b"), lease("c")
        )
        held = view.get(STORAGE_VERSIONS, "", "apps.deployments")
        assert held is not None
        assert held.status.commonEncodingVersion is None
        assert [each.lastTransitionTime for each in held.status.conditions] == [EARLIER]

    def test_with_the_last_of_them_it_goes(self) -> None:
        steps, view = self.play(stored(server("a")))
        assert only(steps, Delete).unchanged
        assert not view.all(STORAGE_VERSIONS)

    def test_a_lease_of_something_else_does_not_count(self) -> None:
        steps, _ = self.play(stored(server("a")), lease("a", "kube-scheduler"))
        assert of(steps, Delete)

    def test_a_lease_the_watch_has_not_shown_yet_counts(self) -> None:
        held = stored(server("a"))
        view = view_of({STORAGE_VERSIONS: [held], LEASES: []})
        steps = run(
            storageversiongc.decide(held, view, NOW), view, lambda step: lease("a") if isinstance(step, Get) else None
        )
        assert writes(steps) == []

    def test_an_api_server_that_goes_wakes_what_names_it(self) -> None:
        view = view_of({STORAGE_VERSIONS: [stored(server("a"))], LEASES: []})
        [on] = REGISTRY["storageversion-garbage-collector-controller"].watches
        assert on.when is not None
        assert on.when(None, lease("a"))
        assert not on.when(lease("a"), lease("a"))
        assert not on.when(None, lease("x", "other"))
        assert [*on.keys(lease("a"), view)] == [Key("", "apps.deployments")]
        assert [*on.keys(lease("b"), view)] == []


WIDGETS = Kind("example.com/v1", "widgets", "Widget", Obj, metadata_only=True)


def migration(
    *told: Mapping[str, str], resource: str = "widgets", created: str = EARLIER, **status: Any
) -> StorageVersionMigration:
    named = {"group": "example.com", "version": "v1beta1", "resource": resource}
    return make(
        STORAGE_VERSION_MIGRATIONS,
        "m",
        created=created,
        spec={"resource": named},
        status={"conditions": list(told), **status},
    )


class TestMigration:
    def play(
        self, held: StorageVersionMigration, refuse: Mapping[str, ApiError] | None = None, widgets: Sequence[str] = "ab"
    ) -> tuple[list[Step], StorageVersionMigration]:
        view = view_of({STORAGE_VERSION_MIGRATIONS: [held]})
        view.resources = [Resource(WIDGETS, frozenset({"list", "patch"}))]
        objects = [make(WIDGETS, name) for name in widgets]

        def answer(step: Step) -> Any:
            if isinstance(step, Get):
                return {"metadata": {"resourceVersion": "77"}}
            if isinstance(step, List):
                assert step.kind.api == "example.com/v1beta1"
                return objects
            if isinstance(step, Patch) and step.kind.plural == "widgets":
                assert step.body == {}
                if refuse and step.obj.name in refuse:
                    raise refuse[step.obj.name]
                return step.obj
            return None

        steps = run(storagemigration.decide(held, view, NOW), view, answer)
        after = view.get(STORAGE_VERSION_MIGRATIONS, "", "m")
        assert after is not None
        return steps, after

    def told(self, held: StorageVersionMigration) -> list[tuple[str, str, str]]:
        return [(each.type, each.status, each.message) for each in held.status.conditions]

    def written(self, steps: Sequence[Step]) -> list[str]:
        return [each.obj.name for each in of(steps, Patch) if each.kind.plural == "widgets"]

    def test_every_object_is_written_in_the_version_that_was_asked_for(self) -> None:
        steps, after = self.play(migration())
        assert self.written(steps) == ["a", "b"]
        assert after.status.resourceVersion == "77"
        assert self.told(after) == [("Running", "False", ""), ("Succeeded", "True", "")]

    def test_what_was_changed_or_deleted_meanwhile_needs_nothing(self) -> None:
        refuse = {"a": Conflict(409, "Conflict", "changed"), "b": NotFound(404, "NotFound", "gone")}
        steps, after = self.play(migration(), refuse, "abc")
        assert self.written(steps) == ["a", "b", "c"]
        assert self.told(after)[-1] == ("Succeeded", "True", "")

    def test_a_refusal_ends_it(self) -> None:
        steps, after = self.play(migration(), {"a": ApiError(500, "InternalError", "no")})
        assert self.written(steps) == ["a"]
        assert self.told(after)[-1] == ("Failed", "True", "migration encountered unhandled error")

    def test_it_goes_on_where_a_process_died(self) -> None:
        running = {"type": "Running", "status": "True", "reason": "StorageVersionMigrationInProgress"}
        steps, after = self.play(migration(running, resourceVersion="5"))
        assert of(steps, Get) == []
        assert after.status.resourceVersion == "5"
        assert self.told(after) == [("Running", "False", ""), ("Succeeded", "True", "")]

    @pytest.mark.parametrize("outcome", ["Succeeded", "Failed"])
    def test_one_that_is_over_is_left_alone(self, outcome: str) -> None:
        steps, _ = self.play(migration({"type": outcome, "status": "True"}))
        assert steps == []

    def test_a_resource_that_is_not_served_is_waited_for_a_minute(self) -> None:
        steps, _ = self.play(migration(resource="nothing", created=timestamp.format(NOW - timedelta(seconds=59))))
        assert [type(step) for step in steps] == [Requeue]
        _, after = self.play(migration(resource="nothing", created=timestamp.format(NOW - timedelta(seconds=60))))
        assert self.told(after) == [("Failed", "True", "resource does not exist in discovery")]
