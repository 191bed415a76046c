"""Which resources a server offers, and how people name them: "deployment", "deploy", "Deployment", "deployments.apps".

`understudy.testing.client` fills it from discovery (`/api/v1`, `/apis/GROUP/VERSION`: APIResourceList) and asks it for
paths. Answers to kubectl's way of finding a resource by plural, singular, kind, short name, with or without the group.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]


class Resource(NamedTuple):
    """`api` is "v1" or "apps/v1"; `names` holds all names in lower case, without the group."""

    api: str
    plural: str
    kind: str
    namespaced: bool
    names: frozenset[str]

    @property
    def group(self) -> str:
        return self.api.rpartition("/")[0]

    def path(self, namespace: str | None, name: str = "") -> str:
        """The path of one object, or of the collection; all namespaces' for None."""
        root = f"/apis/{self.api}" if self.group else f"/api/{self.api}"
        within = f"/namespaces/{namespace}" if self.namespaced and namespace is not None else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


def read(listing: Json) -> list[Resource]:
    """The resources of an APIResourceList, without subresources."""
    return [_resource(listing["groupVersion"], each) for each in listing["resources"] if "/" not in each["name"]]


def find(resources: Iterable[Resource], word: str) -> Resource | None:
    """The first that goes by that name; "widgets.example.com" asks for the group too."""
    name, dot, group = word.lower().partition(".")
    for each in resources:
        if name in each.names and (not dot or each.group == group):
            return each
    return None


def of(resources: Iterable[Resource], api: str, kind: str) -> Resource | None:
    """The one that serves objects of that apiVersion and kind."""
    return next((each for each in resources if (each.api, each.kind) == (api, kind)), None)


def _resource(api: str, entry: Json) -> Resource:
    names = {entry["name"], entry.get("singularName", ""), entry["kind"].lower(), *entry.get("shortNames", ())}
    return Resource(api, entry["name"], entry["kind"], entry["namespaced"], frozenset(names - {""}))
