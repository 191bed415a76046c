"""Which objects make an answer, and where a name breaks off."""

from tests.unit.dns.objects import endpoint, external, port, service, service_json, slice_of
from understudy.api.client import Client
from understudy.dns.explaincli import world
from understudy.dns.explained import World, explain
from understudy.dns.kinds import DNSRecord, DNSRecordSpec, DNSZone, Rrset
from understudy.kinds.meta import ObjectMeta
from understudy.testing.fake import FakeApi

WEB = "web.default.svc.cluster.local"
WORLD = World(
    [service("web", "10.96.0.10", ports=[port(80, "http")]), service("db", "None"), external("away", "x.example")],
    [slice_of("db", endpoint("10.0.0.1", hostname="db-0"), endpoint("10.0.0.2", ready=False), name="db-abc")],
    ["default"],
    [DNSZone(ObjectMeta(name="corp"))],
    [
        DNSRecord(ObjectMeta(name="one", namespace="a"), DNSRecordSpec("x.a.corp", 5, (Rrset("A", ("10.1.1.1",)),))),
        DNSRecord(ObjectMeta(name="two", namespace="a"), DNSRecordSpec("x.b.corp", 5, (Rrset("A", ("10.1.1.1",)),))),
    ],
)


def said(name: str) -> str:
    return "\n".join(explain(name, WORLD))


def test_a_service() -> None:
    assert explain(f"{WEB.upper()}.", WORLD) == [
        f"{WEB}. 30 IN A 10.96.0.10",
        f"{WEB}. 30 IN SRV 0 100 80 {WEB}.",
        "",
        "Service default/web: ClusterIP 10.96.0.10, ports http 80/TCP",
    ]


def test_endpoints_and_why_each_is_in_or_out() -> None:
    text = said("db.default.svc.cluster.local")
    assert "IN A 10.0.0.1" in text
    assert "EndpointSlice db-abc" in text
    assert "10.0.0.1 as db-0: ready" in text
    assert "10.0.0.2: not ready: left out" in text
    assert "IN PTR db-0.db.default.svc.cluster.local." in said("1.0.0.10.in-addr.arpa")
    assert "Service default/db: headless" in said("db-0.db.default.svc.cluster.local")


def test_where_a_name_breaks_off() -> None:
    assert "there is no Namespace x" in said("web.x.svc.cluster.local")
    assert "there is no Service default/x" in said("x.default.svc.cluster.local")
    assert "Service default/db has no such name" in said("db-9.db.default.svc.cluster.local")
    assert "NXDOMAIN, there is no such name" in said("x.default.svc.cluster.local")
    assert "not the cluster's, others are asked" in said("example.com")
    assert "it is there, and holds nothing" in said("default.svc.cluster.local")


def test_an_alias() -> None:
    assert "ExternalName x.example" in said("away.default.svc.cluster.local")


def test_records_of_the_users_own() -> None:
    text = said("x.a.corp")
    assert "x.a.corp. 5 IN A 10.1.1.1" in text
    assert "DNSZone corp" in text
    assert "DNSRecord a/one: answered in zone corp" in text
    assert "DNSRecord a/two: not answered, NotYours" in said("x.b.corp")


async def test_it_is_read_from_the_server() -> None:
    api = FakeApi()
    api.apply({**service_json("web", "10.96.0.10"), "metadata": {"name": "web", "namespace": "default"}})
    client = Client(api.transport())
    found = await world(client)
    await client.close()
    assert explain(WEB, found)[0] == f"{WEB}. 30 IN A 10.96.0.10"
