"""What a kind is to the machinery: where its objects live on the API server and which struct they decode into.

Constants of this type (`PODS`, `DEPLOYMENTS`, …) stand in the sibling modules; kinds known only from discovery are
made at run time with `Obj` as their struct.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from understudy.kinds.meta import Obj

T = TypeVar("T", bound=Obj)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """`api` is the group and version ("v1", "apps/v1"); `plural` the resource; `kind` the name in manifests.

    Of it follow `group` ("" for the core group) and `id`: group-resource, as kubectl writes it ("pods",
    "deployments.apps"), the same for every served version. They are kept, since every look into a view asks for one.
    """

    api: str
    plural: str
    kind: str
    type: type[T]
    namespaced: bool = True
    metadata_only: bool = False
    group: str = field(init=False, repr=False, compare=False)
    id: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        group = self.api.rpartition("/")[0]
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "id", f"{self.plural}.{group}" if group else self.plural)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of one object, or of its subresource."""
        parts = ["/api/v1" if self.api == "v1" else f"/apis/{self.api}"]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource met by discovery: its kind, metadata only, and the verbs the server lets one use on it."""

    kind: Kind[Obj]
    verbs: frozenset[str]
