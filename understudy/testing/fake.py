"""An API server in memory, for scenario tests in virtual time: deterministic, without sockets, threads or waiting.

`FakeApi` is one cluster's state behind the REST interface; `transport()` connects any number of clients, each with its
own faults. It keeps the rules a control loop can notice (revisions, conflicts, defaults, finalizers, grace, watches,
410) and leaves out the rest: no validation of specs, no server-side apply, no managedFields, no authorization. What it
answers was compared with kube-apiserver v1.34; the rules stand in the sibling modules `fake_*`.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from understudy.api.transport import Answer
from understudy.errors import ApiError, api_error
from understudy.testing.fake_discovery import discover
from understudy.testing.fake_kinds import Resource
from understudy.testing.fake_refusals import status_body
from understudy.testing.fake_request import is_set, parse, query_of
from understudy.testing.fake_server import Server
from understudy.testing.fake_state import Change, State, copied
from understudy.testing.fake_transport import FakeTransport
from understudy.testing.fake_watch import Watcher, check_watch
from understudy.testing.fake_write import Admit
from understudy.testing.faults import Faults

Json = dict[str, Any]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_encode = msgspec.json.Encoder().encode


class Call(NamedTuple):
    """One request in the log; status 0: it never got to the server."""

    method: str
    path: str
    user: str
    status: int


def loop_clock() -> datetime:
    """The first moment of 2026 plus the running event loop's time, hence virtual under looptime."""
    try:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())
    except RuntimeError:
        return EPOCH


class FakeApi:
    """`seed` chooses uids and generated names; `clock` dates the objects.

    `check_namespaces`: refuse creates in namespaces that are missing. `streamed_lists`: know WatchList, as servers
    since 1.34 do by default.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Callable[[], datetime] = loop_clock,
        check_namespaces: bool = True,
        streamed_lists: bool = True,
    ) -> None:
        self.log: list[Call] = []
        self.down = False
        self.streamed_lists = streamed_lists
        self._state = State(random.Random(seed), clock)
        self._state.check_namespaces = check_namespaces
        self._server = Server(self._state)
        self._watchers: list[Watcher] = []
        for name in SYSTEM_NAMESPACES:
            self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.log.clear()

    # For tests: set up, act as another writer, look

    @property
    def revision(self) -> int:
        """The revision of the last write."""
        return self._state.revision

    @property
    def admission(self) -> list[Admit]:
        """Plugins asked on every create and update: each may change the object, or raise ApiError to refuse."""
        return self._server.admission

    def serve(
        self,
        api: str,
        plural: str,
        kind: str,
        *,
        namespaced: bool = True,
        status: bool = True,
        scale: bool = False,
    ) -> Resource:
        """Serve a further resource, with the rules of a custom resource."""
        resource = Resource(
            api, plural, kind, namespaced=namespaced, status=status, scale=scale, builtin=False, unguarded=False
        )
        self._server.resources.append(resource)
        return resource

    def transport(self, name: str = "a", faults: Faults | None = None) -> FakeTransport:
        """A new client's connection; `name` is its user in the log."""
        return FakeTransport(self, name, faults or Faults())

    def apply(self, obj: Mapping[str, Any]) -> Json:
        """Create the object or replace it whatever its revision, status included; namespace "default" if none.

        Raises ApiError.
        """
        body = copied(dict(obj))
        resource, meta = self._resource_of(body), body["metadata"]
        meta.pop("uid", None)
        meta.pop("resourceVersion", None)
        path = _path(resource, meta.get("namespace", "default"))
        held = self.get(resource.id, meta.get("name", ""), meta.get("namespace", "default"))
        if held is None:
            made = self._write("POST", path, body)
        else:
            meta["resourceVersion"] = held["metadata"]["resourceVersion"]
            made = self._write("PUT", f"{path}/{meta['name']}", body)
        return self._with_status(resource, path, made, body.get("status"))

    def delete(self, plural: str, name: str, namespace: str = "default", **options: Any) -> Json:
        """DELETE with `options` as in metav1.DeleteOptions; answers the object or a Status. Raises ApiError."""
        return self._write("DELETE", f"{_path(self.resource(plural), namespace)}/{name}", options)

    def get(self, plural: str, name: str, namespace: str = "default") -> Json | None:
        """A copy of an object; None if there is none."""
        resource = self.resource(plural)
        obj = self._state.get(resource, namespace if resource.namespaced else "", name)
        return None if obj is None else copied(obj)

    def objects(self, plural: str, namespace: str = "") -> list[Json]:
        """Copies of all objects of a resource, in the order of namespace and name."""
        return [copied(obj) for obj in self._state.all(self.resource(plural), namespace)]

    def resource(self, plural: str) -> Resource:
        """The resource of that plural, the core group's first, or of "deployments.apps". Raises KeyError."""
        for each in self._server.resources:
            if plural in (each.id, each.plural):
                return each
        raise KeyError(f"{plural} is not served: call api.serve() first")

    def on_change(self, plural: str, hook: Callable[[Change], None]) -> Callable[[], None]:
        """Call `hook` with each change, in mid write (so it must not write itself); returns what ends that."""
        return self._state.subscribe(self.resource(plural), hook)

    # For tests: the server's life

    def compact(self) -> None:
        """Forget the past: a watch from an older revision gets 410, and so does an unfinished paged list."""
        self._state.compact()
        self._server.pages.forget()

    def stop(self) -> None:
        """The server dies: all streams are cut and connections refused, until `restart`."""
        self.down = True
        for watcher in self._watchers:
            watcher.end(broken=True)
        self._watchers.clear()

    def restart(self) -> None:
        """The server dies, if it has not yet, and is back knowing only the present: resumed watches get 410."""
        self.stop()
        self._state.skip_revision()
        self.compact()
        self.down = False

    # For transports: the server itself

    def handle(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        user: str = "test",
    ) -> Answer:
        """Answer any request but a watch."""
        try:
            status, document = self._reply(method, path, body, content_type, accept, user)
        except ApiError as error:
            return self._refusal(error, method, path, user)
        self.note(method, path, user, status)
        return Answer(status, document.encode() if isinstance(document, str) else _encode(document))

    def open(self, path: str, *, accept: str = "application/json", user: str = "test") -> Watcher | Answer:
        """Start a watch; or the answer that refuses it, or that to a GET which is no watch."""
        if not is_set(query_of(path), "watch"):
            return self.handle("GET", path, accept=accept, user=user)
        try:
            request = parse(self._server.resources, "GET", path, None, accept=accept, user=user)
            check_watch(request, streamed_lists=self.streamed_lists)
        except ApiError as error:
            return self._refusal(error, "GET", path, user)
        self.note("GET", path, user, 200)
        watcher = Watcher(self._state, request)
        self._watchers = [*(each for each in self._watchers if not each.ended), watcher]
        return watcher

    def note(self, method: str, path: str, user: str, status: int) -> None:
        """Add a line to the log."""
        self.log.append(Call(method, path, user, status))

    # Inside

    def _reply(
        self, method: str, path: str, body: bytes | None, content_type: str, accept: str, user: str
    ) -> tuple[int, Json | str]:
        if method == "GET":
            document = discover(self._server.resources, path, accept)
            if document is not None:
                return 200, document
        request = parse(self._server.resources, method, path, body, content_type=content_type, accept=accept, user=user)
        return self._server.serve(request)

    def _refusal(self, error: ApiError, method: str, path: str, user: str) -> Answer:
        self.note(method, path, user, error.status)
        return Answer(error.status, _encode(status_body(error)), error.retry_after)

    def _resource_of(self, obj: Json) -> Resource:
        for each in self._server.resources:
            if (each.api, each.kind) == (obj.get("apiVersion"), obj.get("kind")):
                return each
        raise KeyError(f"{obj.get('apiVersion')} {obj.get('kind')} is not served: call api.serve() first")

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        answer = self.handle(method, path, _encode(body))
        document: Json = msgspec.json.decode(answer.body)
        if answer.status >= 400:
            raise api_error(answer.status, document.get("reason", ""), document["message"], document.get("details"))
        return document

    def _with_status(self, resource: Resource, path: str, made: Json, status: Json | None) -> Json:
        meta = made["metadata"]
        if not status or not resource.status or self.get(resource.id, meta["name"], meta.get("namespace", "")) is None:
            return made
        return self._write("PUT", f"{path}/{meta['name']}/status", made | {"status": status})


def _path(resource: Resource, namespace: str) -> str:
    root = "/api/v1" if resource.api == "v1" else f"/apis/{resource.api}"
    return f"{root}/namespaces/{namespace}/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"
