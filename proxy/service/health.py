"""What load balancers and probes ask of a node: is the proxy well (10256), has a Service endpoints here (its own port).

Servers are opened and closed as Services come and go. Used by `agent`. Answers to pkg/proxy/healthcheck
(service_health.go, proxy_health.go): same paths, codes, headers and bodies.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from prometheus_client import Counter

from understudy.kinds.core import Node
from understudy.kinds.meta import Key
from understudy.obs.health import JSON, HealthServer, Reply, says
from understudy.obs.metrics import METRICS
from understudy.proxy.service import metrics
from understudy.values import timestamp

log = logging.getLogger(__name__)

LATE = 60.0
"""Seconds a change may wait to be written until the proxy counts as ill (twice kube-proxy's sync period)."""
PORT = 10256
TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"


class _Answering(HealthServer):
    """One HTTP server with one answer to each path."""

    def __init__(self, reply: Callable[[str], Reply]) -> None:
        super().__init__({}, METRICS, {})
        self._reply = reply

    def answer(self, target: str) -> Reply:
        return self._reply(target.partition("?")[0])


def _json(status: HTTPStatus, body: Mapping[str, Any], **headers: str) -> Reply:
    return Reply(status, json.dumps(body, indent="\t").encode(), JSON, headers)


def service_reply(key: Key, ready: int, *, healthy: bool) -> Reply:
    """Whether a load balancer shall send packets for the Service to this node."""
    body = {
        "service": {"namespace": key.namespace, "name": key.name},
        "localEndpoints": ready,
        "serviceProxyHealthy": healthy,
    }
    status = HTTPStatus.OK if ready and healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return _json(status, body, **{"X-Load-Balancing-Endpoint-Weight": str(ready)})


def is_eligible(node: Node | None) -> bool:
    """Whether load balancers shall use the node at all: not one that is about to be removed."""
    return node is not None and not node.deleting and all(taint.key != TO_BE_DELETED for taint in node.spec.taints)


class ProxyHealth:
    """`/healthz` and `/livez`. `waiting_since` is the monotonic time of the oldest change not written, None if none."""

    def __init__(
        self,
        waiting_since: Callable[[], float | None],
        written_at: Callable[[], datetime | None],
        node: Callable[[], Node | None],
    ) -> None:
        self._waiting_since, self._written_at, self._node = waiting_since, written_at, node
        self._server = _Answering(self.reply)

    @property
    def healthy(self) -> bool:
        since = self._waiting_since()
        return since is None or time.monotonic() - since < LATE

    async def start(self, host: str, port: int) -> int:
        """Listen; answers the port. Raises OSError."""
        return await self._server.start(host, port)

    async def stop(self) -> None:
        await self._server.stop()

    def reply(self, path: str) -> Reply:
        if path not in ("/healthz", "/livez"):
            return says(HTTPStatus.NOT_FOUND, "nothing here; there are /healthz, /livez")
        eligible = {"nodeEligible": is_eligible(self._node())} if path == "/healthz" else {}
        healthy, well = self.healthy, self.healthy and all(eligible.values())
        now, written = datetime.now(UTC), self._written_at()
        body = {
            "lastUpdated": timestamp.format(now if well or written is None else written),
            "currentTime": timestamp.format(now),
            **eligible,
            "healthy": healthy,
        }
        counter: Counter = metrics.HEALTHZ if eligible else metrics.LIVEZ
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        counter.labels(str(status.value)).inc()
        return _json(status, body)


class ServiceHealth:
    """A server for each Service with a healthCheckNodePort. `wanted`: by Service the port and its endpoints here."""

    def __init__(self, wanted: Mapping[Key, tuple[int, int]], healthy: Callable[[], bool], host: str = "") -> None:
        self._wanted, self._healthy, self._host = wanted, healthy, host
        self._servers: dict[tuple[Key, int], _Answering] = {}
        self._refused: set[tuple[Key, int]] = set()

    async def sync(self) -> None:
        """Open and close until they are the wanted ones. A port that is taken is told of once, and tried again."""
        wanted = {(key, port) for key, (port, _) in self._wanted.items()}
        for at in [each for each in self._servers if each not in wanted]:
            await self._servers.pop(at).stop()
        self._refused &= wanted
        for at in sorted(wanted - self._servers.keys()):
            await self._open(*at)

    async def stop(self) -> None:
        for server in self._servers.values():
            await server.stop()
        self._servers.clear()

    async def _open(self, key: Key, port: int) -> None:
        server = _Answering(lambda _: service_reply(key, self._wanted.get(key, (0, 0))[1], healthy=self._healthy()))
        try:
            await server.start(self._host, port)
        except OSError as error:
            if (key, port) not in self._refused:
                log.error("the health check of Service %s cannot listen on port %d: %s", key, port, error.strerror)
            self._refused.add((key, port))
            return
        self._refused.discard((key, port))
        self._servers[key, port] = server
