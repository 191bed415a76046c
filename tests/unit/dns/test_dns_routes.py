"""Whom which zone asks, and what stays when the configuration changes."""

import asyncio

from tests.unit.dns.decoder import Message, ask, decode
from tests.unit.dns.wires import HOST, Respond, other, record, reply_to, soa
from understudy.dns.config import Config, Forward, parse
from understudy.dns.forward import Forwarder
from understudy.dns.lookup import Finding
from understudy.dns.names import NXDOMAIN, REFUSED, SERVFAIL, SOA
from understudy.dns.routes import Routes
from understudy.dns.wire import parse as query_of


def says(last: int) -> Respond:
    return lambda data, tcp: reply_to(data, record(bytes((192, 0, 2, last))))


def config(**ports: int) -> Config:
    zones = [
        {"zone": name.replace("_", "."), "forward": {"to": [f"{HOST}:{port}"] if port else []}}
        for name, port in ports.items()
    ]
    return parse(str({"zones": zones}), Forward(to=()))


async def told(routes: Routes, name: str) -> Message:
    query = query_of(ask(name))
    return decode(routes.kept(query, 512) or await routes.answer(query, 512))


async def test_the_longest_zone_counts() -> None:
    async with other(says(1)) as one, other(says(2)) as two:
        routes = Routes(asyncio.get_running_loop().time)
        ports = {"example": one.upstream.target.port, "a_example": two.upstream.target.port, "b_example": 0}
        routes.configure(config(**ports))
        assert (await told(routes, "x.example")).data() == ["192.0.2.1"]
        assert (await told(routes, "x.a.example")).data() == ["192.0.2.2"]
        assert (await told(routes, "a.example")).data() == ["192.0.2.2"]
        assert (await told(routes, "x.b.example")).rcode == REFUSED
        assert (await told(routes, "x.examples")).rcode == REFUSED
        answer = await routes.complete(query_of(ask("x.corp")), Finding(outside="y.a.example"), 512)
        assert [(each.name, each.data) for each in decode(answer).answer] == [("x.corp.", "192.0.2.2")]
        assert len(routes) == 4
        assert len(routes.upstreams) == 2
        await routes.close()


async def test_what_stays_keeps_its_answers_and_what_goes_ends() -> None:
    async with other(says(1)) as one, other(says(2)) as two:
        first, second = one.upstream.target.port, two.upstream.target.port
        routes = Routes(asyncio.get_running_loop().time)
        routes.configure(config(a=first, b=second))
        for name in ("x.a", "x.b"):
            await told(routes, name)
        stays = routes.of("x.a")
        routes.configure(config(a=first))
        assert routes.of("x.a") is stays
        assert routes.kept(query_of(ask("x.a")), 512)
        assert (await told(routes, "x.b")).rcode == REFUSED
        assert routes.counts.misses == 2
        await routes.close()


async def test_that_it_leads_back_here_is_found_out_anew() -> None:
    async with other(lambda data, tcp: None) as up:
        routes = Routes(asyncio.get_running_loop().time)
        routes.configure(config(a=up.upstream.target.port))
        routes.found_loop()
        assert routes.looping
        assert (await told(routes, "x.a")).rcode == SERVFAIL
        stays = routes.of("x.a")
        routes.configure(config(a=up.upstream.target.port))
        assert (routes.of("x.a"), stays.looping) == (stays, False)
        await routes.close()


def test_two_zones_alike_share_their_servers() -> None:
    routes = Routes(lambda: 0.0)
    routes.configure(parse("zones: [{zone: a}, {zone: b}]", Forward(to=("10.0.0.1",))))
    assert isinstance(routes.of("x.a"), Forwarder)
    assert routes.of("x.a") is routes.of("x.b") is routes.of("c")


async def test_that_a_rewritten_name_holds_nothing_is_said_with_the_zones_start() -> None:
    def nothing(data: bytes, tcp: bool) -> bytes:
        return reply_to(data, rcode=NXDOMAIN, authority=(soa(100, 10),))

    async with other(nothing) as up:
        routes = Routes(asyncio.get_running_loop().time)
        routes.configure(config(a=up.upstream.target.port))
        answer = decode(await routes.complete(query_of(ask("x.corp")), Finding(outside="x.a"), 512))
        assert (answer.rcode, [each.type for each in answer.authority]) == (NXDOMAIN, [SOA])
        await routes.close()
