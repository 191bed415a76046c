"""What Pods use of a quota, and which of them a scope lets it count."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, make
from understudy.kinds.core import PODS, Pod, ScopeRequirement
from understudy.operators.resourcequota import pods, scopes
from understudy.operators.resourcequota.names import counted_by
from understudy.values import quantity, timestamp

Json = dict[str, Any]


class Everything(frozenset[str]):
    """All names there are."""

    def __contains__(self, name: object) -> bool:
        return True

    def __le__(self, names: object) -> bool:
        return False


EVERYTHING = Everything()


def container(
    name: str = "c", requests: Json | None = None, limits: Json | None = None, policy: str | None = None
) -> Json:
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {"name": name, "resources": resources, "restartPolicy": policy}


def pod(*containers: Json, status: Json | None = None, **spec: Any) -> Pod:
    return make(PODS, "web", spec={"containers": list(containers), **spec}, status=status or {"phase": "Running"})


def used(one: Pod) -> dict[str, str]:
    """What it uses, without its own count."""
    found = {name: str(amount) for name, amount in pods.usage(one, EVERYTHING, NOW).items()}
    assert (found.pop("pods"), found.pop("count/pods")) == ("1", "1")
    return found


def requests(one: Pod, name: str = "cpu") -> str:
    return str(pods.total(one, "requests")[name])


def test_requests_and_limits_under_all_their_names() -> None:
    one = pod(
        container("a", {"cpu": "250m", "memory": "64Mi", "ephemeral-storage": "1Gi"}, {"cpu": "1", "memory": "128Mi"}),
        container(
            "b", {"cpu": "1", "hugepages-2Mi": "4Mi", "example.com/gpu": "2"}, {"example.com/gpu": "2", "cpu": "500m"}
        ),
    )
    assert used(one) == {
        "cpu": "1250m",
        "requests.cpu": "1250m",
        "limits.cpu": "1500m",
        "memory": "64Mi",
        "requests.memory": "64Mi",
        "limits.memory": "128Mi",
        "ephemeral-storage": "1Gi",
        "requests.ephemeral-storage": "1Gi",
        "hugepages-2Mi": "4Mi",
        "requests.hugepages-2Mi": "4Mi",
        "requests.example.com/gpu": "2",
    }


def test_names_no_quota_can_be_kept_of_are_not_counted() -> None:
    odd = {"kubernetes.io/odd": "1", "plain": "1", "requests.example.com/gpu": "1", "a" * 60 + ".com/" + "b" * 70: "1"}
    assert used(pod(container(requests=odd))) == {}


def test_init_containers_and_sidecars() -> None:
    one = pod(
        container("app", {"cpu": "2"}),
        initContainers=[
            container("first", {"cpu": "5"}),
            container("sidecar", {"cpu": "1"}, policy="Always"),
            container("second", {"cpu": "5500m"}),
            container("late", {"cpu": "1"}, policy="Always"),
        ],
    )
    assert requests(one) == "6500m"
    assert requests(pod(container("app", {"cpu": "6"}), initContainers=one_by_one(one))) == "8"


def one_by_one(one: Pod) -> list[Json]:
    found: list[Json] = msgspec.to_builtins(one.spec.initContainers)
    return found


def test_overhead_counts_for_limits_only_where_there_is_one() -> None:
    plain = container(requests={"cpu": "1"}, limits={"cpu": "2", "memory": "0"})
    found = used(pod(plain, overhead={"cpu": "100m", "memory": "10Mi"}))
    assert found["requests.cpu"] == "1100m"
    assert found["requests.memory"] == "10Mi"
    assert found["limits.cpu"] == "2100m"
    assert found["limits.memory"] == "0"


def test_what_the_pod_as_a_whole_states_replaces_its_containers() -> None:
    stated = {"requests": {"cpu": "3", "ephemeral-storage": "9Gi"}, "limits": {"memory": "1Gi"}}
    found = used(pod(container(requests={"cpu": "1", "ephemeral-storage": "1Gi"}), resources=stated))
    assert found["cpu"] == "3"
    assert found["ephemeral-storage"] == "1Gi"
    assert found["limits.memory"] == "1Gi"


def resized(reason: str = "", **status: Any) -> Pod:
    conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
    given = {"phase": "Running", "conditions": conditions, "containerStatuses": [{"name": "c", **status}]}
    return pod(container(requests={"cpu": "2"}, limits={"cpu": "2"}), status=given)


def test_a_resize_counts_as_the_most_of_before_and_after() -> None:
    assert requests(resized()) == "2"
    assert requests(resized(resources={"requests": {"cpu": "1"}})) == "2"
    assert requests(resized(resources={"requests": {"cpu": "3"}})) == "3"
    assert requests(resized(resources={}, allocatedResources={"cpu": "4"})) == "4"
    assert requests(resized("Deferred", resources={"requests": {"cpu": "1"}})) == "2"
    impossible = resized("Infeasible", resources={"requests": {"cpu": "1"}, "limits": {"cpu": "1500m"}})
    assert requests(impossible) == "1"
    assert used(impossible)["limits.cpu"] == "1500m"


def test_only_sidecars_are_resized_among_init_containers() -> None:
    status = {"initContainerStatuses": [{"name": "i", "resources": {"requests": {"cpu": "3"}}}]}
    for policy, expected in (None, "1"), ("Always", "3"):
        assert requests(pod(initContainers=[container("i", {"cpu": "1"}, policy=policy)], status=status)) == expected


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pods_are_only_objects(phase: str) -> None:
    one = pod(container(requests={"cpu": "1"}), status={"phase": phase})
    assert {name: str(amount) for name, amount in pods.usage(one, EVERYTHING, NOW).items()} == {"count/pods": "1"}


def test_a_pod_stuck_in_its_deletion_is_forgiven_after_twice_its_grace() -> None:
    one = pod(container(requests={"cpu": "1"}))
    assert not pods.is_over(one, NOW)
    one.metadata.deletionTimestamp = timestamp.format(NOW)
    assert not pods.is_over(one, NOW + timedelta(days=1))
    one.metadata.deletionGracePeriodSeconds = 30
    assert not pods.is_over(one, NOW + timedelta(seconds=30))
    assert pods.is_over(one, NOW + timedelta(seconds=31))


AMOUNTS = st.integers(0, 10**6)
POLICIES = st.sampled_from([None, "Always"])


@given(st.lists(AMOUNTS), st.lists(st.tuples(AMOUNTS, POLICIES)), AMOUNTS)
def test_the_total_is_the_highest_moment_of_the_pods_life(
    main: list[int], init: list[tuple[int, str | None]], overhead: int
) -> None:
    containers = [container(str(at), {"cpu": f"{milli}m"}) for at, milli in enumerate(main)]
    before = [container(f"i{at}", {"cpu": f"{m}m"}, policy=policy) for at, (m, policy) in enumerate(init)]
    one = pod(*containers, initContainers=before, overhead={"cpu": f"{overhead}m"})
    running, moments = 0, [0]
    for milli, policy in init:
        moments.append(running + milli)
        running += milli if policy == "Always" else 0
    moments.append(running + sum(main))
    assert quantity.milli(requests(one)) == max(moments) + overhead


# Scopes


def matches(one: Pod, scope: str, operator: str = "Exists", *values: str) -> bool:
    return scopes.pod(ScopeRequirement(scope, operator, values), one)


def test_terminating_is_having_a_deadline() -> None:
    for deadline, expected in (None, False), (0, True), (9, True):
        one = pod(activeDeadlineSeconds=deadline)
        assert (matches(one, "Terminating"), matches(one, "NotTerminating")) == (expected, not expected)


@pytest.mark.parametrize(
    ("one", "best"),
    [
        (pod(container()), True),
        (pod(container(requests={"cpu": "0", "ephemeral-storage": "1Gi"})), True),
        (pod(container(requests={"cpu": "1m"})), False),
        (pod(container(limits={"memory": "1"})), False),
        (pod(container(), initContainers=[container(requests={"memory": "1"})]), False),
        (pod(container(requests={"cpu": "1"}), resources={"requests": {"hugepages-2Mi": "2Mi"}}), True),
        (pod(container(), resources={"limits": {"cpu": "1"}}), False),
        (pod(container(requests={"cpu": "1"}), status={"qosClass": "BestEffort"}), True),
        (pod(container(), status={"qosClass": "Burstable"}), False),
    ],
)
def test_best_effort(one: Pod, best: bool) -> None:
    assert (matches(one, "BestEffort"), matches(one, "NotBestEffort")) == (best, not best)


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("Exists", [], (True, True, False)),
        ("DoesNotExist", [], (False, False, True)),
        ("In", ["gold"], (True, False, False)),
        ("NotIn", ["gold"], (False, True, True)),
        ("In", ["gold", "tin"], (True, True, False)),
        ("Like", ["gold"], (False, False, False)),
    ],
)
def test_priority_classes(operator: str, values: list[str], expected: tuple[bool, ...]) -> None:
    found = (pod(priorityClassName=name) for name in ("gold", "tin", ""))
    assert tuple(matches(one, "PriorityClass", operator, *values) for one in found) == expected


@pytest.mark.parametrize(
    ("term", "expected"), [({}, False), ({"namespaces": ["a"]}, True), ({"namespaceSelector": {}}, True)]
)
@pytest.mark.parametrize("side", ["podAffinity", "podAntiAffinity"])
def test_affinity_across_namespaces(term: Json, expected: bool, side: str) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", **term}]}
    weighted = [{"weight": 1, "podAffinityTerm": {"topologyKey": "zone", **term}}]
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": weighted}
    for terms in required, preferred:
        assert matches(pod(affinity={side: terms}), "CrossNamespacePodAffinity") is expected
    assert not matches(pod(), "CrossNamespacePodAffinity")


def test_a_scope_of_other_kinds_lets_no_pod_through() -> None:
    assert not matches(pod(), "VolumeAttributesClass")


# Names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pods", "pods"),
        ("count/pods", "pods"),
        ("count/deployments.apps", "deployments.apps"),
        ("secrets", "secrets"),
        ("resourcequotas", "resourcequotas"),
        ("services.nodeports", "services"),
        ("requests.cpu", "pods"),
        ("limits.ephemeral-storage", "pods"),
        ("hugepages-2Mi", "pods"),
        ("requests.hugepages-1Gi", "pods"),
        ("limits.hugepages-1Gi", ""),
        ("requests.example.com/gpu", "pods"),
        ("limits.example.com/gpu", ""),
        ("example.com/gpu", ""),
        ("requests.kubernetes.io/odd", ""),
        ("requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/other", ""),
        ("gpu.deviceclass.resource.k8s.io/devices", "resourceclaims.resource.k8s.io"),
        ("deployments", ""),
    ],
)
def test_what_a_name_counts(name: str, kind: str) -> None:
    assert counted_by(name) == kind
