"""Typed requests to the API server: encode, send, decode, and turn a Status into an exception.

The one place where a 429 is waited for. Used by `api.watch`, `plan.apply`, `loop.lease` and the scheduler; the bytes
travel over an `api.transport.Transport`.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from prometheus_client import Counter

from understudy.api.transport import Answer, Transport
from understudy.errors import ApiError, TooManyRequests, api_error
from understudy.obs.metrics import REQUESTS

T = TypeVar("T")

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Metadata only, or everything from an aggregated server that cannot leave the rest out (it would answer 406)."""
ATTEMPTS = 10
"""Tries of a request the server put off with 429 and Retry-After (client-go rest/request.go: maxRetries)."""

_encode = msgspec.json.Encoder().encode


class Status(Struct):
    """metav1.Status, as far as it is read."""

    status: str = ""
    code: int = 0
    reason: str = ""
    message: str = ""
    details: dict[str, Any] | None = None


_decoders: dict[Any, Any] = {}


def decoder(of: type[T]) -> "msgspec.json.Decoder[T]":
    """One decoder a type: making them is what costs."""
    found: msgspec.json.Decoder[T] | None = _decoders.get(of)
    if found is None:
        found = _decoders[of] = msgspec.json.Decoder(of)
    return found


@cache
def _counter(method: str, status: int) -> Counter:
    """The metric of such answers: finding it costs more than counting."""
    return REQUESTS.labels(method, str(status))


def error_of(answer: Answer) -> ApiError:
    """The exception for an answer of 400 and above, whatever its body holds."""
    try:
        status = decoder(Status).decode(answer.body)
    except msgspec.MsgspecError:
        text = answer.body[:300].decode(errors="replace").strip()
        return api_error(answer.status, "", text, None, answer.retry_after)
    return api_error(status.code or answer.status, status.reason, status.message, status.details, answer.retry_after)


class Client:
    """`call` answers bytes, `ask` a struct. Raises ApiError, `Lost` (outcome unknown), `Fenced` (no longer leader)."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | Struct | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        data = None if body is None else _encode(body)
        for attempt in range(ATTEMPTS):
            answer = await self.transport.request(method, path, data, content_type=content_type, accept=accept)
            _counter(method, answer.status).inc()
            if answer.status < 400:
                return answer.body
            error = error_of(answer)
            if not isinstance(error, TooManyRequests) or error.retry_after is None or attempt + 1 == ATTEMPTS:
                raise error
            await asyncio.sleep(error.retry_after)
        raise AssertionError("the loop above returns or raises")

    async def ask(
        self,
        method: str,
        path: str,
        of: type[T],
        body: Mapping[str, Any] | Struct | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> T:
        answer = await self.call(method, path, body, content_type=content_type, accept=accept)
        return decoder(of).decode(answer)

    async def close(self) -> None:
        await self.transport.close()
