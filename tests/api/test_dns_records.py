"""Zones and records of the users' own on a real API server: what it refuses, what is answered, what the status says."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.test_dns import dns_on
from tests.api.test_dns import until as until_told
from tests.api.world import Place, World, until
from tests.chart.rendering import find, render
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.rest import ApiError, Object
from understudy.operators.custom.operator import Operator

GROUP = "/apis/understudy.dev/v1alpha1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CRDS = Path(__file__).parents[2] / "crds"
POLICY = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


@pytest.fixture(scope="module")
def kinds(world: World) -> Iterator[World]:
    """The kinds, and the chart's admission policy for them."""
    manifests = render({"dns": {"enabled": True}})
    policies = [find(manifests, kind, "understudy-dnsrecords") for kind in POLICY]
    names = []
    for file in ("dnszone.yaml", "dnsrecord.yaml"):
        definition = yaml.safe_load((CRDS / file).read_text())
        world.api.create(DEFINITIONS, definition)
        names.append(definition["metadata"]["name"])
    until(lambda: served(world))
    for each in policies:
        world.api.create(f"{ADMISSION}/{plural(each['kind'])}", each)
    yield world
    for each in policies:
        world.api.delete(f"{ADMISSION}/{plural(each['kind'])}/understudy-dnsrecords")
    for name in names:
        world.api.delete(f"{DEFINITIONS}/{name}")


def plural(kind: str) -> str:
    return {"ValidatingAdmissionPolicy": "validatingadmissionpolicies"}.get(kind, f"{kind.lower()}s")


def served(world: World) -> bool:
    try:
        world.api.get(f"{GROUP}/dnszones")
        world.api.get(f"{GROUP}/dnsrecords")
    except ApiError:
        return False
    return True


def zone(world: World, name: str, **spec: Any) -> None:
    body = {"apiVersion": "understudy.dev/v1alpha1", "kind": "DNSZone", "metadata": {"name": name}, "spec": spec}
    world.api.create(f"{GROUP}/dnszones", body)


def record(name: str, obj: str, *values: str, kind: str = "A") -> Object:
    spec = {"name": name, "records": [{"type": kind, "values": list(values or ("192.0.2.1",))}]}
    return {"apiVersion": "understudy.dev/v1alpha1", "kind": "DNSRecord", "metadata": {"name": obj}, "spec": spec}


def create(world: World, place: Place, body: Object) -> None:
    world.api.create(f"{GROUP}/namespaces/{place.name}/dnsrecords", body)


def refused(world: World, place: Place, body: Object) -> str:
    with pytest.raises(ApiError) as caught:
        create(world, place, body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "values", "said"),
    [
        ("Upper.case", "A", ("192.0.2.1",), "spec.name"),
        ("a.*.corp", "A", ("192.0.2.1",), "spec.name"),
        ("x.corp", "A", ("fd00::1",), "A records are IPv4 addresses"),
        ("x.corp", "AAAA", ("192.0.2.1",), "AAAA records are IPv6 addresses"),
        ("x.corp", "CNAME", ("a.corp", "b.corp"), "one CNAME record at most"),
        ("x.corp", "CNAME", ("not a name",), "CNAME, NS and PTR records are names"),
        ("x.corp", "SRV", ("0 0 web.corp",), "SRV records are priority, weight, port and target"),
        ("x.corp", "MX", ("mail.corp",), "MX records are preference and host"),
        ("x.corp", "HINFO", ("x",), "Unsupported value"),
    ],
)
def test_what_cannot_be_is_refused(
    kinds: World, place: Place, name: str, kind: str, values: tuple[str, ...], said: str
) -> None:
    assert said in refused(kinds, place, record(name, "x", *values, kind=kind))


def test_an_alias_holds_nothing_else(kinds: World, place: Place) -> None:
    body = record("x.corp", "x", "a.corp", kind="CNAME")
    body["spec"]["records"].append({"type": "TXT", "values": ["hi"]})
    assert "holds nothing else" in refused(kinds, place, body)


def test_a_namespace_cannot_even_declare_anothers_names(kinds: World, place: Place) -> None:
    zone(kinds, "namespaced.example")
    zone(kinds, "closed.example", scope="Cluster", namespaces=["kube-system"])
    try:
        asked = record("x.other.namespaced.example", "x")
        until(lambda: "has the names below" in _tried(kinds, place, asked))
        assert f"has the names below {place.name}.namespaced.example" in refused(kinds, place, asked)
        assert "may have no names in zone closed.example" in refused(kinds, place, record("x.closed.example", "x"))
        create(kinds, place, record(f"x.{place.name}.namespaced.example", "fine"))
    finally:
        for name in ("namespaced.example", "closed.example"):
            kinds.api.delete(f"{GROUP}/dnszones/{name}")


def _tried(world: World, place: Place, body: Object) -> str:
    """What the server says to it; a new policy takes a moment. Nothing stays."""
    try:
        create(world, place, body)
    except ApiError as error:
        return str(error)
    world.api.delete(f"{GROUP}/namespaces/{place.name}/dnsrecords/{body['metadata']['name']}")
    return ""


async def test_what_is_declared_is_answered_and_the_status_says_so(kinds: World, place: Place) -> None:
    zone(kinds, "open.example", scope="Cluster", ttl=7)
    kubeconfig = kinds.cluster.kubeconfig()
    client = Client(connect(load(kubeconfig)))
    operator = Operator(client, {"kubeconfig": str(kubeconfig)})
    leading = asyncio.ensure_future(operator.lead())
    try:
        async with dns_on(kinds) as it:
            create(kinds, place, record("db.open.example", "db", "192.0.2.7"))
            create(kinds, place, record("db.open.example", "rival", "192.0.2.8"))
            said = await until_told(it, "db.open.example", lambda message: message.data() == ["192.0.2.7"])
            assert said.answer[0].ttl == 7
            verdicts = await asyncio.to_thread(until, lambda: _verdicts(kinds, place))
            assert verdicts == {"db": ("True", "Accepted"), "rival": ("False", "Taken")}
            kinds.api.delete(f"{GROUP}/namespaces/{place.name}/dnsrecords/db")
            await until_told(it, "db.open.example", lambda message: message.data() == ["192.0.2.8"])
    finally:
        await operator.stop()
        await asyncio.gather(leading, return_exceptions=True)
        await client.close()
        kinds.api.delete(f"{GROUP}/dnszones/open.example")


def _verdicts(world: World, place: Place) -> dict[str, tuple[str, str]]:
    """Empty until every record has one."""
    items = world.api.get(f"{GROUP}/namespaces/{place.name}/dnsrecords")["items"]
    conditions = {each["metadata"]["name"]: each.get("status", {}).get("conditions") for each in items}
    if not all(conditions.values()):
        return {}
    return {name: (each[0]["status"], each[0]["reason"]) for name, each in conditions.items()}
