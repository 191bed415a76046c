"""The two validations of metadata that a control loop runs into: one controller an object, no finalizers too late.

Called by `fake_write` for every create and update. Answers to apimachinery pkg/api/validation/objectmeta.go
(ValidateOwnerReferences, ValidateNoNewFinalizers); the texts were compared with a running kube-apiserver v1.34.
"""

from typing import Any

import msgspec

from understudy.testing import fake_refusals as refuse
from understudy.testing.fake_kinds import Resource

Json = dict[str, Any]

_REFERENCE = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")


def check_metadata(resource: Resource, new: Json, old: Json | None = None) -> None:
    """`new` and `old` are metadata; no `old` for a create. Raises ApiError 422."""
    _check_owners(resource, new)
    if old is not None and old.get("deletionTimestamp"):
        _check_finalizers(resource, new, old)


def _check_owners(resource: Resource, meta: Json) -> None:
    owners = meta.get("ownerReferences") or []
    in_control = [f"{each['kind']}/{each['name']}" for each in owners if each.get("controller")]
    if len(in_control) < 2:
        return
    ordered = [{key: each[key] for key in _REFERENCE if each.get(key) is not None} for each in owners]
    body = (
        f"Invalid value: {msgspec.json.encode(ordered).decode()}: Only one reference can have Controller set to true. "
        f'Found "true" in references for {in_control[0]} and {in_control[1]}'
    )
    raise refuse.invalid(resource.kind_id, meta["name"], "metadata.ownerReferences", "FieldValueInvalid", body)


def _check_finalizers(resource: Resource, new: Json, old: Json) -> None:
    late = sorted({*(new.get("finalizers") or ())}.difference(old.get("finalizers") or ()))
    if late:
        named = ", ".join(f'"{each}"' for each in late)
        why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{named}}}"
        field, cause = "metadata.finalizers", "FieldValueForbidden"
        raise refuse.invalid(resource.kind_id, new["name"], field, cause, f"Forbidden: {why}")
