"""Deployments and ReplicaSets for the tests of the Deployment controller, and a ReplicaSet controller in ten lines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tests.unit.operators.decisions import EARLIER, NOW, make, merge, owned_by, run, view_of
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment, ReplicaSet
from understudy.kinds.core import PODS, Pod
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.operators.deployment import decide
from understudy.operators.deployment.annotations import DESIRED_REPLICAS, MAX_REPLICAS, REVISION
from understudy.operators.deployment.rollout import Rollout
from understudy.plan.steps import Step
from understudy.state.view import View

APP = {"app": "web"}
SELECTOR = {"matchLabels": APP}
UNSET: Any = object()


def template(image: str = "web:2", value: str = "", **spec: Any) -> dict[str, Any]:
    """A pod template; `value` is its pod-template-hash label, if it is a ReplicaSet's."""
    labels = {**APP, **({"pod-template-hash": value} if value else {})}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}], **spec}}


def deployment(
    replicas: int = 10,
    *,
    image: str = "web:2",
    surge: int | str | None = None,
    unavailable: int | str | None = None,
    strategy: str = "RollingUpdate",
    status: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    generation: int = 1,
    deleting: bool = False,
    **spec: Any,
) -> Deployment:
    """The Deployment "web"; a deadline of 600 s and a history of 10, as the server's defaults."""
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    how = {"type": strategy, **({"rollingUpdate": rolling} if strategy == "RollingUpdate" else {})}
    defaults = {"selector": SELECTOR, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10}
    return make(
        DEPLOYMENTS,
        "web",
        annotations=annotations,
        generation=generation,
        deleting=deleting,
        finalizers=["foregroundDeletion"] if deleting else [],
        spec={"replicas": replicas, "template": template(image), "strategy": how, **defaults, **spec},
        status=dict(status or {}),
    )


def replica_set(
    name: str,
    replicas: int = 0,
    *,
    image: str = "web:1",
    available: int | None = None,
    actual: int | None = None,
    revision: str | None = "1",
    desired: int | None = None,
    most: int | None = None,
    annotations: Mapping[str, str] | None = None,
    created: str = EARLIER,
    owner: Deployment | None = UNSET,
    conditions: Sequence[Mapping[str, Any]] = (),
    **metadata: Any,
) -> ReplicaSet:
    """A ReplicaSet of "web" with `actual` pods, `available` ones ready; all of them unless told otherwise."""
    owner = deployment() if owner is UNSET else owner
    marks = {REVISION: revision, DESIRED_REPLICAS: desired, MAX_REPLICAS: most}
    known = {key: str(value) for key, value in marks.items() if value is not None}
    actual = replicas if actual is None else actual
    ready = actual if available is None else available
    counts = {"replicas": actual, "readyReplicas": ready, "availableReplicas": ready, "observedGeneration": 1}
    return make(
        REPLICA_SETS,
        name,
        labels={**APP, "pod-template-hash": name},
        annotations={**known, **(annotations or {})},
        owner=owned_by(owner, DEPLOYMENTS) if owner else None,
        created=created,
        spec={"replicas": replicas, "selector": SELECTOR, "template": template(image, value=name)},
        status={**counts, "conditions": list(conditions)},
        **metadata,
    )


def seen(web: Deployment, *replica_sets: ReplicaSet, pods: Sequence[Pod] = ()) -> View:
    return view_of({DEPLOYMENTS: [web], REPLICA_SETS: replica_sets, PODS: pods})


def rollout(web: Deployment, *replica_sets: ReplicaSet, now: datetime = NOW) -> Rollout:
    return Rollout.of(web, replica_sets, now)


def decided(view: View, now: datetime = NOW, answer: Any = None) -> list[Step]:
    """One decision about "web" as the view has it."""
    return run(decide(current(view), view, now), view, answer)


def current(view: View) -> Deployment:
    found = view.get(DEPLOYMENTS, "default", "web")
    assert found is not None
    return found


def sizes(view: View) -> dict[str, int]:
    """spec.replicas by ReplicaSet."""
    return {each.name: each.spec.replicas for each in view.all(REPLICA_SETS)}


def progressing(view: View) -> tuple[str, str, str]:
    """(status, reason, message) of the Progressing condition."""
    (found,) = (each for each in current(view).status.conditions if each.type == "Progressing")
    return found.status, found.reason, found.message


def report(view: View, replica_set: ReplicaSet, actual: int, available: int) -> None:
    """The ReplicaSet's controller has counted its pods."""
    held = view.get(REPLICA_SETS, replica_set.namespace, replica_set.name)
    assert held is not None
    counts = {"replicas": actual, "readyReplicas": available, "availableReplicas": available}
    edit(view, REPLICA_SETS, held, {"status": {**counts, "observedGeneration": held.metadata.generation}})


def edit(view: View, kind: Kind[Any], held: Obj, changes: Mapping[str, Any]) -> None:
    """Somebody else merges `changes` into `held`, and the watch tells us; nothing happens if nothing changes."""
    before = msgspec.to_builtins(held)
    after = merge(before, changes)
    if after == before:
        return
    after["metadata"]["generation"] += after["spec"] != before["spec"]
    after["metadata"]["resourceVersion"] = make(kind, held.name).metadata.resourceVersion
    view.store(kind).listed(msgspec.convert(after, kind.type))
