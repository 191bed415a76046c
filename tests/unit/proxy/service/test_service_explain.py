"""`understudy explain service/x` over an API server in memory: what is read, and what people get to read."""

from typing import Any

import pytest

from tests.unit.proxy.service.test_service_agent import NODE, SERVICE, slice_of
from tests.unit.proxy.service.worlds import NODE_IP
from understudy.api.client import Client
from understudy.errors import NotFound
from understudy.kinds.meta import Key
from understudy.proxy.service.explain import explained, lines, look
from understudy.testing.fake import FakeApi

pytestmark = pytest.mark.looptime
WEB = Key("default", "web")


def world(*slices: dict[str, Any], node: bool = True, **spec: Any) -> FakeApi:
    api = FakeApi()
    made: Any = dict(SERVICE)
    made["spec"] = {**made["spec"], **spec}
    for each in (made, *slices, *([NODE] if node else ())):
        api.apply(each)
    return api


async def said(api: FakeApi, node: str = "") -> list[str]:
    client = Client(api.transport("somebody"))
    try:
        return list(lines(explained(await look(client, WEB, node))))
    finally:
        await client.close()


async def test_addresses_packets_and_endpoints() -> None:
    ends = slice_of("10.244.1.1", "10.244.1.2", "10.244.1.3")
    ends["endpoints"][1]["conditions"] = {"ready": False, "serving": False, "terminating": False}
    ends["endpoints"][2]["nodeName"] = "other"
    api = world(ends, type="NodePort", ports=[{"port": 80, "nodePort": 30080}], externalTrafficPolicy="Local")
    assert await said(api) == [
        "service default/web as node me has it",
        "  IPv4 80/TCP, affinity: none",
        "    10.96.0.1 port 80, policy Cluster",
        "      from a pod: any of 2: 10.244.1.1 port 8080; 10.244.1.3 port 8080",
        "      from the node: any of 2: 10.244.1.1 port 8080, under an address of the node; "
        "10.244.1.3 port 8080, under an address of the node",
        "      from outside: any of 2: 10.244.1.1 port 8080, under an address of the node; "
        "10.244.1.3 port 8080, under an address of the node",
        f"    {NODE_IP} port 30080, policy Local",
        "      from a pod: any of 2: 10.244.1.1 port 8080; 10.244.1.3 port 8080",
        "      from the node: any of 2: 10.244.1.1 port 8080, under an address of the node; "
        "10.244.1.3 port 8080, under an address of the node",
        "      from outside: goes to 10.244.1.1 port 8080",
        "    endpoints:",
        "      10.244.1.1 port 8080",
        "        Cluster: 1 in 2: it is ready",
        "        Local: 1 in 1: it is ready",
        "      10.244.1.2 port 8080",
        "        Cluster: not used: it is not ready",
        "        Local: not used: it is not ready",
        "      10.244.1.3 port 8080",
        "        Cluster: 1 in 2: it is ready",
        "        Local: not used: it is on another node",
    ]


async def test_nobody_serves_and_there_is_no_node() -> None:
    assert await said(world(node=False)) == [
        "service default/web",
        "  IPv4 80/TCP, affinity: none",
        "    10.96.0.1 port 80, policy Cluster",
        "      from outside: is refused",
        "    endpoints: none",
    ]


async def test_what_is_not_the_proxys() -> None:
    (line,) = await said(world(clusterIP="None", clusterIPs=["None"]))
    assert line == "service default/web is not the service proxy's: headless, a name, or another's"


async def test_a_node_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        await said(world(), node="nobody")
