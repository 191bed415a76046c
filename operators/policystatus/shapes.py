"""What CEL knows of an object: shapes made from OpenAPI schemas, and those of the request and its namespace.

Pure data between the documents and the checker. It answers to SchemaDeclType in apiserver pkg/cel/common/schemas.go,
to Escape in pkg/cel/escaping.go, and to BuildRequestType and BuildNamespaceType in pkg/admission/plugin/cel.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from understudy.operators.policystatus.openapi import Document, Schema, reference_in

Plain = Literal["int", "double", "bool", "string", "bytes", "timestamp", "duration", "dyn"]


@dataclass(frozen=True, slots=True)
class ListOf:
    of: "Shape"


@dataclass(frozen=True, slots=True)
class MapOf:
    """Keys are strings."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Struct:
    """`name` is what messages call it."""

    name: str
    fields: Mapping[str, "Shape"]


Shape = Plain | ListOf | MapOf | Struct

_PLAIN: Mapping[str, Plain] = {"boolean": "bool", "number": "double", "integer": "int", "string": "string"}
_FORMATS: Mapping[str, Plain] = {
    "byte": "bytes",
    "duration": "duration",
    "date": "timestamp",
    "date-time": "timestamp",
}
_ALWAYS: Mapping[str, Shape] = {"kind": "string", "apiVersion": "string"}
_NAMES: Mapping[str, Shape] = {"name": "string", "generateName": "string"}
_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


def root(schema: Schema, document: Document, name: str) -> Shape | None:
    """The shape of a whole object of the kind `name`."""
    return _Reader(document).shape(schema, name, whole=True)


class _Reader:
    """Follows references in one document; a circle ends in an object without fields."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[str] = []

    def shape(self, schema: Schema, name: str, *, whole: bool = False) -> Shape | None:
        """The shape of a value; None if it has none that expressions may rely on."""
        reference = reference_in(schema)
        if not reference:
            return self._resolved(schema, name, whole)
        if reference in self._open:
            return Struct(name, {})
        self._open.append(reference)
        try:
            return self._resolved(self._document.named(reference) or {}, name, whole)
        finally:
            self._open.pop()

    def _resolved(self, schema: Schema, name: str, whole: bool) -> Shape | None:
        kind = schema.get("type", "")
        if _is_of_several_types(schema):
            return "dyn"
        if kind == "array":
            return self._list(schema, name)
        if kind == "object" or whole:
            return self._object(schema, name, whole or bool(schema.get("x-kubernetes-embedded-resource")))
        if kind == "string":
            return _FORMATS.get(schema.get("format", ""), "string")
        return _PLAIN.get(kind)

    def _list(self, schema: Schema, name: str) -> Shape | None:
        of = self.shape(schema.get("items", {}), f"{name}.@idx")
        return ListOf(of) if of is not None else None

    def _object(self, schema: Schema, name: str, whole: bool) -> Shape | None:
        rest = schema.get("additionalProperties")
        if isinstance(rest, Mapping) and not whole:
            of = self.shape(rest, f"{name}.@elem")
            return MapOf(of) if of is not None else None
        fields = {}
        for each, value in schema.get("properties", {}).items():
            field = escaped(each)
            if field and (shape := self.shape(value, f"{name}.{field}")) is not None:
                fields[field] = shape
        return Struct(name, _with_identity(fields, name) if whole else fields)


def _with_identity(fields: dict[str, Shape], name: str) -> dict[str, Shape]:
    """Every whole object has a kind, a version and a name, whatever its schema says."""
    metadata = fields.get("metadata")
    if isinstance(metadata, Struct) and _NAMES.keys() <= metadata.fields.keys() and _ALWAYS.keys() <= fields.keys():
        return fields
    return {**fields, **_ALWAYS, "metadata": Struct(f"{name}.metadata", _NAMES)}


def _is_of_several_types(schema: Schema) -> bool:
    """An int-or-string, or a quantity: what it is shows at run time."""
    named = schema.get("format") == "int-or-string" or bool(schema.get("x-kubernetes-int-or-string"))
    return named or ("type" not in schema and "oneOf" in schema)


def escaped(name: str) -> str:
    """The name of a property as expressions write it; "" if they cannot."""
    if name in _RESERVED:
        return f"__{name}__"
    if not re.fullmatch(r"[a-zA-Z_./-][\w./-]*", name, re.ASCII):
        return ""
    return re.sub(r"__|[./-]", lambda found: _ESCAPES[found[0]], name)


_TEXTS = ListOf("string")
_GVK = Struct("kubernetes.GroupVersionKind", dict.fromkeys(("group", "version", "kind"), "string"))
_GVR = Struct("kubernetes.GroupVersionResource", dict.fromkeys(("group", "version", "resource"), "string"))
_USER = Struct("kubernetes.UserInfo", {"username": "string", "uid": "string", "groups": _TEXTS, "extra": MapOf(_TEXTS)})
REQUEST = Struct(
    "kubernetes.AdmissionRequest",
    {
        "kind": _GVK,
        "resource": _GVR,
        "subResource": "string",
        "requestKind": _GVK,
        "requestResource": _GVR,
        "requestSubResource": "string",
        "name": "string",
        "namespace": "string",
        "operation": "string",
        "userInfo": _USER,
        "dryRun": "bool",
        "options": "dyn",
    },
)
_CONDITION = Struct(
    "kubernetes.NamespaceCondition",
    {**dict.fromkeys(("status", "type", "message", "reason"), "string"), "lastTransitionTime": "timestamp"},
)
_METADATA = Struct(
    "kubernetes.NamespaceMetadata",
    {
        **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), "string"),
        "labels": MapOf("string"),
        "annotations": MapOf("string"),
        "creationTimestamp": "timestamp",
        "deletionTimestamp": "timestamp",
        "deletionGracePeriodSeconds": "int",
        "generation": "int",
        "finalizers": _TEXTS,
    },
)
NAMESPACE = Struct(
    "kubernetes.Namespace",
    {
        "metadata": _METADATA,
        "spec": Struct("kubernetes.NamespaceSpec", {"finalizers": _TEXTS}),
        "status": Struct("kubernetes.NamespaceStatus", {"conditions": ListOf(_CONDITION), "phase": "string"}),
    },
)
