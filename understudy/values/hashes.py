"""Pod template hashes and the equality of pod templates.

The Deployment and DaemonSet loops call this. It answers to `ComputeHash` in
`pkg/controller/controller_utils.go` and to `EqualIgnoreHash` in
`pkg/controller/deployment/util/deployment_util.go`.

Upstream hashes Go's dump of the Go struct, which no other program can reproduce: **our hash has the same
look but another value**. Nothing depends on the value, since ReplicaSets are found by comparing templates,
so that a takeover keeps the ReplicaSets it finds. Our hash is that of the template's normal form: equal
templates have equal hashes.
"""

import json
from collections.abc import Mapping
from typing import Any

from understudy.values import names, quantity

POD_TEMPLATE_HASH = "pod-template-hash"

_OFFSET_BASIS = 0x811C9DC5
_PRIME = 0x01000193
# Empty lists, maps and structs equal missing ones, but an optional struct that is there says something even
# when it is empty. These fields of a PodTemplateSpec are pointers in Go, and {} is valid for them.
_OPTIONAL_STRUCTS = frozenset(
    {
        *("affinity", "nodeAffinity", "podAffinity", "podAntiAffinity"),
        *("labelSelector", "namespaceSelector", "selector"),
        *("downwardAPI", "emptyDir", "projected"),
        *("capabilities", "securityContext", "seLinuxOptions", "windowsOptions"),
        *("dnsConfig", "lifecycle"),
    }
)
_QUANTITY_MAPS = frozenset({"limits", "requests", "overhead"})
_QUANTITY_FIELDS = frozenset({("emptyDir", "sizeLimit"), ("resourceFieldRef", "divisor")})


def template_hash(template: Mapping[str, Any], collision_count: int | None) -> str:
    """The value of the pod-template-hash label for a PodTemplateSpec, in the alphabet of generated names."""
    text = json.dumps(_normal(template), sort_keys=True, separators=(",", ":"))
    number = fnv1a32(text.encode())
    if collision_count is not None:
        number = fnv1a32((collision_count & 0xFFFFFFFF).to_bytes(8, "little"), number)
    return names.safe_encode(str(number))


def fnv1a32(data: bytes, seed: int = _OFFSET_BASIS) -> int:
    """The 32-bit FNV-1a hash, as Go's `fnv.New32a`; the seed continues an earlier hash."""
    for byte in data:
        seed = ((seed ^ byte) * _PRIME) & 0xFFFFFFFF
    return seed


def equal_ignoring_hash(template_a: Mapping[str, Any], template_b: Mapping[str, Any]) -> bool:
    """Whether two PodTemplateSpecs are the same but for their pod-template-hash label, as `EqualIgnoreHash`.

    As `apiequality.Semantic`: missing, null and empty maps and lists are equal, quantities compare by amount.
    """
    if template_a == template_b:
        return True
    return bool(_normal(_without_hash(template_a)) == _normal(_without_hash(template_b)))


def _without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _normal(value: Any, parent: str = "", field: str = "") -> Any:
    """The value with one spelling for all that is equal."""
    if isinstance(value, Mapping):
        items = ((key, _normal(each, field, key)) for key, each in value.items())
        return {key: each for key, each in items if _is_present(key, each)}
    if isinstance(value, list | tuple):
        return [_normal(each) for each in value]
    if parent in _QUANTITY_MAPS or (parent, field) in _QUANTITY_FIELDS:
        return _normal_quantity(value)
    return value


def _is_present(field: str, normal: Any) -> bool:
    if isinstance(normal, dict):
        return bool(normal) or field in _OPTIONAL_STRUCTS
    return normal is not None and normal != []


def _normal_quantity(value: Any) -> Any:
    try:
        return f"{quantity.nanos(value)}n"
    except ValueError:
        return value
