"""The debug pages: why an endpoint is used or not, and where a packet goes."""

from typing import Any

import pytest

from tests.unit.proxy.service.test_service_keeper import Case
from tests.unit.proxy.service.worlds import NODE_IP, OUTSIDE, service, sliced


def end(ip: str, **fields: Any) -> dict[str, Any]:
    return {"addresses": [ip], "nodeName": "other", **fields}


async def kept(*ends: dict[str, Any], **spec: Any) -> Case:
    case = Case()
    case.see(service("web", **spec))
    case.see(sliced("web", *ends))
    await case.keeper.turn()
    return case


async def test_each_endpoint_with_its_share_and_why() -> None:
    ending = {"ready": False, "serving": True, "terminating": True}
    case = await kept(
        end("10.244.2.1"),
        end("10.244.1.1", nodeName="me"),
        end("10.244.2.3", conditions={"ready": False, "serving": False}),
        end("10.244.2.4", conditions=ending),
        type="NodePort",
        externalTrafficPolicy="Local",
        ports=[{"port": 80, "nodePort": 30080}],
    )
    (port,) = case.keeper.service({"of": "d/web"})["IPv4"]
    assert port["reached"] == [
        {"address": "10.96.0.1 port 80", "policy": "Cluster"},
        {"address": f"{NODE_IP} port 30080", "policy": "Local"},
    ]
    assert port["endpoints"] == [
        {"address": "10.244.1.1 port 8080", "Cluster": "1 in 2: it is ready", "Local": "1 in 1: it is ready"},
        {
            "address": "10.244.2.1 port 8080",
            "Cluster": "1 in 2: it is ready",
            "Local": "not used: it is on another node",
        },
        {
            "address": "10.244.2.3 port 8080",
            "Cluster": "not used: it is not ready",
            "Local": "not used: it is on another node",
        },
        {
            "address": "10.244.2.4 port 8080",
            "Cluster": "not used: it is ending, and others are ready",
            "Local": "not used: it is on another node",
        },
    ]


async def test_hints_and_the_last_resort_are_named() -> None:
    hints = [{"forZones": [{"name": zone}]} for zone in ("east", "west")]
    case = await kept(end("10.244.2.1", hints=hints[0]), end("10.244.2.2", hints=hints[1]))
    (port,) = case.keeper.service({"of": "d/web"})["IPv4"]
    assert [each["Cluster"] for each in port["endpoints"]] == [
        "1 in 1: it is ready",
        "not used: it is meant for west, this is me in east",
    ]
    case.see(sliced("web", end("10.244.2.1", conditions={"ready": False, "terminating": True})))
    await case.keeper.turn()
    (port,) = case.keeper.service({"of": "d/web"})["IPv4"]
    assert port["endpoints"][0]["Cluster"] == "1 in 1: it is ending, but serves, and nobody is ready"


async def test_a_packet_is_followed_through_the_rules() -> None:
    case = await kept(end("10.244.2.1"), end("10.244.2.2"))
    found = case.keeper.packet({"from": OUTSIDE, "to": "10.96.0.1", "port": "80"})
    assert set(found) == {f"goes to 10.244.2.{number} port 8080, under an address of the node" for number in (1, 2)}
    refused = case.keeper.packet({"from": OUTSIDE, "to": "10.96.0.1", "port": "81"})
    assert refused == {"is refused": ["refuse: refused by a TCP reset"]}


async def test_questions_that_cannot_be_answered_say_what_to_ask() -> None:
    case = await kept()
    for query in ({}, {"from": "1.1.1.1", "to": "web", "port": "80"}, {"from": "::1", "to": "1.1.1.1", "port": "80"}):
        with pytest.raises(ValueError, match=r"say which packet|must be IP|no address of the family"):
            case.keeper.packet(query)
    with pytest.raises(ValueError, match=r"\?of=NAMESPACE/NAME"):
        case.keeper.service({})
    with pytest.raises(LookupError, match="there is no Service d/none"):
        case.keeper.service({"of": "d/none"})
