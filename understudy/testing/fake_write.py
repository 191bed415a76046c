"""Creates and updates of the in-memory API server: POST, PUT and PATCH, on objects and their subresources.

Called by `fake.FakeApi`. Answers to apiserver pkg/registry/generic/registry/store.go (Create, Update) and
pkg/registry/rest/{create,update}.go, with the strategies' differences as `fake_kinds` tells them.
"""

from collections.abc import Callable
from typing import Any

from understudy.errors import ApiError
from understudy.testing import fake_refusals as refuse
from understudy.testing.fake_defaults import TEMPLATE_GENERATION, fill_defaults, prepare_new
from understudy.testing.fake_kinds import NAMESPACES, Resource
from understudy.testing.fake_patch import applier
from understudy.testing.fake_request import Request
from understudy.testing.fake_scale import scale_of, scaled
from understudy.testing.fake_state import State, copied
from understudy.testing.fake_validate import check_metadata
from understudy.values import names

Json = dict[str, Any]
Admit = Callable[[Request, Json], None]
"""A test's own admission plugin: may change the object, or raise ApiError to refuse the write."""

_CONTENT_WRAPPERS = ("metadata", "status", "apiVersion", "kind")
_NAME_TRIES = 8
_SERVER_META = ("deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_KEPT_META = ("name", "namespace", "uid", "creationTimestamp", "generateName", *_SERVER_META)


def found(state: State, request: Request) -> Json:
    """The object the request names. Raises ApiError 404."""
    obj = state.get(request.resource, request.namespace, request.name)
    if obj is None:
        raise refuse.not_found(request.resource, request.name)
    return obj


# Create


def create(state: State, request: Request, admit: Admit) -> Json:
    """POST to a collection. Raises ApiError 400, 403, 404, 409, 422 and, for a resourceVersion, 500."""
    resource = request.resource
    obj = _typed(resource, copied(request.document))
    meta = obj.setdefault("metadata", {})
    _check_namespace_of(request, meta)
    if meta.get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    generated = not meta.get("name")
    if generated:
        meta["name"] = _new_name(state, request, meta)
    _check_namespace_exists(state, request, meta["name"])
    _initialise(state, request, meta)
    fill_defaults(resource, obj)
    prepare_new(resource, obj, state)
    admit(request, obj)
    check_metadata(resource, meta)
    if state.get(resource, request.namespace, meta["name"]) is not None:
        raise refuse.already_exists(resource, meta["name"], generated=generated)
    return state.put(resource, _pruned(resource, obj))


def review(request: Request, admit: Admit) -> Json:
    """POST of a question; nobody may do anything unless a test's admission says so in the status."""
    obj = _typed(request.resource, copied(request.document)) | {"status": {"allowed": False}}
    admit(request, obj)
    return obj


def _typed(resource: Resource, obj: Json) -> Json:
    api, kind = obj.get("apiVersion") or resource.api, obj.get("kind") or resource.kind
    if (api, kind) != (resource.api, resource.kind):
        raise refuse.bad_request(f'{kind} in version "{api}" cannot be handled as a {resource.kind}')
    return {"kind": kind, "apiVersion": api} | obj


def _check_namespace_of(request: Request, meta: Json) -> None:
    if meta.get("namespace", "") not in ("", request.namespace):
        raise refuse.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _new_name(state: State, request: Request, meta: Json) -> str:
    prefix = meta.get("generateName")
    if not prefix:
        body = "Required value: name or generateName is required"
        raise refuse.invalid(request.resource.kind_id, "", "metadata.name", "FieldValueRequired", body)
    for _ in range(_NAME_TRIES):
        name = names.generate(prefix, state.rng)
        if state.get(request.resource, request.namespace, name) is None:
            break
    return name


def _check_namespace_exists(state: State, request: Request, name: str) -> None:
    if not request.namespace or not state.check_namespaces:
        return
    namespace = state.get(NAMESPACES, "", request.namespace)
    if namespace is None:
        raise refuse.not_found(NAMESPACES, request.namespace)
    if namespace["status"]["phase"] == "Terminating":
        raise refuse.terminating(request.resource, name, request.namespace)


def _initialise(state: State, request: Request, meta: Json) -> None:
    for system in (*_SERVER_META, "managedFields"):
        meta.pop(system, None)
    meta["uid"] = state.new_uid()
    meta["creationTimestamp"] = state.now()
    if request.namespace:
        meta["namespace"] = request.namespace
    if request.resource.generation:
        meta["generation"] = 1


# Update


def replace(state: State, request: Request, admit: Admit) -> tuple[Json, bool]:
    """PUT; also whether that created the object. Raises ApiError 400, 404, 409, 422."""
    body = request.document
    if not request.subresource and request.resource.put_creates and not _exists(state, request):
        return create(state, request, admit), True
    _check_name_of(request, body.get("metadata", {}))
    old = found(state, request)
    uid = body.get("metadata", {}).get("uid") or old["metadata"]["uid"]
    if uid != old["metadata"]["uid"]:
        raise refuse.uid_differs(request.resource, request.key, uid, old["metadata"]["uid"])
    if request.subresource == "scale":
        return scale_of(request.resource, update(state, request, scaled(old, body), admit)), False
    new = _typed(request.resource, copied(body))
    return update(state, request, new, admit, guarded=not request.resource.unguarded), False


def _exists(state: State, request: Request) -> bool:
    return state.get(request.resource, request.namespace, request.name) is not None


def patch(state: State, request: Request, admit: Admit) -> Json:
    """PATCH. Raises ApiError 400, 404, 409, 415, 422."""
    resource = request.resource
    apply = applier(request.content_type, strategic=resource.builtin)
    old = found(state, request)
    if request.subresource == "scale":
        wanted = apply(scale_of(resource, copied(old)), request.body)
        return scale_of(resource, update(state, request, scaled(old, wanted), admit))
    return update(state, request, apply(copied(old), copied_body(request)), admit)


def copied_body(request: Request) -> Any:
    """The body of a patch, safe to be built into an object."""
    return copied({"body": request.body})["body"]


def update(state: State, request: Request, new: Json, admit: Admit, *, guarded: bool = False) -> Json:
    """Let `new` take the place of the object, as far as the subresource lets it; the answer is what is stored now.

    A change of nothing writes nothing. `guarded`: the resourceVersion must be given.
    """
    resource, old = request.resource, found(state, request)
    _check_identity(request, old, new, guarded=guarded)
    new = _pruned(resource, _settled(request, old, new))
    admit(request, new)
    check_metadata(resource, new["metadata"], old["metadata"])
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    if new == old:
        return old
    if _finished(request, new):
        state.remove(resource, old)
        return new
    return state.put(resource, new)


def _check_identity(request: Request, old: Json, new: Json, *, guarded: bool) -> None:
    resource, meta, held = request.resource, new.setdefault("metadata", {}), old["metadata"]
    _check_name_of(request, meta)
    _check_namespace_of(request, meta)
    revision = meta.get("resourceVersion") or ""
    if guarded and not revision:
        body = "Invalid value: 0: must be specified for an update"
        raise refuse.invalid(resource.id, request.name, "metadata.resourceVersion", "FieldValueInvalid", body)
    if revision not in ("", held["resourceVersion"]):
        raise refuse.conflict(resource, request.name)
    if meta.get("uid", held["uid"]) != held["uid"]:
        body = f'Invalid value: "{meta["uid"]}": field is immutable'
        raise refuse.invalid(resource.kind_id, request.name, "metadata.uid", "FieldValueInvalid", body)


def _check_name_of(request: Request, meta: Json) -> None:
    if meta.get("name", request.name) != request.name:
        raise refuse.bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({request.name})"
        )


def _settled(request: Request, old: Json, new: Json) -> Json:
    """`new` with everything put back that this request may not change."""
    resource = request.resource
    meta = _settled_meta(old["metadata"], new["metadata"])
    if request.subresource in ("status", "approval"):
        return _settled_status(resource, old, new, meta)
    new = new | {"metadata": meta}
    if resource.status:
        new.pop("status", None)
        new |= {"status": old["status"]} if "status" in old else {}
    if resource.id == "namespaces" and request.subresource != "finalize":
        new["spec"] = old["spec"]
    fill_defaults(resource, new)
    _count_generation(resource, old, new)
    return new


def _settled_meta(old: Json, new: Json) -> Json:
    meta = {key: value for key, value in new.items() if key != "managedFields"}
    for system in _SERVER_META:
        meta.pop(system, None)
    return meta | {key: old[key] for key in _KEPT_META if key in old}


def _settled_status(resource: Resource, old: Json, new: Json, meta: Json) -> Json:
    """A write to /status: of built-in kinds the metadata passes too, except owners (and a Deployment's labels)."""
    kept = {"ownerReferences"} | ({"labels"} if resource.kind == "Deployment" else set())
    meta = {key: value for key, value in meta.items() if key not in kept}
    meta |= {key: old["metadata"][key] for key in kept if key in old["metadata"]}
    result = old | {"metadata": meta if resource.builtin else dict(old["metadata"])}
    return result | {"status": new["status"]} if "status" in new else result


def _count_generation(resource: Resource, old: Json, new: Json) -> None:
    if not resource.generation:
        return
    watched = {"Deployment": "annotations", "EndpointSlice": "labels"}.get(resource.kind, "")
    same_meta = not watched or _meta_field(old, watched) == _meta_field(new, watched)
    if not same_meta or _content(resource, old) != _content(resource, _pruned(resource, new)):
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1
    if resource.id == "daemonsets.apps":
        _count_template(old, new)


def _meta_field(obj: Json, field: str) -> Json:
    return obj["metadata"].get(field) or {}


def _content(resource: Resource, obj: Json) -> Json:
    without = _CONTENT_WRAPPERS if resource.status else ("metadata", "apiVersion", "kind")
    return {key: value for key, value in obj.items() if key not in without}


def _count_template(old: Json, new: Json) -> None:
    number = int(_meta_field(old, "annotations").get(TEMPLATE_GENERATION, "0"))
    number += old["spec"]["template"] != new["spec"]["template"]
    new["metadata"]["annotations"] = _meta_field(new, "annotations") | {TEMPLATE_GENERATION: str(number)}


def _finished(request: Request, new: Json) -> bool:
    """Whether nothing holds back the deletion of the object any more."""
    meta = new["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return request.resource.id != "namespaces" or not new.get("spec", {}).get("finalizers")


def _pruned(resource: Resource, obj: Json) -> Json:
    """Without nulls, and without the empty lists and maps that Go's omitempty never prints."""
    result: Json = _without_nulls(obj)
    for part in ("metadata", "status") if resource.builtin else ("metadata",):
        if isinstance(result.get(part), dict):
            result[part] = {key: value for key, value in result[part].items() if not _is_empty(part, value)}
    return result


def _is_empty(part: str, value: Any) -> bool:
    return value == [] or (part == "metadata" and value == {})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


# Binding


def bind(state: State, request: Request) -> Json:
    """POST pods/binding. Raises ApiError 404, 409 (already bound, being deleted, gated, another uid)."""
    pod, body = found(state, request), request.document
    _check_bindable(request, pod, body.get("metadata", {}).get("uid"))
    new = copied(pod)
    new["spec"]["nodeName"] = body["target"]["name"]
    annotations = body.get("metadata", {}).get("annotations")
    if annotations:
        new["metadata"]["annotations"] = _meta_field(new, "annotations") | annotations
    conditions = [each for each in new["status"].get("conditions", ()) if each["type"] != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": state.now()}
    new["status"]["conditions"] = [*conditions, scheduled]
    state.put(request.resource, new)
    return refuse.success(code=201)


def _check_bindable(request: Request, pod: Json, uid: str | None) -> None:
    meta, spec, name = pod["metadata"], pod["spec"], request.name
    if uid and uid != meta["uid"]:
        raise refuse.uid_differs(request.resource, request.key, uid, meta["uid"])
    why = ""
    if meta.get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
    if why:
        raise refuse.conflict(request.resource, name, why, subject="pods/binding")
