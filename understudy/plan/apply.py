"""The only writer: plays a decision step by step against the API server and tells the stores each answer.

Slow start, exactly-once creates, delete preconditions, rights and read-your-writes live here once, for every loop.
Called by `loop.runner`; the scheduler's bind path uses it for everything but the binding itself.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from understudy.api.client import MERGE, METADATA, METADATA_LIST, STRATEGIC, Client, decoder
from understudy.api.transport import Lost
from understudy.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound, PartlyDone
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, ObjectMeta, controller_of
from understudy.loop.controller import Right
from understudy.plan.doubt import ATTEMPTS, is_doubtful, look, pauses
from understudy.plan.explain import Record
from understudy.plan.steps import (
    Create,
    Delete,
    DeleteCollection,
    Event,
    Get,
    List,
    Patch,
    Remember,
    Replace,
    Requeue,
    Step,
    Together,
)
from understudy.plan.window import IN_FLIGHT, Window
from understudy.state.store import Store
from understudy.values.names import generate


class Recorder(Protocol):
    """Where events go: `plan.events.Recorder`."""

    def record(self, event: Event, source: str) -> None: ...


class Playable(Protocol):
    """A decision, as far as it is played: a generator has these two."""

    def send(self, answer: Any, /) -> Step: ...
    def throw(self, error: Exception, /) -> Step: ...


class NotAllowed(Exception):
    """A decision asked for a write its controller did not declare: a bug in that controller, so it cannot catch it."""


class _Gone(Struct):
    """The answer to a DELETE, as far as one reads it before knowing what it is: an object, or a Status."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


class _Items(Struct):
    items: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class Writer:
    """On whose behalf: the event source, the rights it declared, and how to ask for another look later."""

    source: str
    rights: frozenset[tuple[str, str, str]]
    requeue: Callable[[float], None]
    record: Record


def allowances(rights: tuple[Right, ...]) -> frozenset[tuple[str, str, str]]:
    """(verb, group, resource) triples; "*" as group and resource is every resource there is."""
    return frozenset((verb, right.group, right.resource) for right in rights for verb in right.verbs)


class Applier:
    """One a process. Raises what a step met, as ApiError or Lost, unless the decision catches it."""

    def __init__(
        self,
        client: Client,
        stores: Mapping[str, Store[Any]],
        events: Recorder,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._stores = stores
        self._events = events
        self._rng = rng or random.Random()

    async def play(self, decision: Playable, writer: Writer) -> None:
        """Run `decision` to its end, answering each step or throwing into it what the step met."""
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                step = decision.throw(error) if error is not None else decision.send(answer)
            except StopIteration:
                return
            answer = error = None
            writer.record.note(step)
            try:
                answer = await self.perform(step, writer)
            except (ApiError, Lost, PartlyDone) as met:
                error = met

    async def perform(self, step: Step, writer: Writer) -> Any:
        """Do that one step; its answer. For those who play decisions with further steps of their own."""
        match step:
            case Event():
                self._events.record(step, writer.source)
            case Requeue(after):
                writer.requeue(after)
            case Remember():
                self._remember(step)
            case Together(steps, slow_start):
                return await self._together(steps, slow_start, writer)
            case Get():
                return await self._get(step)
            case List():
                return await self._list(step)
            case _:
                return await self._write(step, writer)
        return None

    async def _write(self, step: Create | Patch | Replace | Delete | DeleteCollection, writer: Writer) -> Any:
        match step:
            case Create():
                _check(writer, "create", step.kind, step.subresource)
                return await self._create(step)
            case Patch():
                _check(writer, "patch", step.kind, step.subresource)
                return await self._patch(step)
            case Replace():
                _check(writer, "update", step.kind, step.subresource)
                return await self._replace(step)
            case Delete():
                _check(writer, "delete", step.kind, "")
                return await self._delete(step)
            case DeleteCollection():
                _check(writer, "deletecollection", step.kind, "")
                return await self._delete_collection(step)

    # Many at once

    async def _together(self, steps: Sequence[Create | Delete | Patch], slow_start: bool, writer: Writer) -> list[Any]:
        width = 1 if slow_start else IN_FLIGHT
        return await Window(len(steps), lambda number: self._write(steps[number], writer), width).run()

    # One at a time

    async def _create(self, step: Create) -> Any:
        kind = step.kind
        if step.subresource:
            path = kind.path(step.namespace, step.name, step.subresource)
            return await self._client.call("POST", path, step.body)
        body = dict(step.body)
        metadata = dict(body["metadata"])
        prefix = "" if metadata.get("name") else metadata.get("generateName", "")
        body["metadata"] = metadata
        if prefix:
            metadata["name"] = generate(prefix, self._rng)
        new = await self._post(kind, step.namespace, body, prefix)
        self._tell(kind, new)
        return new

    async def _post(self, kind: Kind[Any], namespace: str, body: dict[str, Any], prefix: str) -> Any:
        """POST until the outcome is known, under the same name, so that it is done exactly once."""
        doubt = False
        for pause in islice(pauses(), ATTEMPTS):
            try:
                return await self._client.ask("POST", kind.path(namespace), kind.type, body)
            except (Lost, ApiError) as error:
                doubt = doubt or is_doubtful(error)
                if doubt and (ours := await self._ours(kind, namespace, body)) is not None:
                    return ours
                if isinstance(error, AlreadyExists) and prefix:
                    body["metadata"]["name"], doubt = generate(prefix, self._rng), False
                    continue
                if isinstance(error, Forbidden) and prefix:
                    raise _unnamed(error, body["metadata"]["name"], prefix) from error
                if not isinstance(error, Lost):
                    raise
            await asyncio.sleep(pause)
        what = f"{kind.kind} {namespace}/{body['metadata'].get('name', '')}".rstrip(" /")
        raise Lost(f"{what} could not be created in {ATTEMPTS} attempts")

    async def _ours(self, kind: Kind[Any], namespace: str, body: Mapping[str, Any]) -> Obj | None:
        """The object that an attempt of this very create made; None if there is none, or it is somebody else's."""
        metadata = body["metadata"]
        if "name" not in metadata:  # a review: it leaves nothing behind, and may be asked again
            return None
        found = await look(self._client, kind, namespace, metadata["name"])
        if found is None:
            return None
        wanted = next((ref["uid"] for ref in metadata.get("ownerReferences", ()) if ref.get("controller")), None)
        owner = controller_of(found)
        return found if (owner.uid if owner else None) == wanted else None

    async def _patch(self, step: Patch) -> Any:
        metadata = {**step.body.get("metadata", {}), "uid": step.obj.uid}
        if step.guard == "revision":
            metadata["resourceVersion"] = step.obj.metadata.resourceVersion
        path = step.kind.path(step.obj.namespace, step.obj.name, step.subresource)
        content_type = STRATEGIC if step.strategic else MERGE
        accept = METADATA if step.kind.metadata_only else "application/json"
        body = {**step.body, "metadata": metadata}
        try:
            new: Obj = await self._client.ask(
                "PATCH", path, step.kind.type, body, content_type=content_type, accept=accept
            )
        except Invalid as error:
            if not _about_uid(error):
                raise
            raise Conflict(409, "Conflict", error.message, error.details) from error
        except (Lost, ApiError) as error:
            if is_doubtful(error):
                await self._relearn(step.kind, step.obj)
            raise
        self._tell(step.kind, new)
        if _ended(new):
            self._removed(step.kind, new)
        return new

    async def _replace(self, step: Replace) -> Any:
        metadata = step.body["metadata"]
        path = step.kind.path(metadata.get("namespace", ""), metadata["name"], step.subresource)
        answer = await self._client.call("PUT", path, step.body)
        new = decoder(step.kind.type).decode(answer)
        self._tell(step.kind, new)
        return new

    async def _delete(self, step: Delete) -> None:
        obj = step.obj
        try:
            answer = await self._send_delete(step.kind.path(obj.namespace, obj.name), _delete_options(step))
        except NotFound as error:
            if error.details:  # it is the object that is not there, and not the whole resource
                self._removed(step.kind, obj)
        except Conflict as error:
            if "UID" not in error.message:  # its revision moved on: the caller looks again
                raise
            self._removed(step.kind, obj)  # a namesake stands there
        except (Lost, ApiError) as error:
            if not is_doubtful(error) or not await self._is_going(step.kind, obj):
                raise
        else:
            self._deleted(step.kind, obj, answer)

    async def _send_delete(self, path: str, options: Mapping[str, Any]) -> bytes:
        """DELETE until there is an answer: while the victim still counts, a decision would choose another."""
        for pause in islice(pauses(), ATTEMPTS - 1):
            try:
                return await self._client.call("DELETE", path, options)
            except Lost:
                await asyncio.sleep(pause)
        return await self._client.call("DELETE", path, options)

    async def _is_going(self, kind: Kind[Any], obj: Obj) -> bool:
        """Whether a delete that failed without saying so has deleted `obj`, or begun to, nevertheless."""
        now = await self._relearn(kind, obj)
        return now is None or (now.deleting and not obj.deleting)

    def _deleted(self, kind: Kind[Any], obj: Obj, answer: bytes) -> None:
        """The answer is the object on its way out; or, if it is gone, a Status or the object as it was."""
        left = decoder(_Gone).decode(answer)
        if left.metadata.deletionTimestamp is None or _ended(left):
            self._removed(kind, obj)
        else:
            self._tell(kind, decoder(kind.type).decode(answer))

    async def _delete_collection(self, step: DeleteCollection) -> None:
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if step.propagation is not None:
            options["propagationPolicy"] = step.propagation
        await self._client.call("DELETE", step.kind.path(step.namespace), options)

    async def _get(self, step: Get) -> Any:
        path = step.kind.path(step.namespace, step.name)
        if step.query:
            path = f"{path}?{urlencode(step.query)}"
        if step.raw:
            return msgspec.json.decode(await self._client.call("GET", path))
        accept = METADATA if step.kind.metadata_only else "application/json"
        return await self._client.ask("GET", path, step.kind.type, accept=accept)

    async def _list(self, step: List) -> list[Any]:
        accept = METADATA_LIST if step.kind.metadata_only else "application/json"
        answer = await self._client.ask("GET", step.kind.path(step.namespace), _Items, accept=accept)
        return [decoder(step.kind.type).decode(item) for item in answer.items or ()]

    # Read your writes

    def _remember(self, step: Remember) -> None:
        store = self._stores.get(step.kind.id)
        if store is not None:
            store.remember(step.obj, step.memory)

    def _tell(self, kind: Kind[Any], obj: Obj) -> None:
        store = self._stores.get(kind.id)
        if store is not None and store.kind.type is kind.type:
            store.wrote(obj)

    async def _relearn(self, kind: Kind[Any], obj: Obj) -> Obj | None:
        """Look how `obj` is after a write in doubt, and tell the store; None if it is gone."""
        store = self._stores.get(kind.id)
        if store is None or store.kind.type is not kind.type:
            return obj  # nobody counts on it
        found = await look(self._client, kind, obj.namespace, obj.name)
        if found is None or found.uid != obj.uid:
            self._removed(kind, obj)
            return None
        self._tell(kind, found)
        return found

    def _removed(self, kind: Kind[Any], obj: Obj) -> None:
        store = self._stores.get(kind.id)
        if store is not None:
            store.removed(Key(obj.namespace, obj.name), obj.uid)


def _delete_options(step: Delete) -> dict[str, Any]:
    """This very object, by uid, and if so asked in this very revision."""
    preconditions = {"uid": step.obj.uid}
    if step.unchanged:
        preconditions["resourceVersion"] = step.obj.metadata.resourceVersion
    options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
    if step.grace is not None:
        options["gracePeriodSeconds"] = step.grace
    if step.propagation is not None:
        options["propagationPolicy"] = step.propagation
    return options


def _check(writer: Writer, verb: str, kind: Kind[Any], subresource: str) -> None:
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    on_any = (verb, "*", f"*/{subresource}" if subresource else "*")
    if writer.rights.isdisjoint({(verb, kind.group, resource), (verb, "*", "*"), on_any}):
        raise NotAllowed(f"{writer.source} may not {verb} {resource}: declare it in the controller's `rights`")


def _unnamed(error: Forbidden, name: str, prefix: str) -> Forbidden:
    """The same refusal without the name that was picked here: of a cause that stays, every attempt says the same.

    So Events of it are counted and not multiplied. Upstream leaves naming to the server, which admits first.
    """
    message = error.message.replace(f'"{name}"', f'"{prefix}"')
    return Forbidden(error.status, error.reason, message, error.details, error.retry_after)


def _about_uid(error: Invalid) -> bool:
    """A patch for one uid met a namesake: the server calls that an invalid change of an immutable field."""
    return any(cause.get("field") == "metadata.uid" for cause in error.details.get("causes") or ())


def _ended(obj: Obj | _Gone) -> bool:
    """Whether such an answer is the last of its object: nothing holds it back any more.

    Its grace is 0 then, and only then: a Namespace on its way out has none and is held back by its spec.
    """
    metadata = obj.metadata
    deleting = metadata.deletionTimestamp is not None
    return deleting and metadata.deletionGracePeriodSeconds == 0 and not metadata.finalizers
