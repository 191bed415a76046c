"""A request as the in-memory API server understands it: which resource, which object, what about it.

Made from method, path and body by `parse`, used by every `fake_*` module. Answers to apiserver
pkg/endpoints/request/requestinfo.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from understudy.testing.fake_kinds import Resource
from understudy.testing.fake_refusals import bad_request, not_served, wrong_method

Json = dict[str, Any]
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Request:
    """`namespace` and `name` are "" where the path has none; `body` is decoded JSON, None if there is none."""

    method: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    user: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def verb(self) -> str:
        """As authorization and audit name it: get, list, watch, create, update, patch, delete, deletecollection."""
        if self.method == "GET" and not self.name:
            return "watch" if is_set(self.query, "watch") else "list"
        if self.method == "DELETE" and not self.name:
            return "deletecollection"
        return {"GET": "get", "POST": "create", "PUT": "update"}.get(self.method, self.method.lower())

    @property
    def partial(self) -> bool:
        """Whether only metadata is asked for."""
        return "as=PartialObjectMetadata" in self.accept

    @property
    def document(self) -> Json:
        """The body, which must be an object. Raises ApiError 400."""
        if not isinstance(self.body, dict):
            raise bad_request("the body of the request is not a JSON object")
        return self.body


def is_set(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("1", "true", "True")


def query_of(path: str) -> dict[str, str]:
    return dict(parse_qsl(path.partition("?")[2], keep_blank_values=True))


def parse(
    resources: Iterable[Resource],
    method: str,
    path: str,
    body: bytes | None,
    *,
    content_type: str = "application/json",
    accept: str = "application/json",
    user: str = "",
) -> Request:
    """The request of that method and path. Raises ApiError 404 for what is not served, 405, 400."""
    api, parts = _split(path)
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = [*parts, "", "", ""][:3]
    resource = next((each for each in resources if (each.api, each.plural) == (api, plural)), None)
    if resource is None or len(parts) > 3 or (namespace and not resource.namespaced):
        raise not_served()
    if (subresource and subresource not in resource.subresources) or (name and resource.namespaced and not namespace):
        raise not_served()
    request = Request(
        method,
        resource,
        namespace,
        name,
        subresource,
        query_of(path),
        _decoded(body),
        content_type,
        accept,
        user,
    )
    _allowed(request)
    return request


def _split(path: str) -> tuple[str, list[str]]:
    parts = [unquote(part) for part in path.partition("?")[0].split("/") if part]
    if parts[:1] == ["api"]:
        return "/".join(parts[1:2]), parts[2:]
    return "/".join(parts[1:3]), parts[3:]


def _decoded(body: bytes | None) -> Any:
    if not body:
        return None
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def _allowed(request: Request) -> None:
    on_object = {"GET", "PUT", "PATCH", "DELETE"}
    allowed = {"GET", "POST", "DELETE"}
    if request.subresource:
        allowed = {"binding": {"POST"}, "finalize": {"PUT"}}.get(request.subresource, on_object - {"DELETE"})
    elif request.name:
        allowed = on_object
    if request.resource.namespaced and not request.namespace:
        allowed = {"GET"}
    if request.method not in allowed:
        raise wrong_method()
