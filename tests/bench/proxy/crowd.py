"""The Services on the API server: so many that nobody asks for, with three endpoints each, and one that is asked.

Used by `__main__`. Written with an administrator's rights; no controller runs, so the slices are made here.
"""

from collections.abc import Iterator
from typing import Any

from tests.bench.proxy.lab import BACKENDS, NODE, PORT
from tests.bench.stage import NAMESPACE, Stage
from understudy.api.client import MERGE
from understudy.kinds.core import NODES
from understudy.kinds.discovery import ENDPOINT_SLICES
from understudy.proxy.service.kinds import PROXY_SERVICES

ENDPOINTS = 3
ASKED = "asked"
ME = "node-0"

Body = dict[str, Any]


def service(name: str) -> Body:
    ports = [{"port": 80, "targetPort": PORT, "protocol": "TCP"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}}


def slice_of(name: str, *addresses: str) -> Body:
    ready = {"ready": True, "serving": True, "terminating": False}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-slice", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": ready, "nodeName": ME} for ip in addresses],
    }


def _elsewhere(number: int) -> Iterator[str]:
    """Addresses that nobody has."""
    for each in range(number * ENDPOINTS, (number + 1) * ENDPOINTS):
        yield f"10.{128 + (each >> 16)}.{(each >> 8) & 255}.{each & 255}"


class Crowd:
    """`grow` adds; nothing is ever removed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.size = 0

    async def begin(self) -> str:
        """The node, and the Service that is asked; answers its cluster IP."""
        node: Body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": ME}}
        await self._stage.client.call("POST", NODES.path(), node)
        status = {"status": {"addresses": [{"type": "InternalIP", "address": NODE}]}}
        await self._stage.client.call("PATCH", NODES.path(name=ME, subresource="status"), status, content_type=MERGE)
        await self._stage.create_all(PROXY_SERVICES, [service(ASKED)])
        await self._stage.create_all(ENDPOINT_SLICES, [slice_of(ASKED, BACKENDS[0])])
        made = await self._stage.client.ask("GET", PROXY_SERVICES.path(NAMESPACE, ASKED), PROXY_SERVICES.type)
        return str(made.spec.clusterIP)

    async def grow(self, size: int) -> None:
        """Until there are that many, the asked one among them."""
        names = range(max(self.size, 1), size)
        await self._stage.create_all(PROXY_SERVICES, (service(f"crowd-{number}") for number in names))
        slices = (slice_of(f"crowd-{number}", *_elsewhere(number)) for number in names)
        await self._stage.create_all(ENDPOINT_SLICES, slices)
        self.size = max(self.size, size)

    async def move(self, backend: int) -> None:
        """Let the asked one be served by that backend alone."""
        path = ENDPOINT_SLICES.path(NAMESPACE, f"{ASKED}-slice")
        body = {"endpoints": slice_of(ASKED, BACKENDS[backend])["endpoints"]}
        await self._stage.client.call("PATCH", path, body, content_type=MERGE)
