"""The claims of a StatefulSet's pods: named after template and pod, created before the pod, never deleted here.

Called by `pods` and `scaling`. Answers to `createPersistentVolumeClaims`, `PodClaimIsStale` and
`UpdatePodClaimForRetentionPolicy` in pkg/controller/statefulset/stateful_pod_control.go; who owns them is decided in
`retention`, and the garbage collector deletes them.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from understudy.errors import AlreadyExists, Conflict, PartlyDone
from understudy.kinds.apps import STATEFUL_SETS, StatefulSet
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim, Pod
from understudy.kinds.meta import Key, OwnerReference
from understudy.operators.statefulset.identity import pod_name
from understudy.operators.statefulset.messages import about_claim, about_conflict, about_pod
from understudy.operators.statefulset.retention import DELETE, Claimant, claimant, conflicts, corrected
from understudy.operators.statefulset.round import Round
from understudy.plan.steps import Create, Patch, Step, Together
from understudy.state.view import View

# Which


def claims_of(ss: StatefulSet, ordinal: int) -> dict[str, str]:
    """The names of the claims of one pod, by the volumes they are for."""
    volumes = [template["metadata"]["name"] for template in ss.spec.volumeClaimTemplates]
    return {volume: f"{volume}-{pod_name(ss, ordinal)}" for volume in volumes}


def sets_of(claim: PersistentVolumeClaim, view: View) -> Iterator[Key]:
    """The sets that may have named this claim: names and templates may hold dashes, so there may be several."""
    words = claim.name.split("-")
    if not words[-1].isdigit():
        return
    for cut in range(1, len(words) - 1):
        ss = view.get(STATEFUL_SETS, claim.namespace, "-".join(words[cut:-1]))
        if ss is not None and "-".join(words[:cut]) in claims_of(ss, 0):
            yield ss.key


def is_gone(new: PersistentVolumeClaim | None, _: PersistentVolumeClaim | None) -> bool:
    """Whether a change of a claim is its end: a new one may be needed, and it may be what a pod waited for."""
    return new is None


# Creating


def make_claims(round_: Round, ordinals: Iterable[int]) -> Generator[Step, Any, PartlyDone | None]:
    """Create what is missing for these pods; answers what that met, if anything."""
    ss, view = round_.ss, round_.view
    missing = {
        name: (ordinal, body)
        for ordinal in ordinals
        for name, body in _bodies(ss, ordinal)
        if view.get(PERSISTENT_VOLUME_CLAIMS, ss.namespace, name) is None
    }
    if not missing:
        return None
    creates = [
        Create(PERSISTENT_VOLUME_CLAIMS, ss.namespace, body, why=f"a volume of {pod_name(ss, ordinal)}")
        for ordinal, body in missing.values()
    ]
    error: PartlyDone | None = None
    try:
        created: Sequence[PersistentVolumeClaim] = yield Together(creates, slow_start=True)
    except PartlyDone as partly:
        created, error = partly.done, partly
    for claim in created:
        yield about_claim(ss, claim.name, pod_name(ss, missing.pop(claim.name)[0]))
    if error is not None and not isinstance(error.cause, AlreadyExists):
        name, (ordinal, _) = next(iter(missing.items()))
        yield about_claim(ss, name, pod_name(ss, ordinal), error.cause)
    return error


def obstacle(round_: Round, ordinal: int, error: PartlyDone | None) -> str | None:
    """Why the pod cannot be created before its claims are; None if they are there. `error`: of `make_claims`."""
    found: list[str] = []
    for name in claims_of(round_.ss, ordinal).values():
        claim = round_.view.get(PERSISTENT_VOLUME_CLAIMS, round_.ss.namespace, name)
        if claim is None:
            cause = error.cause if error is not None else "it is not there"
            found.append(f"failed to create PVC {name}: {cause}")
        elif claim.deleting:
            found.append(f"pvc {name} is being deleted")
    if len(found) > 1:
        return f"[{', '.join(found)}]"
    return found[0] if found else None


def is_stale(round_: Round, ordinal: int) -> bool:
    """Whether a claim still belongs to an earlier pod of that number: it is about to be deleted with its content."""
    ss = round_.ss
    policy = ss.spec.persistentVolumeClaimRetentionPolicy
    if policy is None or policy.whenScaled != DELETE:
        return False
    pod = claimant(ss, pod_name(ss, ordinal), "", condemned=False).pod
    return any(pod.has_stale(claim.metadata.ownerReferences) for claim in _present(round_, ordinal))


def _bodies(ss: StatefulSet, ordinal: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every claim's body by name: the template with the selector's labels, owned as the policy wants it."""
    who = claimant(ss, pod_name(ss, ordinal), "", condemned=False)
    for template, name in zip(ss.spec.volumeClaimTemplates, claims_of(ss, ordinal).values(), strict=True):
        given: Mapping[str, Any] = template["metadata"]
        labels = {**(given.get("labels") or {}), **(ss.spec.selector.get("matchLabels") or {})}
        metadata = {**given, "name": name, "labels": labels}
        references = corrected(msgspec.convert(given.get("ownerReferences") or [], list[OwnerReference]), who)
        if references is not None:
            metadata["ownerReferences"] = _written(references)
        yield name, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **template, "metadata": metadata}


# Owning


def is_retained(round_: Round, ordinal: int, pod: Pod) -> bool:
    """Whether the claims there are belong to whom the policy says."""
    if not round_.ss.spec.volumeClaimTemplates:
        return True
    who = _claimant(round_, ordinal, pod)
    return all(corrected(claim.metadata.ownerReferences, who) is None for claim in _present(round_, ordinal))


def retain(round_: Round, pods: Iterable[tuple[int, Pod | None]]) -> Generator[Step, Any, None]:
    """Give the claims of these pods to whom the policy says; raises what that met, and tells it."""
    ss, patches = round_.ss, {}
    for ordinal, pod in pods if ss.spec.volumeClaimTemplates else ():
        who = _claimant(round_, ordinal, pod)
        for claim in _present(round_, ordinal):
            if conflicts(claim.metadata.ownerReferences, who):
                yield about_conflict(ss, claim.name)
            references = corrected(claim.metadata.ownerReferences, who)
            if references is not None:
                patches[claim.name] = (who.pod.name, _give(claim, references, ss))
    if not patches:
        return
    try:
        yield Together([patch for _, patch in patches.values()])
    except PartlyDone as error:
        if not isinstance(error.cause, Conflict):
            for claim in error.done:
                patches.pop(claim.name)
            name, (pod_, _) = next(iter(patches.items()))
            told = f"could not update claim {name} for delete policy ownerRefs: {error.cause}"
            yield about_pod(ss, "update", pod_, told)
        raise


def _claimant(round_: Round, ordinal: int, pod: Pod | None) -> Claimant:
    name, uid = pod_name(round_.ss, ordinal), pod.uid if pod is not None else ""
    return claimant(round_.ss, name, uid, condemned=ordinal not in round_.wanted)


def _present(round_: Round, ordinal: int) -> Iterator[PersistentVolumeClaim]:
    for name in claims_of(round_.ss, ordinal).values():
        claim = round_.view.get(PERSISTENT_VOLUME_CLAIMS, round_.ss.namespace, name)
        if claim is not None:
            yield claim


def _give(claim: PersistentVolumeClaim, references: Sequence[OwnerReference], ss: StatefulSet) -> Patch:
    body = {"metadata": {"ownerReferences": _written(references)}}
    policy = ss.spec.persistentVolumeClaimRetentionPolicy
    when = f"deleted: {policy.whenDeleted}, scaled: {policy.whenScaled}" if policy is not None else "always: Retain"
    return Patch(PERSISTENT_VOLUME_CLAIMS, claim, body, why=f"the retention policy, when {when}")


def _written(references: Iterable[OwnerReference]) -> list[dict[str, Any]]:
    every = (msgspec.structs.asdict(each) for each in references)
    return [{name: value for name, value in each.items() if value is not None} for each in every]
