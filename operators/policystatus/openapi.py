"""The server's OpenAPI v3 documents: which kind a resource is of, and the schema of a kind.

Asked for by the controller, one document for each group and version it needs, and only when a policy is checked. It
answers to apiserver pkg/cel/openapi/resolver (discovery.go, refs.go) and, for resources, to its REST mapper.
"""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from understudy.errors import NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.plan.steps import Get, Step

Schema = Mapping[str, Any]

_REFS = "#/components/schemas/"
_GVK = "x-kubernetes-group-version-kind"


class GroupVersion(NamedTuple):
    group: str
    version: str

    @property
    def place(self) -> str:
        """Its path on the server, without the first slash."""
        return f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"


class GroupVersionKind(NamedTuple):
    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


@dataclass(frozen=True, slots=True)
class _Documents(Kind[Obj]):
    """No resource of the API: it gives a `Get` the path of a document."""

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:  # noqa: ARG002 - of its class
        return f"/openapi/v3/{name}"


_DOCUMENTS = _Documents("v3", "openapi", "OpenAPI", Obj, namespaced=False)


@dataclass(frozen=True, slots=True)
class Document:
    """What the server says about one group and version."""

    of: GroupVersion
    content: Mapping[str, Any]

    def kind_of(self, resource: str) -> GroupVersionKind | None:
        """The kind of `resource`, a plural; None if there is no such resource."""
        paths = self.content.get("paths", {})
        for inside in ("", "namespaces/{namespace}/"):
            for operation in paths.get(f"/{self.of.place}/{inside}{resource}", {}).values():
                if isinstance(operation, Mapping) and _GVK in operation:
                    return GroupVersionKind(*self.of, operation[_GVK]["kind"])
        return None

    def schema_of(self, gvk: GroupVersionKind) -> Schema | None:
        """The schema of that kind, references and all."""
        wanted = gvk._asdict()
        return next((each for each in self.schemas.values() if wanted in each.get(_GVK, ())), None)

    @property
    def schemas(self) -> Mapping[str, Schema]:
        found: Mapping[str, Schema] = self.content.get("components", {}).get("schemas", {})
        return found

    def named(self, reference: str) -> Schema | None:
        """What a `$ref` stands for."""
        return self.schemas.get(reference.removeprefix(_REFS))


def fetch(wanted: Iterable[GroupVersion]) -> Generator[Step, Any, dict[GroupVersion, Document]]:
    """The documents the server has of those. Raises ApiError."""
    found = {}
    for each in sorted({*wanted}):
        try:
            content = yield Get(_DOCUMENTS, "", each.place, "the types of what the policy is about", raw=True)
        except NotFound:
            continue
        found[each] = Document(each, content)
    return found


def reference_in(schema: Schema) -> str:
    """The `$ref` a schema is made of, also one wrapped in `allOf` to give it a description; "" if none."""
    found: str = schema.get("$ref", "")
    return found or next((ref for each in schema.get("allOf", ()) if (ref := reference_in(each))), "")
