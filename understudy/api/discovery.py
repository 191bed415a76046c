"""Which resources the server offers, by aggregated discovery: two requests, however many groups (KEP-3352).

Used by the loops that deal with every resource there is: garbage collector, namespace, quota.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from understudy.api.client import Client
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Obj

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class _ResponseKind(Struct):
    kind: str = ""


class _Resource(Struct):
    resource: str
    scope: str
    verbs: list[str] = []
    responseKind: _ResponseKind | None = None  # noqa: N815 - the server's name


class _Version(Struct):
    version: str
    resources: list[_Resource] = []
    freshness: str = "Current"


class _Meta(Struct, frozen=True):
    name: str = ""


class _Group(Struct):
    versions: list[_Version]
    metadata: _Meta = _Meta()


class _Groups(Struct):
    items: list[_Group]


class Discovered(Struct):
    """`stale` names the group-versions whose (aggregated) server did not answer: their resources are not known now."""

    resources: list[Resource]
    stale: list[str]


async def discover(client: Client) -> Discovered:
    """Every resource, each in its group's preferred version. Raises ApiError, Lost."""
    found: dict[str, Resource] = {}
    stale: list[str] = []
    for root in ("/api", "/apis"):
        groups = await client.ask("GET", root, _Groups, accept=ACCEPT)
        for group, version in _versions(groups.items):
            api = f"{group}/{version.version}" if group else version.version
            if version.freshness == "Stale":
                stale.append(api)
            for resource in _resources(api, version.resources):
                found.setdefault(resource.kind.id, resource)
    return Discovered(list(found.values()), stale)


def _versions(groups: Iterable[_Group]) -> Iterable[tuple[str, _Version]]:
    return ((group.metadata.name, version) for group in groups for version in group.versions)


def _resources(api: str, entries: Iterable[_Resource]) -> Iterable[Resource]:
    for entry in entries:
        kind_name = entry.responseKind.kind if entry.responseKind else ""
        namespaced = entry.scope == "Namespaced"
        kind: Kind[Any] = Kind(api, entry.resource, kind_name, Obj, namespaced, metadata_only=True)
        yield Resource(kind, frozenset(entry.verbs))
