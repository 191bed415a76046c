"""The configuration file: what is left out, what holds for smaller zones, and how it says what cannot be."""

import pytest

from understudy.dns.config import (
    Cache,
    ConfigProblem,
    Forward,
    Rewrite,
    Target,
    address,
    parse,
    servers_of,
    target,
)


def test_what_is_left_out() -> None:
    config = parse("", Forward(to=("10.0.0.1",)))
    (root,) = config.zones
    assert (root.zone, root.forward, root.cache) == ("", Forward(to=("10.0.0.1",)), Cache())


def test_a_zone_has_what_the_next_larger_one_has() -> None:
    config = parse("""
        zones:
        - {zone: b.a.Example., cache: {seconds: 5}}
        - {zone: example, forward: {to: [10.0.0.2], policy: sequential}}
        - {zone: ., cache: {entries: 7}}
    """)
    small, middle = config.zone("b.a.example"), config.zone("example")
    assert small is not None
    assert middle is not None
    assert small.forward == middle.forward == Forward(to=("10.0.0.2",), policy="sequential")
    assert (small.cache, middle.cache) == (Cache(seconds=5), Cache(entries=7))


def test_hosts_and_rules_in_one_form() -> None:
    config = parse("""
        zones:
        - zone: example
          hosts: {entries: {"FD00::0:1": [A.Example., b.example]}}
        rewrite:
        - {match: suffix, name: .old, to: .new, more: true}
    """)
    zone = config.zone("example")
    assert zone is not None
    assert zone.hosts is not None
    assert zone.hosts.entries == {"fd00::1": ("a.example", "b.example")}
    assert config.rewrite == (Rewrite("suffix", ".old", ".new", more=True),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zones: {}", "Expected `array`"),
        ("zones: [{zone: a, forwrad: {}}]", "unknown field `forwrad` - at `$.zones[0]`"),
        ("zones: [{zone: a, forward: {policy: best}}]", "Invalid enum value 'best' - at `$.zones[0].forward.policy`"),
        ("zones: [{zone: a, log: {sample: 2}}]", "at `$.zones[0].log.sample`"),
        ("zones: [{zone: a}, {zone: A.}]", "a zone is there twice"),
        ("zones: [{zone: a..b}]", "label of 0 bytes"),
        ("zones: [{zone: a, forward: {to: [one.example]}}]", "one.example is no server"),
        ("zones: [{zone: a, hosts: {entries: {nine: [b.a]}}}]", "'nine' is no address"),
        ("zones: [{zone: a, hosts: {entries: {10.0.0.1: [b]}}}]", "'b' is not in the zone"),
        ("rewrite: [{match: exact, name: '', to: b}]", "name is empty"),
        ("rewrite: [{match: exact, name: a, to: b..c}]", "label of 0 bytes"),
        ("rewrite: [{match: regex, name: '(', to: b}]", "rewrite regex '('"),
        ("rewrite: [{match: regex, name: '(a)', to: '{2}'}]", "names a group that is not there"),
        ("a: [", "while parsing"),
    ],
)
def test_what_cannot_be(text: str, said: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("10.0.0.1", Target("10.0.0.1", 53)),
        ("dns://10.0.0.1:5300", Target("10.0.0.1", 5300)),
        ("fd00::1", Target("fd00::1", 53)),
        ("tls://10.0.0.1", Target("10.0.0.1", 853, True)),
        ("tls://[fd00::1]:8530%dns.example", Target("fd00::1", 8530, True, "dns.example")),
    ],
)
def test_a_server(text: str, made: Target) -> None:
    assert target(text) == made
    assert target(str(made)) == made


@pytest.mark.parametrize("text", ["", "example.com", "10.0.0.1:", "10.0.0.1:70000", "tls://", "1.1.1.1%a", "[10.0.0.1"])
def test_no_server(text: str) -> None:
    with pytest.raises(ConfigProblem):
        target(text)


def test_where_a_port_must_be() -> None:
    assert address("10.0.0.1:53") == ("10.0.0.1", 53)
    assert address("10.0.0.1") is None
    assert address("fd00::1") is None


def test_the_servers_of_a_resolv_conf() -> None:
    text = (
        "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.1\n nameserver fd00::1 # x\nnameserver\noptions ndots:5\n"
    )
    assert [str(each) for each in servers_of(text)] == ["10.0.0.1:53", "[fd00::1]:53"]
    assert len(servers_of("nameserver 1.1.1.1\n" * 5)) == 3
