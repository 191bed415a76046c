"""The server Envoy asks: one gRPC stream for all types (ADS), in the delta form, on a Unix socket of our own.

`keeper` hands it the resources whenever they have changed; `delta` knows who is told what. Answers to
envoy.service.discovery.v3.AggregatedDiscoveryService.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource
from google.protobuf.any_pb2 import Any as Packed

from understudy.proxy.ingress.envoy.delta import Request, Response, Stream
from understudy.proxy.ingress.envoy.render import Resources

log = logging.getLogger(__name__)

_GRACE = 0.5
_BIGGEST = 256 << 20
"""Bytes of a message: the routes of 10,000 hosts are some megabytes."""


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """`set` tells all Envoys what is new; what one of them does not take is logged."""

    def __init__(self) -> None:
        self._resources: Resources = {}
        self._queues: set[asyncio.Queue[DeltaDiscoveryRequest | None]] = set()
        self._server: grpc.aio.Server | None = None

    def __len__(self) -> int:
        """Envoys that are connected."""
        return len(self._queues)

    async def start(self, socket: Path) -> None:
        """Listen on a Unix socket, which must be in a folder that nobody else may enter."""
        limits = [("grpc.max_send_message_length", _BIGGEST), ("grpc.max_receive_message_length", _BIGGEST)]
        self._server = grpc.aio.server(options=limits)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{socket}")
        await self._server.start()

    async def stop(self) -> None:
        """Leave; an Envoy goes on with what it has."""
        if self._server is not None:
            await self._server.stop(_GRACE)

    def set(self, resources: Resources) -> None:
        """From now on these are the resources."""
        self._resources = resources
        for queue in self._queues:
            queue.put_nowait(None)

    async def DeltaAggregatedResources(  # noqa: N802 - the service's name
        self, requests: AsyncIterator[DeltaDiscoveryRequest], _: object
    ) -> AsyncIterator[DeltaDiscoveryResponse]:
        """One Envoy, for as long as it is connected."""
        queue: asyncio.Queue[DeltaDiscoveryRequest | None] = asyncio.Queue()
        ended = asyncio.create_task(_read(requests, queue))
        self._queues.add(queue)
        stream = Stream()
        try:
            while not ended.done() or not queue.empty():
                said = await _next(queue, ended)
                for response in self._answer(stream, said):
                    yield _message(response)
        finally:
            self._queues.discard(queue)
            ended.cancel()
            with suppress(asyncio.CancelledError):
                await ended

    def _answer(self, stream: Stream, said: DeltaDiscoveryRequest | None) -> list[Response]:
        if said is None:
            return stream.changed(self._resources)
        request = _request(said)
        if request.error:
            log.error("Envoy refuses %s: %s", request.kind.rpartition(".")[2], request.error)
        return stream.asked(request, self._resources)


async def _read(
    requests: AsyncIterator[DeltaDiscoveryRequest], queue: "asyncio.Queue[DeltaDiscoveryRequest | None]"
) -> None:
    async for request in requests:
        queue.put_nowait(request)


async def _next(
    queue: "asyncio.Queue[DeltaDiscoveryRequest | None]", ended: "asyncio.Task[None]"
) -> DeltaDiscoveryRequest | None:
    """What comes first: something said, something changed (None), or the end (None, too)."""
    getting = asyncio.ensure_future(queue.get())
    await asyncio.wait({getting, ended}, return_when=asyncio.FIRST_COMPLETED)
    if getting.done():
        return getting.result()
    getting.cancel()
    return None


def _request(said: DeltaDiscoveryRequest) -> Request:
    return Request(
        said.type_url,
        said.response_nonce,
        said.error_detail.message if said.HasField("error_detail") else "",
        tuple(said.resource_names_subscribe),
        tuple(said.resource_names_unsubscribe),
        dict(said.initial_resource_versions),
    )


def _message(response: Response) -> DeltaDiscoveryResponse:
    resources = [
        Resource(name=name, version=version, resource=Packed(type_url=response.kind, value=content))
        for name, (version, content) in response.resources.items()
    ]
    return DeltaDiscoveryResponse(
        type_url=response.kind, nonce=response.nonce, resources=resources, removed_resources=response.removed
    )
