"""Whatever can be scaled: the kind a reference names, made ready to ask for its `scale` subresource.

The disruption and the autoscaler loop call this. It answers to the RESTMapper and the scale client
(k8s.io/client-go/scale) that upstream's controllers are handed.
"""

from collections.abc import Generator
from typing import Any

from understudy.errors import NotFound
from understudy.kinds.autoscaling import Scale
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.plan.steps import Get, Step
from understudy.state.view import View


def scaled_kind(api: str, kind: str, view: View) -> Generator[Step, Any, Kind[Scale] | None]:
    """The kind of that name in the group of `api`, its objects read as their Scale; None if there is none."""
    found = resource_of(api, kind, view)
    if found is None:
        found = yield from _discovered(api, kind)
    return None if found is None else Kind(found.api, found.plural, found.kind, Scale, found.namespaced)


def resource_of(api: str, kind: str, view: View) -> Kind[Obj] | None:
    """The kind of that name in the group of `api`, by the last discovery; its version may be another one."""
    group = api.rpartition("/")[0]
    return next(
        (each.kind for each in view.resources if (each.kind.kind, each.kind.group) == (kind, group)),
        None,
    )


def served(api: str, why: str) -> Generator[Step, Any, list[tuple[str, str]]]:
    """Name and kind of each resource and subresource of a group and version; none if it is not served."""
    version: Kind[Any] = Kind(api, "", "APIResourceList", Obj, namespaced=False)
    try:
        listed = yield Get(version, "", "", why=why, raw=True)
    except NotFound:
        return []
    return [(each["name"], each["kind"]) for each in listed.get("resources") or ()]


def _discovered(api: str, kind: str) -> Generator[Step, Any, Kind[Obj] | None]:
    """The same by the server itself: it may be served since a moment ago."""
    for name, its_kind in (yield from served(api, why=f"whether there is a {kind} now")):
        if its_kind == kind and "/" not in name:
            return Kind(api, name, kind, Obj)
    return None
