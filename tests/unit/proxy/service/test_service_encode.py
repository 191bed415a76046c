"""What goes to the kernel and comes back: shapes that can be checked without one. The packet tests check the rest."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.proxy.service import encode, netlink, packed
from understudy.proxy.service.elements import Data, Facts, common
from understudy.proxy.service.layout import FIXED, TABLES
from understudy.proxy.service.plans import Plan, Traffic, affinity_chains, chain_of
from understudy.proxy.service.statements import DROP, Branch, Chain, Do, Family, FindSlot, Rule, Within, goto

FAMILIES = pytest.mark.parametrize("family", list(Family))


def read(name: str, elements: dict[bytes, Data]) -> dict[bytes, Data]:
    """Through a message and back."""
    bodies = [message.body for message in encode.add_elements({name: elements})]
    return encode.read_elements(TABLES[name], bodies)


TARGET = packed.target("10.96.0.1", 6, 80)


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("cluster-ips", {packed.address("10.96.0.1"): b""}),
        ("service-ips", {TARGET: packed.slot(7)}),
        ("endpoints", {TARGET + packed.slot(1): packed.endpoint("10.244.0.1", 80)}),
        ("no-endpoints", {TARGET: goto("refuse").verdict, TARGET[:-4] + packed.port(81): DROP.verdict}),
        ("firewall-allow", {TARGET + packed.address("10.0.0.0"): TARGET + packed.address("10.255.255.255")}),
    ],
)
def test_elements_come_back_as_they_went(name: str, elements: dict[bytes, Data]) -> None:
    assert read(name, elements) == elements


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)), min_size=1, max_size=8))
def test_ranges_come_back_as_they_went(ranges: list[tuple[int, int]]) -> None:
    cidrs = tuple(f"{packed.text(struct.pack('>I', base))}/{bits}" for base, bits in ranges)
    elements = common(Facts(Family.IPV4, pods=cidrs))["pod-cidrs"]
    assert read("pod-cidrs", elements) == elements


def test_the_last_address_of_all_has_none_behind_it() -> None:
    elements: dict[bytes, Data] = {packed.address("255.0.0.0"): packed.address("255.255.255.255")}
    assert read("pod-cidrs", elements) == elements


def test_many_elements_go_in_pieces_the_kernel_takes() -> None:
    elements: dict[bytes, Data] = {struct.pack(">I", number): b"" for number in range(5000)}
    messages = list(encode.add_elements({"cluster-ips": elements}))
    assert len(messages) > 1
    assert all(len(message.body) < 1 << 16 for message in messages)
    assert encode.read_elements(TABLES["cluster-ips"], [message.body for message in messages]) == elements


@FAMILIES
def test_every_statement_can_be_written(family: Family) -> None:
    plans = [Plan(traffic, 3, 2, affinity) for traffic in Traffic for affinity in (0, 10800)]
    chains = [*FIXED, *(chain_of(plan) for plan in plans), *affinity_chains(10800)]
    for chain in chains:
        messages = list(encode.new_rules(chain, family))
        assert len(messages) == len(chain.rules)
        assert all(message.kind == netlink.NEWRULE for message in messages)
    for serial, table in enumerate(TABLES.values()):
        assert encode.new_set(table, family, serial).kind == netlink.NEWSET


def test_what_rules_name_is_there_and_has_that_key() -> None:
    plans = [Plan(traffic, 3, 2, affinity) for traffic in Traffic for affinity in (0, 60)]
    chains = {chain.name: chain for chain in (*FIXED, *affinity_chains(60), *map(chain_of, plans))}
    for chain in chains.values():
        for statement in (each for rule in chain.rules for each in rule):
            if isinstance(statement, Do) and statement.verdict.chain:
                assert statement.verdict.chain in chains
            if isinstance(statement, Within | FindSlot | Branch):
                assert TABLES[statement.name].key == statement.key


def test_a_statement_nobody_knows_is_an_error() -> None:
    rule: Rule = ("nonsense",)  # type: ignore[assignment]
    with pytest.raises(TypeError, match="no such statement"):
        list(encode.new_rules(Chain("c", (rule,)), Family.IPV4))


def test_a_refusal_says_what_and_why() -> None:
    elements = list(encode.add_elements({"cluster-ips": {b"1234": b""}}))
    assert netlink._named(elements, 0) == "elements of cluster-ips"
    assert netlink._named(elements, 5) == "a transaction"
    assert str(netlink.Refused(errno.EEXIST, "chain x")) == "the kernel refused chain x: File exists"
    assert "NET_ADMIN" in str(netlink.Refused(errno.EPERM, "chain x"))
