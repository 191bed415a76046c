"""Which request goes where: networking/v1 sentence by sentence, conflicts, and what cannot be served."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ingress.ingress_objects import ingress, rule, secret, service, slice_of, to, world
from understudy.kinds.discovery import EndpointConditions
from understudy.kinds.meta import Key
from understudy.proxy.ingress.kinds import Backend, Endpoint, Ingress, ServicePort, Tls
from understudy.proxy.ingress.model import Condition, Match, PathType, RouteTable, Split, Upstream
from understudy.proxy.ingress.routes import LEGACY_CLASS, World, routes

WEB, OTHER = Upstream("default", "web", 80), Upstream("default", "other", 80)
HOST = "example.com"


def paths(table: RouteTable, host: str = HOST) -> list[tuple[str, str]]:
    return [(each.match.path, each.match.type.value) for each in table.hosts.get(host, ())]


def reasons(table: RouteTable) -> list[str]:
    return [each.reason for each in table.problems]


def test_a_path_leads_to_the_endpoints_of_a_port() -> None:
    table = routes(world(ingress("a", rule(HOST, ("/", "Prefix"))), slices=[slice_of("web", "10.0.0.2", "10.0.0.1")]))
    (route,) = table.hosts[HOST]
    assert route.to == (Split(WEB),)
    assert table.endpoints == {WEB: (("10.0.0.1", 8080), ("10.0.0.2", 8080))}
    assert not table.problems


def test_exact_before_prefix_and_long_before_short() -> None:
    given_paths = [("/", "Prefix"), ("/foo", "Prefix"), ("/foo", "Exact"), ("/foo/bar/", "Prefix"), ("/a", "Exact")]
    table = routes(world(ingress("a", rule(HOST, *given_paths))))
    assert paths(table) == [
        ("/foo", "Exact"),
        ("/a", "Exact"),
        ("/foo/bar", "Prefix"),
        ("/foo", "Prefix"),
        ("/", "Prefix"),
    ]


def test_implementation_specific_is_prefix_unless_regular_expressions_are_wanted() -> None:
    one = ingress("a", rule(HOST, ("/foo", "ImplementationSpecific")))
    other = ingress("a", rule(HOST, ("/foo.*", "ImplementationSpecific")), annotations={"use_regex": "true"})
    assert paths(routes(world(one))) == [("/foo", "Prefix")]
    assert paths(routes(world(other))) == [("/foo.*", "Regex")]


@pytest.mark.parametrize(
    ("class_name", "annotation", "ours"),
    [
        ("understudy", "", True),
        ("other", "", False),
        ("gone", "", False),
        (None, "", False),
        (None, "understudy", True),
        (None, "other", False),
        ("other", "understudy", False),
    ],
)
def test_whose_it_is(class_name: str | None, annotation: str, ours: bool) -> None:
    one = ingress("a", rule(HOST, ("/", "Prefix")), class_name=class_name)
    if annotation:
        one.metadata.annotations[LEGACY_CLASS] = annotation
    assert bool(routes(world(one)).hosts) is ours


def test_the_older_has_it_and_the_younger_is_told() -> None:
    young = ingress("a", rule(HOST, ("/", "Prefix", to("other"))), age=1)
    old = ingress("z", rule(HOST, ("/", "Prefix")), age=2)
    table = routes(world(young, old, services=[service(), service("other")]))
    (route,) = table.hosts[HOST]
    assert route.owner == old.key
    (problem,) = table.problems
    assert (problem.ingress, problem.reason) == (young.key, "Conflict")
    assert problem.message == "example.com/ (Prefix) is served by the Ingress default/z, which is older"


def test_two_share_a_host() -> None:
    table = routes(world(ingress("a", rule(HOST, ("/a", "Prefix"))), ingress("b", rule(HOST, ("/b", "Prefix")))))
    assert paths(table) == [("/a", "Prefix"), ("/b", "Prefix")]


def test_a_port_by_its_name() -> None:
    ports = ServicePort(80, "http"), ServicePort(8443, "admin")
    table = routes(
        world(ingress("a", rule(HOST, ("/", "Prefix", to("web", "admin")))), services=[service("web", *ports)])
    )
    assert list(table.endpoints) == [Upstream("default", "web", 8443)]


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (to("gone"), "ServiceNotFound"),
        (to("web", 81), "PortNotFound"),
        (to("web", "gone"), "PortNotFound"),
        (to("web", 53), "PortNotFound"),
        (to("outside"), "ExternalName"),
        (Backend(), "ResourceBackend"),
    ],
)
def test_what_cannot_be_sent_to_is_told_and_takes_nothing_else_along(backend: Backend, reason: str) -> None:
    ports = ServicePort(80, "http"), ServicePort(53, "dns", "UDP")
    held = [service("web", *ports), service("outside", kind="ExternalName")]
    table = routes(world(ingress("a", rule(HOST, ("/bad", "Prefix", backend), ("/", "Prefix"))), services=held))
    bad, good = table.hosts[HOST]
    assert (bad.to, bool(bad.why)) == ((), True)
    assert good.to == (Split(WEB),)
    assert reasons(table) == [reason]


def test_default_backends() -> None:
    alone = ingress("alone", default=to("other"), age=1)
    with_rules = ingress("with", rule(HOST, ("/a", "Exact")), default=to(), age=0)
    table = routes(world(alone, with_rules, services=[service(), service("other")]))
    assert paths(table) == [("/a", "Exact"), ("/", "Prefix")]
    assert table.hosts[HOST][-1].to == (Split(WEB),)
    assert [each.to for each in table.hosts[""]] == [(Split(OTHER),)], "the older one's, for all other hosts"


def test_a_path_for_everything_comes_before_a_default_backend() -> None:
    table = routes(
        world(ingress("a", rule(HOST, ("/", "Prefix", to("other"))), default=to()), services=[service("other")])
    )
    assert [each.to for each in table.hosts[HOST]] == [(Split(OTHER),)]


def test_endpoints_that_end_serve_while_nobody_is_ready() -> None:
    ending = slice_of("web", "10.0.0.1")
    ending.endpoints = (
        Endpoint(("10.0.0.1",), EndpointConditions(ready=False, serving=True, terminating=True)),
        Endpoint(("10.0.0.9",), EndpointConditions(ready=False, serving=False, terminating=True)),
    )
    one = ingress("a", rule(HOST, ("/", "Prefix")))
    assert routes(world(one, slices=[ending])).endpoints[WEB] == (("10.0.0.1", 8080),)
    both = [ending, slice_of("web", "10.0.0.2")]
    assert routes(world(one, slices=both)).endpoints[WEB] == (("10.0.0.2", 8080),)
    unknown = [slice_of("web", "10.0.0.3", ready=None)]
    assert routes(world(one, slices=unknown)).endpoints[WEB] == (("10.0.0.3", 8080),)


def test_certificates_by_host() -> None:
    one = ingress("a", rule(HOST, ("/", "Prefix")), tls=[Tls((HOST,), "good")])
    table = routes(world(one, secrets=[secret("good")]))
    assert table.tls == {HOST: Key("default", "good")}
    assert list(table.secrets) == [Key("default", "good")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"tls.crt": b"x"}, "has no tls.key"),
        ({"tls.crt": b"x", "tls.key": b"y"}, "has no certificate and key in PEM that can be read"),
    ],
)
def test_a_bad_certificate_is_told_and_never_served(data: dict[str, bytes], message: str) -> None:
    one = ingress("a", rule(HOST, ("/", "Prefix")), tls=[Tls((HOST,), "bad"), Tls((HOST,), "gone")])
    table = routes(world(one, secrets=[secret("bad", **data)]))
    assert (table.tls, table.secrets) == ({}, {})
    assert [each.message for each in table.problems] == [f"the Secret bad {message}", "the Secret gone is not there"]


def canary(**annotations: str) -> Ingress:
    return ingress("canary", rule(HOST, ("/", "Prefix", to("other"))), annotations={"canary": "true", **annotations})


def with_canary(one: Ingress) -> World:
    return world(ingress("a", rule(HOST, ("/", "Prefix"))), one, services=[service(), service("other")])


def test_a_canary_has_a_share() -> None:
    (route,) = routes(with_canary(canary(canary_weight="10"))).hosts[HOST]
    assert route.to == (Split(WEB, 90), Split(OTHER, 10))
    (whole,) = routes(with_canary(canary(canary_weight="100"))).hosts[HOST]
    assert whole.to == (Split(OTHER, 100),)


def test_a_canary_by_header_and_cookie() -> None:
    table = routes(with_canary(canary(canary_by_header="X-Try", canary_by_cookie="try")))
    chosen = {each.match.condition: [split.upstream for split in each.to] for each in table.hosts[HOST]}
    assert chosen == {
        Condition("x-try", "always"): [OTHER],
        Condition("x-try", "never"): [WEB],
        Condition("try", "always", cookie=True): [OTHER],
        Condition("try", "never", cookie=True): [WEB],
        None: [WEB],
    }
    assert table.hosts[HOST][-1].match == Match(PathType.PREFIX, "/"), "conditions come first"


def test_a_canary_alone_serves_nothing() -> None:
    table = routes(world(canary(canary_weight="10"), services=[service("other")]))
    assert (table.hosts, reasons(table)) == ({}, ["CanaryAlone"])


HOSTS = st.sampled_from(["", "a.example.com", "b.example.com", "*.example.com"])
PATHS = st.tuples(st.sampled_from(["/", "/a", "/a/", "/a/b", "/b"]), st.sampled_from(["Prefix", "Exact"]))
INGRESSES = st.lists(st.lists(st.tuples(HOSTS, PATHS), max_size=4), max_size=5)


@given(INGRESSES, st.randoms(use_true_random=False))
def test_the_order_in_which_ingresses_come_does_not_matter(
    drawn: list[list[tuple[str, tuple[str, str]]]], rng: Random
) -> None:
    made = [ingress(f"i{age}", *(rule(host, path) for host, path in each), age=age) for age, each in enumerate(drawn)]
    table = routes(world(*made))
    shuffled = list(made)
    rng.shuffle(shuffled)
    assert routes(world(*shuffled)) == table
    for held in table.hosts.values():
        assert len({each.match for each in held}) == len(held), "nobody is asked twice"
