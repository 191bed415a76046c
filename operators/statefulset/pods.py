"""A StatefulSet's pods: made of a revision's template with a name of their own, kept in their identity, deleted.

Called by `replicas`, `scaling` and `rolling`. Answers to `newVersionedStatefulSetPod`, `CreateStatefulPod`,
`UpdateStatefulPod` and `DeleteStatefulPod` in pkg/controller/statefulset.
"""

from collections.abc import Generator, Sequence
from typing import Any

from understudy.errors import AlreadyExists, ApiError, Conflict, PartlyDone
from understudy.kinds.apps import STATEFUL_SETS, ControllerRevision, StatefulSet
from understudy.kinds.core import PODS, Pod
from understudy.operators.common import history
from understudy.operators.common.pods import pod_from_template
from understudy.operators.statefulset.claims import claims_of, is_retained, make_claims, obstacle, retain
from understudy.operators.statefulset.identity import has_identity, labels, pod_name
from understudy.operators.statefulset.messages import about_pod
from understudy.operators.statefulset.round import Round
from understudy.plan.steps import Create, Delete, Patch, Step, Together

# What a pod is made of


def new_pod(round_: Round, ordinal: int) -> dict[str, Any]:
    """The body of a POST: the template of its revision, and who it is."""
    ss, revision = round_.ss, revision_for(round_, ordinal)
    body = pod_from_template(history.template_of(revision), ss, STATEFUL_SETS)
    metadata, spec, name = body["metadata"], body["spec"], pod_name(ss, ordinal)
    marks = {**labels(ss, ordinal), history.REVISION_LABEL: revision.name}
    host = {"hostname": name, **({"subdomain": ss.spec.serviceName} if ss.spec.serviceName else {})}
    given = {field: value for field, value in spec.items() if field != "subdomain"}
    return {
        **body,
        "metadata": {**metadata, "name": name, "labels": {**metadata.get("labels", {}), **marks}},
        "spec": {**given, **host, "volumes": _volumes(ss, ordinal, spec.get("volumes") or ())},
    }


def revision_for(round_: Round, ordinal: int) -> ControllerRevision:
    """Of which revision a new pod is: below the partition of the current one, else of the one that is wanted."""
    spec, start = round_.ss.spec, round_.wanted.start
    if spec.updateStrategy.type != "RollingUpdate":
        return round_.update
    rolling = spec.updateStrategy.rollingUpdate
    kept = round_.ss.status.currentReplicas if rolling is None else rolling.partition or 0
    return round_.current if ordinal < start + kept else round_.update


def has_storage(ss: StatefulSet, ordinal: int, pod: Pod) -> bool:
    """Whether the pod's volumes are the claims that are its own."""
    if not ss.spec.volumeClaimTemplates:
        return True
    held = {each.name: each.persistentVolumeClaim for each in pod.spec.volumes}
    sources = ((held.get(volume), name) for volume, name in claims_of(ss, ordinal).items())
    return all(source is not None and source.claimName == name for source, name in sources)


def _volumes(ss: StatefulSet, ordinal: int, given: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    claims = claims_of(ss, ordinal)
    own = [{"name": volume, "persistentVolumeClaim": {"claimName": name}} for volume, name in claims.items()]
    return [*own, *(each for each in given if each["name"] not in claims)]


# Writing


def create_pods(round_: Round, ordinals: Sequence[int]) -> Generator[Step, Any, None]:
    """Create claims and pods of these numbers; raises the first error met, after all that can be was created.

    A pod whose claim is being deleted is left out without an error: the end of the claim wakes its set.
    """
    error = yield from make_claims(round_, ordinals)
    obstacles = {ordinal: obstacle(round_, ordinal, error) for ordinal in ordinals}
    free = [ordinal for ordinal, reason in obstacles.items() if reason is None]
    held_up = next(((ordinal, reason) for ordinal, reason in obstacles.items() if reason is not None), None)
    if held_up is not None:
        yield about_pod(round_.ss, "create", pod_name(round_.ss, held_up[0]), held_up[1])
    if free:
        yield from _create(round_, free)
    if error is not None:
        raise error


def _create(round_: Round, ordinals: Sequence[int]) -> Generator[Step, Any, None]:
    ss, error = round_.ss, None
    whys = {ordinal: f"number {ordinal} of {_told(round_.wanted)} is missing" for ordinal in ordinals}
    creates = [Create(PODS, ss.namespace, new_pod(round_, ordinal), why=why) for ordinal, why in whys.items()]
    try:
        created: Sequence[Pod] = yield Together(creates, slow_start=True)
    except PartlyDone as partly:
        created, error = partly.done, partly
    round_.refresh()
    yield from retain(round_, [(ordinal, round_.pods.get(ordinal)) for ordinal in ordinals])
    for pod in created:
        yield about_pod(ss, "create", pod.name)
    if error is None:
        return
    if not isinstance(error.cause, AlreadyExists):
        done = {pod.name for pod in created}
        failed = next(name for ordinal in ordinals if (name := pod_name(ss, ordinal)) not in done)
        yield about_pod(ss, "create", failed, error.cause)
    raise error


def correct(round_: Round, ordinal: int, pod: Pod) -> Generator[Step, Any, None]:
    """Give the pod back its identity, its volumes, and its claims their owners; raises what that met, and tells it."""
    ss, changes = round_.ss, _changes(round_.ss, ordinal, pod)
    if not changes and is_retained(round_, ordinal, pod):
        return
    if "spec" in changes:
        error = yield from make_claims(round_, [ordinal])
        if error is not None:
            yield about_pod(ss, "update", pod.name, obstacle(round_, ordinal, error))
            raise error
    yield from retain(round_, [(ordinal, pod)])
    try:
        if changes:
            yield Patch(PODS, pod, changes, why=f"it is {pod.name}, and to say so", guard="uid", strategic=True)
    except ApiError as refused:
        if not isinstance(refused, Conflict):
            yield about_pod(ss, "update", pod.name, refused)
        raise
    yield about_pod(ss, "update", pod.name)


def delete_pods(round_: Round, pods: Sequence[Pod], why: str) -> Generator[Step, Any, None]:
    """Delete these; raises what that met, and tells it."""
    if not pods:
        return
    error: PartlyDone | None = None
    try:
        yield Together([Delete(PODS, pod, why=why) for pod in pods])
    except PartlyDone as partly:
        error = partly
    left = {pod.name: pod for pod in pods if error is not None and _stays(round_, pod)}
    for pod in pods:
        if pod.name not in left:
            yield about_pod(round_.ss, "delete", pod.name)
    if error is not None:
        if left:
            yield about_pod(round_.ss, "delete", next(iter(left)), error.cause)
        raise error


def _changes(ss: StatefulSet, ordinal: int, pod: Pod) -> dict[str, Any]:
    """The patch that gives the pod its identity and its volumes; empty if it has them."""
    changes: dict[str, Any] = {}
    if not has_identity(pod):
        changes["metadata"] = {"labels": labels(ss, ordinal)}
    if not has_storage(ss, ordinal, pod):
        changes["spec"] = {"volumes": _volumes(ss, ordinal)}
    return changes


def _stays(round_: Round, pod: Pod) -> bool:
    held = round_.view.get(PODS, pod.namespace, pod.name)
    return held is not None and held.uid == pod.uid and not held.deleting


def _told(wanted: range) -> str:
    return f"{wanted.start} to {wanted.stop - 1}"
