"""Deletion on the in-memory API server: preconditions, grace of pods, finalizers, propagation, namespaces.

Called by `fake.FakeApi`. Answers to apiserver pkg/registry/rest/delete.go, pkg/registry/generic/registry/store.go
(Delete, DeleteCollection), and the strategies of pods and namespaces in kubernetes pkg/registry/core.
"""

from collections.abc import Mapping
from typing import Any, Literal

from understudy.errors import ApiError
from understudy.testing import fake_refusals as refuse
from understudy.testing.fake_kinds import Resource
from understudy.testing.fake_state import State, copied
from understudy.values import timestamp

Json = dict[str, Any]
Options = Mapping[str, Any]
"""metav1.DeleteOptions as JSON."""

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = {"Orphan": ORPHAN, "Foreground": FOREGROUND, "Background": ""}


def delete(state: State, resource: Resource, obj: Json, options: Options) -> Json:
    """Delete `obj`, or mark it as being deleted; returns what the server answers: the object or a Status.

    Raises ApiError 409 for preconditions that do not hold, 422 for an unknown propagation policy.
    """
    _check(resource, obj, options)
    if resource.id == "namespaces" and resource.builtin:
        return _delete_namespace(state, resource, obj, options)
    new = copied(obj)
    grace = _grace(state, new, options) if resource.id == "pods" else "none"
    if grace == "pending":
        return obj
    _set_finalizers(resource, new, options)
    if grace == "graceful":
        marked = state.put(resource, new)
        waits = new["metadata"].get("finalizers") or new["metadata"]["deletionGracePeriodSeconds"]
        return marked if waits else _gone(state, resource, marked)
    if new["metadata"].get("finalizers"):
        _mark(state, new)
        return obj if new == obj else state.put(resource, new)
    return _gone(state, resource, obj)


def _gone(state: State, resource: Resource, obj: Json) -> Json:
    last = state.remove(resource, obj)
    if resource.returns_deleted:
        return last
    details = {"name": last["metadata"]["name"], "group": resource.group, "kind": resource.plural}
    return refuse.success({key: value for key, value in details.items() if value} | {"uid": last["metadata"]["uid"]})


def _check(resource: Resource, obj: Json, options: Options) -> None:
    policy = options.get("propagationPolicy")
    if policy is not None and policy not in _POLICIES:
        body = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        subject = "DeleteOptions.meta.k8s.io"
        raise refuse.invalid(subject, "", "propagationPolicy", "FieldValueNotSupported", body)
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        expected = (options.get("preconditions") or {}).get(field)
        if expected is not None and expected != obj["metadata"][field]:
            raise _precondition_failed(resource, obj, field, label, expected)


def _precondition_failed(resource: Resource, obj: Json, field: str, label: str, expected: str) -> ApiError:
    name, held = obj["metadata"]["name"], obj["metadata"][field]
    if resource.id == "namespaces":
        why = f"Precondition failed: {label} in precondition: {expected}, {label} in object meta: {held}"
        return refuse.conflict(resource, name, why)
    guess = "deleted and then recreated" if field == "uid" else "modified"
    why = (
        f"the {label} in the precondition ({expected}) does not match the {label} in record ({held}). "
        f"The object might have been {guess}"
    )
    return refuse.conflict(resource, name, why, subject=resource.kind_id)


def _grace(state: State, pod: Json, options: Options) -> Literal["graceful", "pending", "none"]:
    """Grant a pod its time to stop, in place. A second DELETE may only shorten it; one with 0 ends it."""
    meta, asked = pod["metadata"], options.get("gracePeriodSeconds")
    if meta.get("deletionTimestamp"):
        held = meta.get("deletionGracePeriodSeconds") or 0
        if held == 0:
            return "none"
        if asked is None or asked >= held:
            return "pending"
        _shorten(state, meta, held, max(asked, 0))
        return "graceful"
    period = pod["spec"].get("terminationGracePeriodSeconds", 0) if asked is None else asked
    if not pod["spec"].get("nodeName") or pod["status"].get("phase") in ("Failed", "Succeeded"):
        period = 0
    period = 1 if period < 0 else period
    meta |= {"deletionTimestamp": state.now(period), "deletionGracePeriodSeconds": period}
    meta["generation"] += 1
    return "graceful"


def _shorten(state: State, meta: Json, held: int, period: int) -> None:
    moved = timestamp.seconds(meta["deletionTimestamp"]) - held + period
    late = moved - timestamp.seconds(state.now())
    meta["deletionTimestamp"] = state.now(max(late, 0))
    meta["deletionGracePeriodSeconds"] = 1 if late < 0 and period else period


def _mark(state: State, obj: Json) -> None:
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") and "generation" in meta:
        meta["generation"] += 1
    now = state.now()
    if meta.get("deletionTimestamp", "") == "" or meta["deletionTimestamp"] > now:
        meta["deletionTimestamp"] = now
    meta["deletionGracePeriodSeconds"] = 0


def _set_finalizers(resource: Resource, obj: Json, options: Options) -> None:
    """The two finalizers by which the garbage collector is asked to orphan, or to delete dependents first."""
    present = obj["metadata"].get("finalizers", [])
    wanted = _policy_finalizer(resource, present, options)
    finalizers = [each for each in present if each not in (ORPHAN, FOREGROUND)]
    finalizers += [wanted] * bool(wanted)
    if set(finalizers) != set(present):
        obj["metadata"].pop("finalizers", None)
        obj["metadata"] |= {"finalizers": finalizers} if finalizers else {}


def _policy_finalizer(resource: Resource, present: list[str], options: Options) -> str:
    if not resource.collected:
        return ""
    if options.get("orphanDependents") is not None:
        return ORPHAN if options["orphanDependents"] else ""
    if options.get("propagationPolicy"):
        return _POLICIES[options["propagationPolicy"]]
    default = ORPHAN if resource.orphans else ""
    return next((each for each in present if each in (ORPHAN, FOREGROUND)), default)


def _delete_namespace(state: State, resource: Resource, obj: Json, options: Options) -> Json:
    """The first DELETE only starts the termination; the namespace controller empties it and calls /finalize."""
    new = copied(obj)
    if not obj["metadata"].get("deletionTimestamp"):
        _set_finalizers(resource, new, options)
        new["metadata"]["deletionTimestamp"] = state.now()
        new["status"] = new.get("status", {}) | {"phase": "Terminating"}
        return state.put(resource, new)
    if obj.get("spec", {}).get("finalizers") or obj["metadata"].get("finalizers"):
        return obj
    return _gone(state, resource, obj)
