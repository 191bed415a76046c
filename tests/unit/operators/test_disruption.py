"""What a budget allows: counts, controllers and their scales, evictions that are late, Pods nobody disrupted."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, events, make, make_pod, of, only, owned_by, run, view_of, writes
from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, ReplicaSet
from understudy.kinds.autoscaling import Scale, ScaleSpec
from understudy.kinds.core import PODS, REPLICATION_CONTROLLERS, Pod
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Condition, Key, Obj, ObjectMeta
from understudy.kinds.policy import POD_DISRUPTION_BUDGETS, PodDisruptionBudget
from understudy.loop.controller import REGISTRY
from understudy.operators import disruption
from understudy.operators.disruption import selection
from understudy.plan.steps import Get, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import timestamp

WIDGETS: Kind[Obj] = Kind("example.com/v1", "widgets", "Widget", Obj, metadata_only=True)
CONTROLLER = REGISTRY["disruption-controller"]


def budget(name: str = "pdb", status: Mapping[str, Any] | None = None, **spec: Any) -> PodDisruptionBudget:
    wanted = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    return make(POD_DISRUPTION_BUDGETS, name, spec=wanted, status=status or {}, generation=3)


def replica_set(replicas: int = 3, name: str = "web", **more: Any) -> ReplicaSet:
    return make(REPLICA_SETS, name, spec={"replicas": replicas}, **more)


def pods(count: int, owner: Mapping[str, Any] | None = None, *, ready: bool = True) -> list[Pod]:
    return [make_pod(f"web-{number}", ready=ready, owner=owner) for number in range(count)]


def world(pdb: PodDisruptionBudget, held: Iterable[Pod], *workloads: Obj) -> View:
    kinds: list[Kind[Any]] = [REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS, REPLICATION_CONTROLLERS]
    sorted_ = {kind: [each for each in workloads if type(each) is kind.type] for kind in kinds}
    view = view_of({POD_DISRUPTION_BUDGETS: [pdb], PODS: held, **sorted_})
    view.resources = [Resource(WIDGETS, frozenset())]
    return view


def decide(pdb: PodDisruptionBudget, view: View, answer: Any = None, after: float = 0) -> list[Step]:
    return run(disruption.decide(pdb, view, NOW + timedelta(seconds=after)), view, answer)


def held(view: View, name: str = "pdb") -> PodDisruptionBudget:
    found = view.get(POD_DISRUPTION_BUDGETS, "default", name)
    assert found is not None
    return found


def counts(pdb: PodDisruptionBudget) -> tuple[int, int, int, int]:
    """Allowed, healthy, needed, expected."""
    status = pdb.status
    return status.disruptionsAllowed, status.currentHealthy, status.desiredHealthy, status.expectedPods


def allowed(pdb: PodDisruptionBudget) -> tuple[str, str, str]:
    (condition,) = pdb.status.conditions or []
    return condition.status, condition.reason, condition.message


# Counts


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (1, 3, 2, 3)),
        ({"minAvailable": 3}, (0, 3, 3, 3)),
        ({"minAvailable": 9}, (0, 3, 9, 3)),
        ({"minAvailable": "50%"}, (0, 3, 3, 5)),
        ({"minAvailable": "30%"}, (1, 3, 2, 5)),
        ({"maxUnavailable": 0}, (0, 3, 5, 5)),
        ({"maxUnavailable": 3}, (1, 3, 2, 5)),
        ({"maxUnavailable": "50%"}, (1, 3, 2, 5)),
        ({"maxUnavailable": 100}, (3, 3, 0, 5)),
        ({}, (0, 3, 0, 0)),
    ],
)
def test_what_may_go(spec: dict[str, Any], expected: tuple[int, int, int, int]) -> None:
    owner = replica_set(5)
    pdb = budget(**spec)
    view = world(pdb, pods(3, owned_by(owner, REPLICA_SETS)), owner)
    decide(pdb, view)
    assert counts(held(view)) == expected
    assert held(view).status.observedGeneration == 3
    word = ("True", "SufficientPods", "") if expected[0] else ("False", "InsufficientPods", "")
    assert allowed(held(view)) == word
    assert not writes(decide(held(view), view))


def test_unready_and_leaving_pods_do_not_count_as_healthy() -> None:
    pdb = budget(minAvailable=1)
    view = world(pdb, [make_pod("a", ready=True), make_pod("b"), make_pod("c", ready=True, deleting=True)])
    decide(pdb, view)
    assert counts(held(view)) == (0, 1, 1, 3)


def test_without_pods_nothing_is_allowed_and_that_is_told() -> None:
    pdb = budget(maxUnavailable=1)
    view = world(pdb, [])
    assert events(decide(pdb, view)) == [("Normal", "NoPods", "No matching pods found")]
    assert counts(held(view)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (None, []),
        ({}, ["web-0", "web-1", "other"]),
        ({"matchLabels": {"app": "web"}}, ["web-0", "web-1"]),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, ["other"]),
    ],
)
def test_whom_a_budget_selects(selector: Any, names: list[str]) -> None:
    pdb = budget(selector=selector)
    view = world(pdb, [*pods(2), make_pod("other", labels={"app": "db"}), make_pod("far", namespace="n")])
    assert [pod.name for pod in selection.pods_of(pdb, view)] == names
    found = [pod.name for pod in view.all(PODS) if pdb in list(selection.budgets_of(pod, view))]
    assert found == names


@given(
    ready=st.lists(st.booleans(), max_size=8),
    least=st.one_of(st.integers(0, 10), st.integers(0, 100).map(lambda number: f"{number}%")),
    replicas=st.integers(0, 10),
    most=st.booleans(),
)
def test_evicting_what_is_allowed_keeps_what_is_needed(
    ready: list[bool], least: int | str, replicas: int, most: bool
) -> None:
    owner = replica_set(replicas)
    found = [
        make_pod(f"p{number}", ready=each, owner=owned_by(owner, REPLICA_SETS)) for number, each in enumerate(ready)
    ]
    pdb = budget(maxUnavailable=least) if most else budget(minAvailable=least)
    view = world(pdb, found, owner)
    decide(pdb, view)
    may_go, healthy, needed, expected = counts(held(view))
    assert healthy == sum(ready)
    assert 0 <= may_go <= healthy
    if may_go:
        assert expected > 0
        assert healthy - may_go == needed
    assert not writes(decide(held(view), view))


# Controllers


def test_a_deployment_stands_for_its_replica_sets() -> None:
    deployment = make(DEPLOYMENTS, "web", spec={"replicas": 4})
    sets = [replica_set(9, name, owner=owned_by(deployment, DEPLOYMENTS)) for name in ("old", "new")]
    found = [make_pod(each.name, ready=True, owner=owned_by(each, REPLICA_SETS)) for each in sets]
    pdb = budget(maxUnavailable=3)
    view = world(pdb, found, deployment, *sets)
    decide(pdb, view)
    assert counts(held(view)) == (1, 2, 1, 4)


def test_several_controllers_are_added_up() -> None:
    stateful = make(STATEFUL_SETS, "db", spec={"replicas": 2})
    rc = make(REPLICATION_CONTROLLERS, "rc", spec={"replicas": 3})
    found = [
        make_pod("a", ready=True, owner=owned_by(stateful, STATEFUL_SETS)),
        make_pod("b", ready=True, owner=owned_by(rc, REPLICATION_CONTROLLERS)),
    ]
    pdb = budget(maxUnavailable="80%")
    view = world(pdb, found, stateful, rc)
    decide(pdb, view)
    assert counts(held(view)) == (1, 2, 1, 5)


def test_pods_without_a_controller_are_told_of() -> None:
    expressions = [{"key": "app", "operator": "In", "values": ["web", "db"]}]
    pdb = budget(maxUnavailable=1, selector={"matchLabels": {"app": "web"}, "matchExpressions": expressions})
    view = world(pdb, pods(2))
    ((kind, reason, message),) = events(decide(pdb, view))
    assert (kind, reason) == ("Warning", "UnmanagedPods")
    assert message == (
        "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:app,Operator:In,Values:[web db],},},}"
        ") were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may "
        'result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to '
        "an integer value."
    )
    assert counts(held(view)) == (0, 2, 0, 0)
    counted = budget(minAvailable=1)
    assert not events(decide(counted, world(counted, pods(2))))


def test_a_custom_resource_is_asked_for_its_scale() -> None:
    owner = make(WIDGETS, "w")
    pdb = budget(maxUnavailable=1)
    view = world(pdb, pods(3, owned_by(owner, WIDGETS)))

    def answer(step: Step) -> Any:
        if isinstance(step, Get):
            assert step.kind.path(step.namespace, step.name) == (
                "/apis/example.com/v1/namespaces/default/widgets/w/scale"
            )
            return Scale(ObjectMeta("w", uid="uid-w"), ScaleSpec(3))
        return None

    steps = decide(pdb, view, answer)
    assert len(of(steps, Get)) == 1
    assert counts(held(view)) == (1, 3, 2, 3)


def _failing(pdb: PodDisruptionBudget, listed: list[str], api: str = "example.com/v1") -> tuple[View, list[Step]]:
    reference = {**owned_by(make(WIDGETS, "w"), WIDGETS), "apiVersion": api}
    view = world(pdb, pods(1, reference))

    def answer(step: Step) -> Any:
        if isinstance(step, Get) and not (step.raw and listed):
            raise NotFound(404, "NotFound", "")
        return {"resources": [{"name": name, "kind": "Widget"} for name in listed]} if isinstance(step, Get) else None

    return view, decide(pdb, view, answer)


@pytest.mark.parametrize(
    ("listed", "api", "why"),
    [
        (["widgets", "widgets/scale"], "example.com/v1", 'found no controllers for pod "web-0"'),
        (["widgets"], "example.com/v1", "widgets.example.com does not implement the scale subresource"),
        ([], "other.com/v1", 'no matches for kind "Widget" in version "other.com/v1"'),
    ],
)
def test_pods_that_cannot_be_counted_stay(listed: list[str], api: str, why: str) -> None:
    pdb = budget(maxUnavailable=1, status={"disruptionsAllowed": 2, "observedGeneration": 2})
    view, steps = _failing(pdb, listed, api)
    told = f"Failed to calculate the number of expected pods: {why}"
    assert events(steps) == [("Warning", "CalculateExpectedPodCountFailed", told)]
    assert held(view).status.disruptionsAllowed == 0
    assert held(view).status.observedGeneration == 2
    assert allowed(held(view)) == ("False", "SyncFailed", why)


def test_a_kind_that_is_served_since_a_moment_ago_is_found() -> None:
    pdb = budget(maxUnavailable=1)
    view = world(pdb, pods(3, owned_by(make(WIDGETS, "w"), WIDGETS)))
    view.resources = []
    paths = []

    def answer(step: Step) -> Any:
        if not isinstance(step, Get):
            return None
        paths.append(step.kind.path(step.namespace, step.name))
        listed = [{"name": "widgets/scale", "kind": "Widget"}, {"name": "widgets", "kind": "Widget"}]
        return {"resources": listed} if step.raw else Scale(ObjectMeta("w", uid="uid-w"), ScaleSpec(3))

    decide(pdb, view, answer)
    assert paths == ["/apis/example.com/v1", "/apis/example.com/v1/namespaces/default/widgets/w/scale"]
    assert counts(held(view)) == (1, 3, 2, 3)


def test_a_failure_is_written_once() -> None:
    pdb = budget(maxUnavailable=1)
    view, _ = _failing(pdb, ["widgets"])
    second = held(view)
    _, steps = _failing(second, ["widgets"])
    assert not writes(steps)


def test_a_server_that_fails_closes_the_budget_and_is_asked_again() -> None:
    pdb = budget(maxUnavailable=1, status={"disruptionsAllowed": 1})
    view = world(pdb, pods(1, owned_by(make(WIDGETS, "w"), WIDGETS)))

    def answer(step: Step) -> Any:
        if isinstance(step, Get):
            raise ApiError(500, "InternalError", "etcd")
        return None

    with pytest.raises(ApiError, match="etcd"):
        decide(pdb, view, answer)
    assert counts(held(view))[0] == 0


def test_a_conflict_closes_nothing() -> None:
    pdb = budget(minAvailable=1)
    view = world(pdb, pods(2))
    sent = []

    def answer(step: Step) -> Any:
        sent.append(step)
        raise Conflict(409, "Conflict", "newer")

    with pytest.raises(Conflict):
        decide(pdb, view, answer)
    assert len(sent) == 1


def test_conditions_of_others_stay_and_ours_keeps_its_time() -> None:
    since = "2026-01-01T00:00:00Z"
    ours: dict[str, Any] = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "x"}
    theirs = {"type": "Other", "status": "True", "reason": "Mine", "message": "", "lastTransitionTime": since}
    pdb = budget(minAvailable=2, status={"conditions": [{**ours, "lastTransitionTime": since}, theirs]})
    view = world(pdb, pods(2))
    patch = only(decide(pdb, view), Patch)
    ours |= {"reason": "InsufficientPods", "message": "", "lastTransitionTime": since, "observedGeneration": 3}
    assert patch.body["status"]["conditions"] == [ours, theirs]


# Evictions


def noted(**ago: float) -> dict[str, Any]:
    times = {name.replace("_", "-"): timestamp.format(NOW - timedelta(seconds=each)) for name, each in ago.items()}
    return {"disruptedPods": times}


def test_evicted_pods_count_as_gone_until_they_are_late() -> None:
    pdb = budget(minAvailable=1, status=noted(web_0=30, web_1=119, gone=5))
    view = world(pdb, pods(4))
    steps = decide(pdb, view)
    assert counts(held(view)) == (1, 2, 1, 4)
    assert set(held(view).status.disruptedPods or {}) == {"web-0", "web-1"}
    assert only(steps, Requeue).after == 1

    steps = decide(held(view), view, after=1)
    message = "Pod was expected by PDB default/default to be deleted but it wasn't"
    assert events(steps) == [("Warning", "NotDeleted", message)]
    assert counts(held(view)) == (2, 3, 1, 4)
    assert only(steps, Requeue).after == 89


def test_an_evicted_pod_seen_to_be_deleted_is_no_longer_noted() -> None:
    pdb = budget(minAvailable=1, status=noted(a=5))
    view = world(pdb, [make_pod("a", ready=True, deleting=True), make_pod("b", ready=True)])
    decide(pdb, view)
    assert not held(view).status.disruptedPods
    assert counts(held(view)) == (0, 1, 1, 2)


# Single Pods


def condemned(ago: float, name: str = "web-0", **fields: Any) -> Pod:
    pod = make_pod(name, ready=True, **fields)
    since = timestamp.format(NOW - timedelta(seconds=ago))
    pod.status.conditions.append(
        Condition("DisruptionTarget", "True", since, reason="PreemptionByScheduler", message="by x")
    )
    return pod


def look(view: View, name: str) -> list[Step]:
    return run(disruption.gone(Key("default", name), view, NOW), view)


def test_a_stale_disruption_target_is_taken_back() -> None:
    view = world(budget(), [condemned(120), condemned(50, "young"), condemned(500, "leaving", deleting=True)])
    body = only(look(view, "web-0"), Patch).body
    (condition,) = body["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("DisruptionTarget", "False", "")
    assert not look(view, "web-0")
    assert only(look(view, "young"), Requeue).after == 70
    assert not look(view, "leaving")
    assert not look(view, "nobody")


def test_the_kubelets_own_and_finished_pods_are_left_alone() -> None:
    ours = condemned(500, "kubelet")
    ours.status.conditions[-1].reason = "TerminationByKubelet"
    view = world(budget(), [ours, condemned(500, "done", phase="Failed")])
    assert not look(view, "kubelet")
    assert not look(view, "done")


def test_a_pod_named_like_a_budget_is_looked_after_too() -> None:
    pdb = budget(minAvailable=1)
    view = world(pdb, [condemned(500, "pdb")])
    assert {patch.kind for patch in of(decide(pdb, view), Patch)} == {PODS, POD_DISRUPTION_BUDGETS}


def test_two_budgets_of_a_pod_are_told() -> None:
    view = world(budget("a"), pods(1))
    view.store(POD_DISRUPTION_BUDGETS).listed(budget("b"))
    message = 'Pod "default"/"web-0" matches multiple PodDisruptionBudgets.  Chose "a" arbitrarily.'
    assert events(look(view, "web-0")) == [("Warning", "MultiplePodDisruptionBudgets", message)]


def test_whom_a_pod_wakes() -> None:
    view = world(budget("a"), [])
    (on,) = CONTROLLER.watches
    (pod,) = pods(1)
    assert list(on.keys(pod, view)) == [Key("default", "a")]
    assert list(on.keys(condemned(0), view)) == [Key("default", "a"), Key("default", "web-0")]
    assert list(on.keys(make_pod("x", labels={}), view)) == []
    assert on.when is not None
    assert not on.when(pod, pods(1)[0])
    assert on.when(pod, make_pod("web-0", ready=False))
    assert on.when(pod, condemned(0))
    assert on.when(pod, None)
