"""Who gets which pod CIDR, and when not."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, events, make, only, run, settle, view_of, writes
from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.core import NODES, Node
from understudy.loop.controller import REGISTRY
from understudy.operators.nodeipam import decide
from understudy.operators.nodeipam.ranges import Network, parse, ranges_of
from understudy.plan.steps import Patch, Requeue, Step
from understudy.state.view import View

SETTINGS = {"cluster-cidr": "10.244.0.0/16"}
DUAL = {"cluster-cidr": "fd00:10:244::/56,10.244.0.0/16"}
CONTROLLER = REGISTRY["node-ipam-controller"]


def node(name: str, *cidrs: str, deleting: bool = False) -> Node:
    spec = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
    return make(NODES, name, spec=spec, deleting=deleting, finalizers=["x"] if deleting else ())


def view(nodes: Iterable[Node], settings: dict[str, str] = SETTINGS) -> View:
    found = view_of({NODES: nodes})
    found.settings = settings
    return found


def decided(*others: Node, settings: dict[str, str] = SETTINGS) -> list[Step]:
    new = node("new")
    seen = view([new, *others], settings)
    return run(decide(new, seen, NOW), seen)


def given_to_new(*others: Node, settings: dict[str, str] = SETTINGS) -> list[str]:
    patch = only(decided(*others, settings=settings), Patch)
    cidrs: list[str] = patch.body["spec"]["podCIDRs"]
    assert patch.body["spec"]["podCIDR"] == cidrs[0]
    return cidrs


def test_the_lowest_free_block_is_given() -> None:
    assert given_to_new() == ["10.244.0.0/24"]
    assert given_to_new(node("a", "10.244.0.0/24"), node("b", "10.244.2.0/24")) == ["10.244.1.0/24"]


def test_two_families_in_the_order_of_the_settings() -> None:
    held = node("a", "10.244.0.0/24", "fd00:10:244::/64")
    assert given_to_new(held, settings=DUAL) == ["fd00:10:244:1::/64", "10.244.1.0/24"]


@pytest.mark.parametrize(
    ("settings", "block"),
    [
        ({"node-cidr-mask-size": "20"}, "10.244.0.0/20"),
        ({"node-cidr-mask-size-ipv4": "26"}, "10.244.0.0/26"),
        ({"service-cluster-ip-range": "10.244.0.0/22"}, "10.244.4.0/24"),
        ({"service-cluster-ip-range": "10.244.0.0/28,fd00::/108"}, "10.244.1.0/24"),
        ({"service-cluster-ip-range": "10.96.0.0/12"}, "10.244.0.0/24"),
        ({"cluster-cidr": "fd00:1::/48"}, "fd00:1::/64"),
        ({"cluster-cidr": "fd00:1::/100", "node-cidr-mask-size-ipv6": "112"}, "fd00:1::/112"),
        ({"cluster-cidr": "10.244.7.9/16"}, "10.244.0.0/24"),
    ],
)
def test_masks_and_services(settings: dict[str, str], block: str) -> None:
    assert given_to_new(settings={**SETTINGS, **settings}) == [block]


@pytest.mark.parametrize(
    ("held", "block"),
    [
        ("10.244.0.0/23", "10.244.2.0/24"),
        ("10.244.0.128/25", "10.244.1.0/24"),
        ("10.0.0.0/24", "10.244.0.0/24"),
        ("10.240.0.0/13", None),
        ("nonsense", "10.244.0.0/24"),
        ("fd00::/64", "10.244.0.0/24"),
    ],
)
def test_blocks_of_another_size_and_place_count_as_far_as_they_touch(held: str, block: str | None) -> None:
    if block is None:
        assert not writes(decided(node("a", held)))
    else:
        assert given_to_new(node("a", held)) == [block]


@pytest.mark.parametrize(
    "subject", [node("new", "10.9.0.0/24"), node("new", deleting=True)], ids=["has one", "is deleted"]
)
def test_who_needs_none_gets_none(subject: Node) -> None:
    assert run(decide(subject, view([subject]), NOW)) == []


def test_nothing_is_given_without_a_cluster_cidr() -> None:
    assert decided(settings={}) == []
    assert decided(settings={"cluster-cidr": " "}) == []


def test_when_every_block_is_taken_the_node_is_told_and_waits() -> None:
    settings = {"cluster-cidr": "10.244.0.0/23"}
    steps = decided(node("a", "10.244.0.0/24"), node("b", "10.244.1.0/24"), settings=settings)

    assert events(steps) == [("Normal", "CIDRNotAvailable", "Node new status is now: CIDRNotAvailable")]
    assert only(steps, Requeue).after == 300
    assert not writes(steps)


def test_one_family_alone_is_not_given() -> None:
    settings = {"cluster-cidr": "10.244.0.0/24,fd00::/56"}
    steps = decided(node("a", "10.244.0.0/24"), settings=settings)
    assert not writes(steps)
    assert events(steps)[0][1] == "CIDRNotAvailable"


def test_a_failure_is_told_and_tried_again() -> None:
    told: list[Step] = []

    def refuse(step: Step) -> object:
        told.append(step)
        if isinstance(step, Patch):
            raise ApiError(500, "InternalError", "no")
        return None

    new = node("new")
    with pytest.raises(ApiError, match="no"):
        run(decide(new, view([new]), NOW), answer=refuse)
    assert events(told) == [("Normal", "CIDRAssignmentFailed", "Node new status is now: CIDRAssignmentFailed")]


def test_a_node_that_is_gone_or_another_by_now_is_not_told() -> None:
    def answer(error: ApiError) -> list[Step]:
        told: list[Step] = []

        def refuse(step: Step) -> object:
            told.append(step)
            raise error

        new = node("new")
        try:
            run(decide(new, view([new]), NOW), answer=refuse)
        except Conflict:
            assert isinstance(error, Conflict)
        else:
            assert isinstance(error, NotFound)
        return told

    assert not events(answer(NotFound(404, "NotFound", "gone")))
    assert not events(answer(Conflict(409, "Conflict", "another uid")))


def test_its_own_reports_do_not_matter() -> None:
    assert only(decided(), Patch).guard == "uid"


def test_who_is_asked_about_when_nodes_come_change_and_go() -> None:
    when, (waiting,) = CONTROLLER.when, CONTROLLER.watches
    assert when is not None
    assert waiting.when is not None
    held, bare = node("a", "10.244.0.0/24"), node("b")
    again = make(NODES, "a", uid="another")

    assert when(bare, None)
    assert when(again, held)
    assert not when(bare, bare)
    assert not when(held, None)
    assert waiting.when(None, held)
    assert waiting.when(again, held)
    assert not waiting.when(held, held)
    assert not waiting.when(None, bare)
    assert list(waiting.keys(held, view([held, bare]))) == [bare.key]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cluster-cidr": "10.244.0.0/16,10.245.0.0/16"}, "not configured as dual stack"),
        ({"cluster-cidr": "10.0.0.0/16,fd00::/56,10.1.0.0/16"}, "more than max allowed of 2"),
        ({"cluster-cidr": "10.244.0.0/33"}, "is not one CIDR"),
        ({"cluster-cidr": "10.244.0.0/16", "service-cluster-ip-range": "x"}, "--service-cluster-ip-range: 'x'"),
        ({"cluster-cidr": "10.244.0.0/25"}, "must be less than or equal to the 24"),
        ({"cluster-cidr": "10.244.0.0/16", "node-cidr-mask-size": "33"}, "at most 32"),
        ({"cluster-cidr": "10.244.0.0/16", "node-cidr-mask-size": "x"}, "'x' is not a prefix length"),
        ({"cluster-cidr": "fd00::/40"}, "node CIDR size is too big"),
        (DUAL | {"node-cidr-mask-size": "24"}, "not allowed with dual-stack clusters"),
        (SETTINGS | {"node-cidr-mask-size": "24", "node-cidr-mask-size-ipv4": "24"}, "is not allowed if"),
        (SETTINGS | {"node-cidr-mask-size-ipv6": "64"}, "not allowed for a single-stack IPv4 cluster"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranges_of(settings)


# Properties

_cidrs = st.builds(
    lambda block, mask: f"10.244.{block}.0/{mask}", st.integers(0, 255), st.sampled_from([20, 23, 24, 25, 28])
)


def overlaps(one: str, other: str) -> bool:
    first, second = parsed(one), parsed(other)
    return first.version == second.version and not (
        first.broadcast_address < second.network_address or second.broadcast_address < first.network_address  # type: ignore[operator]
    )


def parsed(cidr: str) -> Network:
    found = parse(cidr)
    assert found is not None
    return found


@given(
    held=st.lists(_cidrs, max_size=8),
    order=st.permutations(range(5)),
    services=st.sampled_from(["", "10.244.0.0/20", "10.244.128.0/17", "10.244.3.0/28"]),
)
def test_no_two_nodes_ever_share_an_address(held: list[str], order: list[int], services: str) -> None:
    """Whoever is decided about first, whatever others hold: what is handed out touches nothing that is taken."""
    settings = DUAL | {"service-cluster-ip-range": services}
    before = [node(f"old-{number}", cidr) for number, cidr in enumerate(held)]
    seen = view([*before, *(node(f"new-{number}") for number in range(5))], settings)
    taken = [*held, *([services] if services else [])]

    for number in order:
        new = seen.get(NODES, "", f"new-{number}")
        assert new is not None
        settle(decide, NODES, new.key, seen)
        got = seen.get(NODES, "", new.name)
        assert got is not None
        assert len(got.spec.podCIDRs) in (0, 2)
        for cidr in got.spec.podCIDRs:
            assert not any(overlaps(cidr, other) for other in taken)
        taken += got.spec.podCIDRs


@given(number=st.integers(0, 255), other=st.integers(0, 255))
def test_a_block_is_at_its_number_and_touches_no_other(number: int, other: int) -> None:
    for among in ranges_of(DUAL):
        assert among.size == 256
        assert list(among.numbers([among.block(number)])) == [range(number, number + 1)]
        assert overlaps(among.block(number), among.block(other)) == (number == other)


@given(freed=st.integers(0, 19))
def test_what_a_node_held_is_free_when_it_is_gone(freed: int) -> None:
    held = [node(f"n{number}", f"10.244.{number}.0/24") for number in range(20) if number != freed]
    assert given_to_new(*held) == [f"10.244.{freed}.0/24"]
