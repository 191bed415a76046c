"""The patch formats of the Kubernetes API, applied to plain data.

JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch (apimachinery
pkg/util/strategicpatch), the last with the merge keys of the lists our loops patch. Called by `fake_write`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from understudy.testing.fake_refusals import bad_request, unprocessable, unsupported

Json = dict[str, Any]

MERGE_KEYS: Mapping[str, str] = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists merged item by item: the struct tags patchMergeKey of k8s.io/api."""
MERGED_SETS = frozenset({"finalizers"})
"""Lists of plain values that are united, not replaced."""


def applier(content_type: str, *, strategic: bool) -> Callable[[Json, Any], Any]:
    """The function for a PATCH of that content type; `strategic`: whether the kind knows strategic merges.

    Raises ApiError 415 for a type the server does not take.
    """
    match content_type.partition(";")[0]:
        case "application/merge-patch+json":
            return _checked(merge)
        case "application/json-patch+json":
            return json_patch
        case "application/strategic-merge-patch+json" if strategic:
            return _checked(strategic_merge)
        case "application/strategic-merge-patch+json":
            raise unsupported(
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            )
    raise unsupported()


def _checked(apply: Callable[[Any, Any], Any]) -> Callable[[Json, Any], Any]:
    def patched(target: Json, patch: Any) -> Any:
        if not isinstance(patch, dict):
            raise bad_request(
                "error decoding patch: json: cannot unmarshal value into Go value of type map[string]interface {}"
            )
        return apply(target, patch)

    return patched


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


# Strategic merge


def strategic_merge(target: Any, patch: Json) -> Any:
    """Merge `patch` into `target`, lists by their keys; `$patch`, `$deleteFromPrimitiveList` and kin are obeyed."""
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        _strategic_field(result, key, value)
    return result


def _strategic_field(result: Json, key: str, value: Any) -> None:
    directive, _, field = key.partition("/")
    if directive == "$deleteFromPrimitiveList":
        result[field] = [item for item in result.get(field) or () if item not in value]
    elif directive == "$retainKeys":
        for name in [name for name in result if name not in value]:
            del result[name]
    elif key.startswith("$"):
        return
    elif value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        result[key] = strategic_merge(result.get(key), value)
    elif isinstance(value, list):
        result[key] = _strategic_list(key, result.get(key) or [], value)
    else:
        result[key] = value


def _strategic_list(field: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if field in MERGED_SETS:
        return _woven(target, patch)
    merge_key = _merge_key(field, patch)
    if not merge_key or {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]
    if any(merge_key not in item for item in patch):
        raise bad_request(f"map: {patch} does not contain declared merge key: {merge_key}")
    held = {item[merge_key]: item for item in target}
    patches = {item[merge_key]: item for item in patch}
    dead = {key for key, item in patches.items() if item.get("$patch") == "delete"}
    order = _woven([key for key in held if key not in dead], [key for key in patches if key not in dead])
    return [strategic_merge(held.get(key), patches[key]) if key in patches else held[key] for key in order]


def _merge_key(field: str, patch: list[Any]) -> str:
    if field == "ports":
        return "containerPort" if any("containerPort" in port for port in patch) else "port"
    return MERGE_KEYS.get(field, "")


def _woven(held: list[Any], patched: list[Any]) -> list[Any]:
    """The union in the server's order: what only the server has keeps its place, what is new comes before it."""
    place = {key: number for number, key in enumerate(held)}
    rest = [key for key in held if key not in patched]
    result = []
    for key in patched:
        while rest and key in place and place[rest[0]] < place[key]:
            result.append(rest.pop(0))
        result.append(key)
    return result + rest


# JSON patch


def json_patch(target: Json, patch: Any) -> Any:
    """RFC 6902, the operations add, remove, replace and test; anything that does not fit is a 422."""
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    root = {"": target}
    for operation in patch:
        try:
            _operate(root, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise unprocessable() from None
    return root[""]


def _operate(root: Any, operation: Json) -> None:
    # The whole document hangs below "" so that a path never lacks a parent.
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/"))
    parent = root
    for part in parents:
        parent = parent[int(part)] if isinstance(parent, list) else parent[part]
    _act(parent, last, operation)


def _act(parent: Any, last: str, operation: Json) -> None:
    place: Any = last
    if isinstance(parent, list):
        place = len(parent) if last == "-" else int(last)
    match operation["op"]:
        case "add" if isinstance(parent, list):
            parent.insert(place, operation["value"])
        case "add":
            parent[place] = operation["value"]
        case "remove":
            del parent[place]
        case "replace":
            _ = parent[place]  # must exist
            parent[place] = operation["value"]
        case "test" if parent[place] == operation["value"]:
            pass
        case other:
            raise ValueError(other)
