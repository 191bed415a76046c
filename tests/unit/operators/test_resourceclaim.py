"""Claims made for Pods, reserved for them, freed when they end, and what is told."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, of, only, owned_by, run, view_of, writes
from understudy.errors import ApiError, Forbidden, NotFound
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key
from understudy.kinds.resource import RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS, ResourceClaim, ResourceClaimTemplate
from understudy.loop.controller import REGISTRY
from understudy.operators import resourceclaim
from understudy.operators.resourceclaim.pods import prefix
from understudy.plan.steps import Create, Delete, Get, Patch, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["resourceclaim-controller"]
FINALIZER = "resource.kubernetes.io/delete-protection"
FROM_TEMPLATE = {"name": "gpu", "resourceClaimTemplateName": "t"}
DEVICES = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}}


def user(
    name: str = "p", *, node: str = "", told: str = "", phase: str = "Pending", claims: Any = None, **metadata: Any
) -> Pod:
    spec = {"nodeName": node, "resourceClaims": [FROM_TEMPLATE] if claims is None else claims}
    statuses = [{"name": "gpu", "resourceClaimName": told}] if told else []
    return make(PODS, name, spec=spec, status={"phase": phase, "resourceClaimStatuses": statuses}, **metadata)


def claim(
    name: str = "c",
    *,
    of: Pod | None = None,
    users: Sequence[Pod] = (),
    allocated: bool = False,
    others: Sequence[dict[str, str]] = (),
    **metadata: Any,
) -> ResourceClaim:
    if of is not None:
        metadata |= {"owner": owned_by(of, PODS), "annotations": {"resource.kubernetes.io/pod-claim-name": "gpu"}}
    reserved = [{"resource": "pods", "name": each.name, "uid": each.uid} for each in users]
    status: dict[str, Any] = {"reservedFor": [*reserved, *others]}
    status |= {"allocation": {"devices": {}}} if allocated else {}
    return make(RESOURCE_CLAIMS, name, spec=DEVICES, status=status, **metadata)


def template(**metadata: Any) -> ResourceClaimTemplate:
    return make(RESOURCE_CLAIM_TEMPLATES, "t", spec={"metadata": metadata, "spec": DEVICES})


def world(*objects: Any) -> View:
    kinds = (PODS, RESOURCE_CLAIMS, RESOURCE_CLAIM_TEMPLATES)
    return view_of({kind: [each for each in objects if type(each) is kind.type] for kind in kinds})


def decide(view: View, name: str, answer: Any = None) -> list[Step]:
    found = view.get(RESOURCE_CLAIMS, "default", name)
    if found is None:
        return run(resourceclaim.gone(Key("default", name), view, NOW), view, answer)
    return run(resourceclaim.decide(found, view, NOW), view, answer)


def the_claim(view: View, name: str = "c") -> ResourceClaim:
    found = view.get(RESOURCE_CLAIMS, "default", name)
    assert found is not None
    return found


# Made for Pods


def test_a_claim_is_made_from_the_template_and_told_in_the_status() -> None:
    view = world(user(), template(labels={"a": "b"}, annotations={"x": "y"}))
    steps = decide(view, "p")
    body = only(steps, Create).body
    assert body["spec"] == DEVICES
    assert body["metadata"] == {
        "generateName": "p-gpu-",
        "labels": {"a": "b"},
        "annotations": {"x": "y", "resource.kubernetes.io/pod-claim-name": "gpu"},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": "p",
                "uid": "uid-p",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    (made,) = view.all(RESOURCE_CLAIMS)
    patch = only(steps, Patch)
    assert patch.subresource == "status"
    assert patch.body == {"status": {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": made.name}]}}
    assert not decide(view, "p")
    assert not decide(view, made.name)


def test_what_a_process_that_died_has_made_is_found() -> None:
    pod = user()
    view = world(pod, claim(of=pod), template())
    steps = decide(view, "p")
    assert not of(steps, Create)
    assert only(steps, Patch).body["status"]["resourceClaimStatuses"][0]["resourceClaimName"] == "c"


def test_a_claim_that_was_lost_or_is_not_the_pods_is_made_anew() -> None:
    for objects in ([], [claim()], [claim(of=user("other"))]):
        view = world(user(told="c"), template(), *objects)
        steps = decide(view, "p")
        assert of(steps, Create)
        assert len(only(steps, Patch).body["status"]["resourceClaimStatuses"]) == 1


def test_who_needs_none() -> None:
    pod = user(told="c")
    told_none = make(
        PODS, "p", spec={"resourceClaims": [FROM_TEMPLATE]}, status={"resourceClaimStatuses": [{"name": "gpu"}]}
    )
    for objects in (
        [pod, claim(of=pod)],
        [told_none],
        [user(deleting=True)],
        [user(phase="Succeeded", told="gone")],
        [user(claims=[])],
        [user(claims=[{"name": "gpu", "resourceClaimName": "mine"}])],
    ):
        assert not decide(world(template(), *objects), "p")


def test_a_template_that_is_missing_is_told_and_waited_for() -> None:
    told: list[Step] = []
    with pytest.raises(NotFound):
        decide(world(user()), "p", answer=told.append)
    message = 'PodResourceClaim gpu: resource claim template "t": resourceclaimtemplate.resource.k8s.io "t" not found'
    assert events(told) == [("Warning", "FailedResourceClaimCreation", message)]


def test_a_claim_that_is_refused_is_told() -> None:
    told: list[Step] = []

    def refuse(step: Step) -> None:
        told.append(step)
        if isinstance(step, Create):
            raise Forbidden(403, "Forbidden", "quota")

    with pytest.raises(ApiError):
        decide(world(user(), template()), "p", answer=refuse)
    message = "PodResourceClaim gpu: create ResourceClaim : quota"
    assert events(told) == [("Warning", "FailedResourceClaimCreation", message)]


def test_names_are_cut_in_proportion() -> None:
    assert prefix("web", "gpu") == "web-gpu-"
    assert prefix("p" * 49, "gpu-12") == "p" * 49 + "-gpu-12-"
    assert prefix("p" * 60, "c" * 20) == "p" * 41 + "-" + "c" * 13


# Reserved


def test_a_pod_that_was_placed_by_hand_gets_its_reservation() -> None:
    pod, other = user(node="n1", told="c"), user("q")
    view = world(pod, claim(of=pod, allocated=True, users=[other]), other)
    patch = only(decide(view, "p"), Patch)
    assert patch.body["status"]["reservedFor"] == [
        {"resource": "pods", "name": "q", "uid": "uid-q"},
        {"resource": "pods", "name": "p", "uid": "uid-p"},
    ]
    assert not decide(view, "p")
    assert not writes(decide(world(user(told="c"), claim(of=user(), allocated=True)), "p"))  # the scheduler's
    assert not writes(decide(world(pod, claim(of=pod)), "p"))  # nothing is allocated


# Freed


def test_a_pod_that_has_ended_frees_its_claim_and_the_devices() -> None:
    ended = user(phase="Succeeded", node="n1", told="c")
    view = world(ended, claim(users=[ended], allocated=True, finalizers=[FINALIZER]))
    decide(view, "c")
    freed = the_claim(view)
    assert (freed.status.reservedFor, freed.status.allocation, freed.metadata.finalizers) == ((), None, [])
    assert not decide(view, "c")


def test_devices_stay_while_another_pod_uses_them() -> None:
    ended, runs = user(phase="Failed"), user("q", node="n1", phase="Running", told="c")
    view = world(ended, runs, claim(users=[ended, runs], allocated=True, finalizers=[FINALIZER]))
    decide(view, "c")
    left = the_claim(view)
    assert [each.name for each in left.status.reservedFor] == ["q"]
    assert left.status.allocation is not None
    assert left.metadata.finalizers == [FINALIZER]


def test_devices_that_nobody_of_ours_allocated_are_not_given_back() -> None:
    ended = user(phase="Failed")
    view = world(ended, claim(users=[ended], allocated=True))
    decide(view, "c")
    assert the_claim(view).status.allocation is not None


def test_a_pod_that_is_not_known_is_asked_for() -> None:
    ghost = user("ghost")
    view = world(claim(users=[ghost]))
    steps = decide(view, "c")
    assert of(steps, Get)
    assert the_claim(view).status.reservedFor == ()
    view = world(claim(users=[ghost]))
    assert not writes(decide(view, "c", answer=lambda step: ghost if isinstance(step, Get) else None))
    late = world(user("ghost", uid="old"), claim(users=[ghost]))
    assert not writes(decide(late, "c", answer=lambda step: ghost if isinstance(step, Get) else None))


def test_what_is_no_pods_is_left_alone() -> None:
    other = {"resource": "things", "name": "x", "uid": "u", "apiGroup": "example.com"}
    assert not decide(world(claim(others=[other], deleting=True, finalizers=[FINALIZER])), "c")


def test_a_deleted_claim_is_let_go_once_it_is_unused() -> None:
    view = world(claim(allocated=True, deleting=True, finalizers=[FINALIZER]))
    assert len(of(decide(view, "c"), Patch)) == 2
    assert view.get(RESOURCE_CLAIMS, "default", "c") is None
    runs = user(node="n1", phase="Running")
    assert not decide(world(runs, claim(users=[runs], deleting=True, finalizers=[FINALIZER])), "c")


def test_a_made_claim_goes_with_the_pod_that_will_not_run() -> None:
    ended, waits, replaced = user(phase="Succeeded"), user(told="c"), user(uid="old")
    assert of(decide(world(ended, claim(of=ended)), "c"), Delete)
    assert of(decide(world(waits, claim(of=replaced)), "c"), Delete)
    assert not of(decide(world(waits, claim(of=waits)), "c"), Delete)
    assert not of(decide(world(claim(of=ended)), "c"), Delete)  # the garbage collector's
    assert not of(decide(world(ended, claim()), "c"), Delete)
    assert not of(decide(world(user(deleting=True, node="n1"), claim(of=user())), "c"), Delete)
    assert of(decide(world(user(deleting=True), claim(of=user())), "c"), Delete)


# Waking


def woken(view: View, kind: Any, new: Any, old: Any = None) -> set[str]:
    found: set[str] = set()
    for on in CONTROLLER.watches:
        if on.kind is kind and (on.when is None or on.when(new, old)):
            found |= {str(key) for state in (new, old) if state is not None for key in on.keys(state, view)}
    return found


def test_who_is_woken() -> None:
    pod = user(told="c")
    view = world(pod, claim(of=pod), claim("made", of=pod), template())
    assert woken(view, PODS, pod) == {"default/p", "default/c", "default/made"}
    assert woken(view, PODS, pod, pod) == set()
    assert woken(view, PODS, None, pod) == {"default/p", "default/c", "default/made"}
    assert woken(view, PODS, user(claims=[])) == set()
    assert woken(view, RESOURCE_CLAIMS, None, claim()) == {"default/p"}
    assert woken(view, RESOURCE_CLAIM_TEMPLATES, template()) == {"default/p"}
    assert woken(view, RESOURCE_CLAIM_TEMPLATES, template(), template()) == set()
