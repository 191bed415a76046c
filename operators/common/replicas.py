"""Keeps so many Pods of one template alive: the engine of ReplicaSet and ReplicationController.

Both controllers hand their object to `keep`. It answers to `pkg/controller/replicaset/replica_set.go` and
`replica_set_utils.go`, which serve both kinds upstream, too.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from understudy.errors import Forbidden, PartlyDone
from understudy.kinds.apps import ReplicaSet
from understudy.kinds.core import PODS, Pod, ReplicationController
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, controller_of
from understudy.operators.common.adoption import claim
from understudy.operators.common.conditions import with_, without
from understudy.operators.common.pods import (
    is_active,
    is_available,
    is_ready,
    pod_from_template,
    until_available,
)
from understudy.operators.common.ranking import deletion_order
from understudy.plan.steps import Create, Decision, Delete, Event, Patch, Requeue, Step, Together
from understudy.state.store import BY_CONTROLLER
from understudy.state.view import View
from understudy.values import conditions, timestamp
from understudy.values.selector import Selector

BURST = 500
"""Pods created or deleted by one decision at most."""
FAILURE = "ReplicaFailure"

Owner = ReplicaSet | ReplicationController


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the number of Pods could not be reached: what the condition says, and what to raise in the end."""

    reason: str
    message: str
    error: PartlyDone


def keep(owner: Owner, kind: Kind[Any], selector: Selector, view: View, now: datetime) -> Decision:
    """Claim the Pods, create or delete what differs from `spec.replicas`, report; raises what the writes met."""
    candidates = chain(view.controlled(PODS, owner), view.orphans(PODS, owner.namespace))
    pods = yield from claim(owner, kind, selector, PODS, view, filter(is_active, candidates))
    failure: Failure | None = None
    if len(pods) != owner.spec.replicas and not owner.deleting:
        failure = yield from _scale(owner, kind, pods, view, now)
        pods = _mine(owner, selector, view)
    counts = _counts(owner, pods, now)
    yield from _report(owner, kind, counts, failure, now)
    if failure is not None:
        raise failure.error
    if counts["readyReplicas"] != counts["availableReplicas"]:
        wait = until_available(pods, owner.spec.minReadySeconds, now)
        yield Requeue(owner.spec.minReadySeconds if wait is None else wait, why="the next pod becomes available")


# Number


def _scale(
    owner: Owner, kind: Kind[Any], pods: Sequence[Pod], view: View, now: datetime
) -> Generator[Step, Any, Failure | None]:
    if len(pods) < owner.spec.replicas:
        return (yield from _create(owner, kind, len(pods)))
    surplus = min(len(pods) - owner.spec.replicas, BURST)
    ranked = pods if surplus == len(pods) else deletion_order(pods, _related(owner, kind, view), now)
    return (yield from _delete(owner, kind, ranked[:surplus], view))


def _create(owner: Owner, kind: Kind[Any], have: int) -> Generator[Step, Any, Failure | None]:
    want, body = owner.spec.replicas, pod_from_template(owner.spec.template, owner, kind)
    numbers = range(have + 1, min(want, have + BURST) + 1)
    creates = [Create(PODS, owner.namespace, body, why=f"{number} of {want}") for number in numbers]
    error: PartlyDone | None = None
    try:
        created: Sequence[Pod] = yield Together(creates, slow_start=True)
    except PartlyDone as partly:
        created, error = partly.done, partly
    for pod in created:
        yield Event(kind, owner, "SuccessfulCreate", f"Created pod: {pod.name}")
    if error is None or (isinstance(error.cause, Forbidden) and error.cause.namespace_terminating):
        return None  # in a namespace that is going away nothing can be created, and nothing needs to be
    yield Event(kind, owner, "FailedCreate", f"Error creating: {error.cause}", type="Warning")
    return Failure("FailedCreate", str(error.cause), error)


def _delete(owner: Owner, kind: Kind[Any], victims: Sequence[Pod], view: View) -> Generator[Step, Any, Failure | None]:
    why = f"more than {owner.spec.replicas}"
    error: PartlyDone | None = None
    try:
        yield Together([Delete(PODS, pod, why=why) for pod in victims])
    except PartlyDone as partly:
        error = partly
    for pod in victims:
        if error is None or not _is_alive(pod, view):
            yield Event(kind, owner, "SuccessfulDelete", f"Deleted pod: {pod.name}")
    if error is None:
        return None
    yield Event(kind, owner, "FailedDelete", f"Error deleting: {error.cause}", type="Warning")
    return Failure("FailedDelete", f"unable to delete pods: {error.cause}", error)


def _is_alive(pod: Pod, view: View) -> bool:
    now = view.get(PODS, pod.namespace, pod.name)
    return now is not None and now.uid == pod.uid and is_active(now)


def _mine(owner: Owner, selector: Selector, view: View) -> list[Pod]:
    """The Pods that count, own writes included."""
    pods = view.controlled(PODS, owner)
    return [pod for pod in pods if is_active(pod) and selector.matches(pod.metadata.labels)]


def _related(owner: Owner, kind: Kind[Any], view: View) -> Iterator[Pod]:
    """The Pods of all objects with the same controller: of every revision of a Deployment."""
    reference = controller_of(owner)
    if reference is not None:
        for sibling in view.by(kind, BY_CONTROLLER, reference.uid):
            yield from view.controlled(PODS, sibling)


# Status


def _counts(owner: Owner, pods: Sequence[Pod], now: datetime) -> dict[str, int]:
    metadata = owner.spec.template.get("metadata") or {}
    labels = (metadata.get("labels") or {}).items()
    ready = [pod for pod in pods if is_ready(pod)]
    min_ready = owner.spec.minReadySeconds
    return {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(labels <= pod.metadata.labels.items() for pod in pods),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in ready) if min_ready else len(ready),
    }


def _report(
    owner: Owner, kind: Kind[Any], counts: dict[str, int], failure: Failure | None, now: datetime
) -> Generator[Step, Any, None]:
    status: dict[str, Any] = {**counts, "observedGeneration": owner.metadata.generation}
    changed = _changed_conditions(owner.status.conditions, failure, now)
    if changed is None and all(getattr(owner.status, name) == value for name, value in status.items()):
        return
    # The counts are ours alone and true whatever changes meanwhile; the list of conditions is shared with others.
    if changed is None:
        yield Patch(kind, owner, {"status": status}, why=_in_words(counts), subresource="status", guard="uid")
    else:
        status["conditions"] = changed
        yield Patch(kind, owner, {"status": status}, why=_in_words(counts), subresource="status")


def _changed_conditions(
    held: Sequence[Condition], failure: Failure | None, now: datetime
) -> list[dict[str, Any]] | None:
    """The list with the failure put in or taken out; None if it stays as it is. A failure told is not told anew."""
    told = conditions.find(held, FAILURE) is not None
    if told == (failure is not None):
        return None
    if failure is None:
        return without(held, FAILURE)
    new = {
        "type": FAILURE,
        "status": "True",
        "lastTransitionTime": timestamp.format(now),
        "reason": failure.reason,
        "message": failure.message,
    }
    return with_(held, new)


def _in_words(counts: dict[str, int]) -> str:
    return f"{counts['replicas']} pods, {counts['readyReplicas']} ready, {counts['availableReplicas']} available"
