"""The answers load balancers and probes get, and the servers that give them."""

import json
import time
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
import msgspec
import pytest

from tests.unit.proxy.service.worlds import key
from understudy.kinds.core import Node
from understudy.kinds.meta import Key
from understudy.proxy.service.health import LATE, ProxyHealth, ServiceHealth, is_eligible, service_reply

WRITTEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def node(taint: str = "", deleted: str | None = None) -> Node:
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else []
    metadata = {"name": "me", "deletionTimestamp": deleted}
    return msgspec.convert({"metadata": metadata, "spec": {"taints": taints}}, Node)


def health(since: float | None = None, of: Node | None = None) -> ProxyHealth:
    return ProxyHealth(lambda: since, lambda: WRITTEN, lambda: of)


@pytest.mark.parametrize(
    ("ready", "healthy", "status"),
    [(2, True, HTTPStatus.OK), (0, True, HTTPStatus.SERVICE_UNAVAILABLE), (2, False, HTTPStatus.SERVICE_UNAVAILABLE)],
)
def test_a_balancer_is_told_how_many_endpoints_there_are(ready: int, healthy: bool, status: HTTPStatus) -> None:
    reply = service_reply(Key("d", "web"), ready, healthy=healthy)
    assert reply.status is status
    assert reply.headers["X-Load-Balancing-Endpoint-Weight"] == str(ready)
    assert json.loads(reply.body) == {
        "service": {"namespace": "d", "name": "web"},
        "localEndpoints": ready,
        "serviceProxyHealthy": healthy,
    }


def test_a_node_about_to_go_is_not_to_be_used() -> None:
    assert is_eligible(node())
    assert not is_eligible(None)
    assert not is_eligible(node("ToBeDeletedByClusterAutoscaler"))
    assert not is_eligible(node(deleted="2026-01-01T00:00:00Z"))


def test_healthz_looks_at_the_node_and_livez_does_not() -> None:
    well = health(of=node())
    assert well.reply("/healthz").status is HTTPStatus.OK
    assert json.loads(well.reply("/healthz").body)["nodeEligible"] is True
    going = health(of=node("ToBeDeletedByClusterAutoscaler"))
    assert going.reply("/healthz").status is HTTPStatus.SERVICE_UNAVAILABLE
    assert going.reply("/livez").status is HTTPStatus.OK
    assert "nodeEligible" not in json.loads(going.reply("/livez").body)
    assert going.reply("/").status is HTTPStatus.NOT_FOUND


def test_a_change_that_waits_too_long_is_illness() -> None:
    assert health(time.monotonic() - LATE / 2, node()).healthy
    late = health(time.monotonic() - LATE - 1, node())
    assert not late.healthy
    assert late.reply("/livez").status is HTTPStatus.SERVICE_UNAVAILABLE
    assert json.loads(late.reply("/healthz").body)["lastUpdated"] == "2026-01-02T03:04:05Z"


async def asked(port: int, path: str = "/") -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.json()


async def test_servers_come_and_go_with_services(unused_tcp_port: int) -> None:
    wanted: dict[Key, tuple[int, int]] = {key("web"): (unused_tcp_port, 3)}
    servers = ServiceHealth(wanted, lambda: True, "127.0.0.1")
    await servers.sync()
    status, body = await asked(unused_tcp_port)
    assert (status, body["localEndpoints"]) == (200, 3)
    wanted[key("web")] = (unused_tcp_port, 0)
    assert (await asked(unused_tcp_port, "/any"))[0] == 503
    wanted.clear()
    await servers.sync()
    with pytest.raises(aiohttp.ClientConnectorError):
        await asked(unused_tcp_port)
    await servers.stop()


async def test_a_port_that_is_taken_is_told_of_once_and_tried_again(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    holder = health(of=node())
    await holder.start("127.0.0.1", unused_tcp_port)
    servers = ServiceHealth({key("web"): (unused_tcp_port, 1)}, lambda: True, "127.0.0.1")
    await servers.sync()
    await servers.sync()
    assert caplog.text.count("cannot listen on port") == 1
    await holder.stop()
    await servers.sync()
    assert (await asked(unused_tcp_port))[0] == 200
    await servers.stop()
