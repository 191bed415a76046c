"""GET and LIST of the in-memory API server: selectors, pages, metadata-only answers.

Called by `fake.FakeApi` and, for the selection, `fake_watch`. Answers to apiserver pkg/storage/selection_predicate.go
and pkg/endpoints/handlers/get.go; a list is always consistent, whatever resourceVersion was asked for.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from understudy.testing import fake_refusals as refuse
from understudy.testing.fake_kinds import Resource
from understudy.testing.fake_request import Request
from understudy.testing.fake_state import State, key_of
from understudy.values import selector

Json = dict[str, Any]
Wanted = Callable[[Json], bool]


def selection(request: Request) -> Wanted | None:
    """Which objects the label and field selectors choose; None for all. Raises ApiError 400."""
    tests: list[Wanted] = []
    if request.query.get("labelSelector"):
        tests.append(_by_labels(request.query["labelSelector"]))
    if request.query.get("fieldSelector"):
        tests += _by_fields(request.resource, request.query["fieldSelector"])
    if not tests:
        return None
    return lambda obj: all(test(obj) for test in tests)


def _by_labels(text: str) -> Wanted:
    try:
        chosen = selector.parse(text)
    except ValueError as error:
        raise refuse.bad_request(f"unable to parse requirement: {error}") from None
    return lambda obj: chosen.matches(obj["metadata"].get("labels") or {})


def _by_fields(resource: Resource, text: str) -> list[Wanted]:
    return [_by_field(resource, term) for term in text.split(",") if term]


def _by_field(resource: Resource, term: str) -> Wanted:
    field, sign, value = term.partition("=")
    if not sign:
        raise refuse.bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    differs = field.endswith("!")
    path, value = field.rstrip("!"), value.removeprefix("=")
    if path not in ("metadata.name", "metadata.namespace", *resource.fields):
        raise refuse.bad_request(f"field label not supported: {path}")
    return lambda obj: (_text_at(obj, path) == value) != differs


def _text_at(obj: Any, path: str) -> str:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)


def metadata_of(obj: Json) -> Json:
    """The PartialObjectMetadata of an object; anything without a uid (a Status) is left as it is."""
    if "uid" not in obj.get("metadata", {}):
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


class Pages:
    """LIST, and the rest of lists that were cut into pages: each continue token keeps its snapshot."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rest: dict[str, tuple[int, list[Json]]] = {}

    def page(self, request: Request) -> Json:
        """The list, or the page of it that `limit` and `continue` ask for. Raises ApiError 400, 410, 504."""
        token = request.query.get("continue", "")
        if token:
            revision, items = self._resumed(token)
        else:
            revision, items = self._state.revision, self._chosen(request)
        limit = int(request.query.get("limit") or 0)
        meta: Json = {"resourceVersion": str(revision)}
        if limit and len(items) > limit:
            meta["continue"] = self._kept(revision, items[limit - 1], items[limit:])
            if selection(request) is None:
                meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        return _list_body(request, meta, items)

    def forget(self) -> None:
        """All continue tokens are too old now."""
        self._rest.clear()

    def _chosen(self, request: Request) -> list[Json]:
        _check_revision(self._state, request.query)
        wanted = selection(request)
        items = self._state.all(request.resource, request.namespace)
        return items if wanted is None else [obj for obj in items if wanted(obj)]

    def _kept(self, revision: int, last: Json, rest: list[Json]) -> str:
        token = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"/{key_of(last)}\0"}
        text = base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")
        self._rest[text] = (revision, rest)
        return text

    def _resumed(self, token: str) -> tuple[int, list[Json]]:
        if token in self._rest:
            return self._rest[token]
        try:
            msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except ValueError:
            raise refuse.bad_request("invalid continue token: continue key is not valid") from None
        raise refuse.page_expired()


def _check_revision(state: State, query: Mapping[str, str]) -> None:
    asked = int(query.get("resourceVersion") or 0)
    if asked > state.revision:
        raise refuse.too_new(asked, state.revision)


def _list_body(request: Request, meta: Json, items: list[Json]) -> Json:
    resource = request.resource
    if request.partial:
        shown = [metadata_of(obj) for obj in items]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return kind | {"metadata": meta, "items": shown}
    if resource.builtin:
        items = [{key: obj[key] for key in obj if key not in ("kind", "apiVersion")} for obj in items]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api, "metadata": meta, "items": items}
