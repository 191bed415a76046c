"""Discovery on the in-memory API server: /api, /apis (plain and aggregated), /version and the health endpoints.

Called by `fake.FakeApi` for every path that names no resource. Answers to apiserver pkg/endpoints/discovery and
KEP-3352 (aggregated discovery).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from understudy.testing.fake_kinds import Resource

Json = dict[str, Any]

AGGREGATED = "as=APIGroupDiscoveryList"
VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.4",
    "gitTreeState": "clean",
    "platform": "linux/amd64",
}
_HEALTH = ("/readyz", "/livez", "/healthz")
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discover(resources: Sequence[Resource], path: str, accept: str) -> Json | str | None:
    """The document (or, for health, the text) at that path; None if there is none."""
    path = path.partition("?")[0].rstrip("/")
    if path in _HEALTH:
        return "ok"
    if path == "/version":
        return dict(VERSION)
    if path == "/api":
        core = [each for each in resources if not each.group]
        return _aggregated(core) if AGGREGATED in accept else {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        grouped = [each for each in resources if each.group]
        return _aggregated(grouped) if AGGREGATED in accept else _group_list(grouped)
    api = path.removeprefix("/api/").removeprefix("/apis/")
    served = [each for each in resources if each.api == api]
    return _resource_list(api, served) if served else None


def _groups(resources: Iterable[Resource]) -> dict[str, dict[str, list[Resource]]]:
    groups: dict[str, dict[str, list[Resource]]] = {}
    for each in resources:
        groups.setdefault(each.group, {}).setdefault(each.version, []).append(each)
    return groups


def _aggregated(resources: Iterable[Resource]) -> Json:
    items = []
    for group, versions in _groups(resources).items():
        listed = [
            {"version": version, "resources": [_entry(each) for each in served], "freshness": "Current"}
            for version, served in versions.items()
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": listed})
    api = "apidiscovery.k8s.io/v2"
    return {"kind": "APIGroupDiscoveryList", "apiVersion": api, "metadata": {}, "items": items}


def _entry(resource: Resource) -> Json:
    entry: Json = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.kind.lower(),
        "verbs": _verbs(resource),
    }
    parts = [
        {"subresource": name, "responseKind": _kind_of(resource, name), "verbs": _subresource_verbs(name)}
        for name in resource.subresources
    ]
    return entry | {"subresources": parts} if parts else entry


def _verbs(resource: Resource) -> list[str]:
    if resource.review:
        return ["create"]
    return [verb for verb in _VERBS if verb != "deletecollection" or resource.id != "namespaces"]


def _subresource_verbs(name: str) -> list[str]:
    return {"binding": ["create"], "finalize": ["update"]}.get(name, ["get", "patch", "update"])


def _kind_of(resource: Resource, subresource: str) -> Json:
    if subresource == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return {"group": "", "version": "", "kind": "Binding" if subresource == "binding" else resource.kind}


def _group_list(resources: Iterable[Resource]) -> Json:
    groups = []
    for group, versions in _groups(resources).items():
        listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        groups.append({"name": group, "versions": listed, "preferredVersion": listed[0]})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resource_list(api: str, resources: Iterable[Resource]) -> Json:
    entries: list[Json] = []
    for each in resources:
        shared = {"namespaced": each.namespaced, "kind": each.kind}
        singular = each.kind.lower()
        entries.append({"name": each.plural, "singularName": singular, **shared, "verbs": _verbs(each)})
        entries += [
            {"name": f"{each.plural}/{name}", "singularName": "", **shared, "verbs": _subresource_verbs(name)}
            for name in each.subresources
        ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": entries}
