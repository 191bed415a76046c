"""Packing: upstream's tables, and what must hold for any slices and any wishes."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.services import backends, service, slice_of
from understudy.kinds.core import Pod, Service
from understudy.kinds.discovery import Endpoint, EndpointSlice
from understudy.operators.common.slices import Identity, identity
from understudy.operators.endpointslice.endpoints import groups
from understudy.operators.endpointslice.packing import Changes, Packer
from understudy.operators.endpointslice.slices import labels_of

WEB = service()
HEADLESS = service(address="None", ports=[])
OTHER_PORT = [{"name": "http", "protocol": "TCP", "port": 9090}]


def said(numbers: Sequence[int], **more: Any) -> list[Endpoint]:
    """Endpoints of the Pods of these numbers."""
    return list(wanted(backends(numbers, **more)).values())


def wanted(pods: Sequence[Pod], web: Service = WEB) -> dict[Identity, Endpoint]:
    found = groups(web, pods, {"node-1": None}, "IPv4")
    return {key: value for group in found.values() for key, value in group.endpoints.items()}


def pack(held: Sequence[EndpointSlice], pods: Sequence[Pod], web: Service = WEB, capacity: int = 100) -> Changes:
    packer = Packer(labels_of(web), capacity=capacity)
    return packer.pack("IPv4", held, groups(web, pods, {"node-1": None}, "IPv4"))


def after(changes: Changes, held: Sequence[EndpointSlice]) -> list[int]:
    """Sizes of the slices there are then, sorted."""
    touched = {each.held.name for each in changes.update if each.held} | {each.name for each in changes.delete}
    left = [len(each.endpoints or ()) for each in held if each.name not in touched]
    return sorted([*left, *(len(each.endpoints) for each in [*changes.create, *changes.update])])


def counts(changes: Changes) -> tuple[int, int, int]:
    return len(changes.create), len(changes.update), len(changes.delete)


# Upstream's tables


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [(50, [50] * 5), (80, [10, 80, 80, 80]), (100, [50, 100, 100]), (150, [100, 150]), (250, [250]), (500, [250])],
)
def test_new_slices_are_full_but_the_last(capacity: int, expected: list[int]) -> None:
    changes = pack([], backends(range(250)), capacity=capacity)
    assert counts(changes) == (len(expected), 0, 0)
    assert after(changes, []) == expected


def test_a_rest_goes_where_it_fits_best() -> None:
    held = [slice_of(WEB, said(range(62)), "a"), slice_of(WEB, said(range(62, 123)), "b")]
    changes = pack(held, backends(range(250)))
    assert counts(changes) == (1, 1, 0)
    assert after(changes, held) == [61, 89, 100]


def test_a_rest_may_fill_a_slice_to_the_brim() -> None:
    held = [slice_of(WEB, said(range(30)), "a"), slice_of(WEB, said(range(30, 90)), "b")]
    changes = pack(held, backends(range(130)))
    assert counts(changes) == (0, 1, 0)
    assert after(changes, held) == [30, 100]


def test_a_rest_is_not_split_over_slices() -> None:
    held = [slice_of(WEB, said(range(74)), "a"), slice_of(WEB, said(range(74, 148)), "b")]
    changes = pack(held, backends(range(300)))
    assert counts(changes) == (2, 0, 0)
    assert after(changes, held) == [52, 74, 74, 100]


def test_slices_that_change_anyway_are_filled_first_the_fullest_first() -> None:
    held = [slice_of(WEB, said(range(80)), "a"), slice_of(WEB, said(range(100, 120)), "b")]
    pods = backends([*range(80), *range(100, 120), *range(200, 215)])
    for number in (0, 85):
        pods[number].status.conditions[0].status = "False"
    changes = pack(held, pods)
    assert counts(changes) == (0, 2, 0)
    assert after(changes, held) == [20, 95]


def test_other_ports_change_the_slices_and_make_no_new_ones() -> None:
    held = [slice_of(WEB, said(range(at, at + 50)), f"s{at}", ports=OTHER_PORT) for at in (0, 50, 100)]
    changes = pack(held, backends(range(250)))
    assert counts(changes) == (0, 3, 0)
    assert after(changes, held) == [50, 100, 100]


def test_too_many_slices_are_recycled_or_deleted() -> None:
    held = [slice_of(WEB, said(range(at, at + 30)), f"s{at}", ports=OTHER_PORT) for at in range(0, 300, 30)]
    changes = pack(held, backends(range(300)))
    assert counts(changes) == (0, 3, 7)
    assert after(changes, held) == [100, 100, 100]


def test_a_slice_whose_last_endpoint_goes_is_deleted() -> None:
    held = [slice_of(WEB, said([1]), "a"), slice_of(WEB, said([2]), "b")]
    changes = pack(held, backends([2]))
    assert counts(changes) == (0, 0, 1)
    assert changes.delete[0].name == "a"


def test_an_endpoint_that_stands_twice_stays_once() -> None:
    held = [slice_of(WEB, said([1, 2]), "a"), slice_of(WEB, said([2, 3]), "b")]
    changes = pack(held, backends([1, 2, 3]))
    assert counts(changes) == (0, 1, 0)
    assert after(changes, held) == [1, 2]


def test_overfull_slices_are_left_alone() -> None:
    held = [slice_of(WEB, said(range(120)), "a")]
    assert counts(pack(held, backends(range(120)))) == (0, 0, 0)
    changes = pack(held, backends(range(121)))
    assert counts(changes) == (1, 0, 0)
    changes = pack(held, [*backends([0], ready=False), *backends(range(1, 125))])
    assert counts(changes) == (1, 1, 0)
    assert after(changes, held) == [5, 120]


def test_labels_change_every_slice() -> None:
    labelled = service(labels={"team": "blue"})
    held = [slice_of(WEB, said(range(at, at + 100)), f"s{at}") for at in (0, 100)]
    assert counts(pack(held, backends(range(200)), labelled)) == (0, 2, 0)


# The placeholder


def test_without_endpoints_there_is_one_empty_slice() -> None:
    changes = pack([], [])
    assert counts(changes) == (1, 0, 0)
    assert (changes.create[0].endpoints, changes.create[0].ports) == ([], ())


def test_the_empty_slice_is_left_alone() -> None:
    assert counts(pack([slice_of(WEB, [], ports=[])], [])) == (0, 0, 0)


@pytest.mark.parametrize(
    "held",
    [slice_of(WEB, [], labels={"a": "b"}, ports=[]), slice_of(WEB, []), slice_of(WEB, said([1]))],
    ids=["other labels", "ports", "endpoints"],
)
def test_any_other_slice_becomes_the_empty_one(held: EndpointSlice) -> None:
    changes = pack([held], [])
    assert counts(changes) == (0, 1, 0)
    assert (changes.update[0].held, changes.update[0].endpoints, changes.update[0].ports) == (held, [], ())


def test_of_several_slices_one_becomes_the_empty_one() -> None:
    held = [slice_of(WEB, said([number]), f"s{number}") for number in range(3)]
    assert counts(pack(held, [])) == (0, 1, 2)


@pytest.mark.parametrize("web", [WEB, HEADLESS], ids=["ports", "headless without ports"])
def test_the_empty_slice_takes_the_first_endpoints(web: Service) -> None:
    held = [slice_of(web, [], ports=[])]
    changes = pack(held, backends(range(3)), web)
    assert counts(changes) == (0, 1, 0)
    assert after(changes, held) == [3]


def test_pods_without_an_address_of_the_family_leave_the_empty_slice() -> None:
    pods = backends(range(3), ips=["fd00::1"])
    assert counts(pack([], pods)) == (1, 0, 0)
    assert counts(pack([slice_of(WEB, [], ports=[])], pods)) == (0, 0, 0)
    assert counts(pack([slice_of(WEB, [])], pods)) == (0, 0, 0)


# Whatever there is and whatever is wanted

CAPACITY = 5
NUMBERS = st.integers(0, 25)
SLICES = st.lists(st.tuples(st.lists(NUMBERS, max_size=6, unique=True), st.booleans()), max_size=6)
PODS = st.dictionaries(NUMBERS, st.booleans(), max_size=25)


def slices_from(drawn: Sequence[tuple[list[int], bool]]) -> list[EndpointSlice]:
    return [
        slice_of(WEB, said(numbers), f"s{index}", ports=OTHER_PORT if other else None)
        for index, (numbers, other) in enumerate(drawn)
    ]


def pods_from(drawn: dict[int, bool]) -> list[Pod]:
    return [pod for number, ready in drawn.items() for pod in backends([number], ready=ready)]


def apply(changes: Changes, held: Sequence[EndpointSlice]) -> list[EndpointSlice]:
    """The slices as they are when all is written."""
    gone = {each.name for each in changes.delete} | {each.held.name for each in changes.update if each.held}
    written = [
        slice_of(WEB, draft.endpoints, draft.held.name if draft.held else f"new{index}", ports=_ports(draft.ports))
        for index, draft in enumerate([*changes.create, *changes.update])
    ]
    return [*(each for each in held if each.name not in gone), *written]


def has_our_port(held: EndpointSlice) -> bool:
    return [port.port for port in held.ports or ()] == [8080]


def places(slices: Sequence[EndpointSlice]) -> dict[Identity, list[str]]:
    """The names of the slices with our port in which each endpoint stands."""
    found: dict[Identity, list[str]] = {}
    for each in slices:
        for endpoint in (each.endpoints or ()) if has_our_port(each) else ():
            found.setdefault(identity(endpoint), []).append(each.name)
    return found


def _ports(ports: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"name": port.name, "protocol": port.protocol, "port": port.port} for port in ports]


@settings(deadline=None)
@given(SLICES, PODS)
def test_exactly_the_wanted_endpoints_are_shown_and_then_nothing_changes(
    drawn: list[tuple[list[int], bool]], pods: dict[int, bool]
) -> None:
    held, backing = slices_from(drawn), pods_from(pods)
    result = apply(pack(held, backing, capacity=CAPACITY), held)
    found = [each for one in result for each in one.endpoints or ()]
    expected = wanted(backing)
    assert sorted(map(identity, found)) == sorted(expected)
    assert all(each == expected[identity(each)] for each in found)
    assert result, "there is always a slice"
    assert counts(pack(result, backing, capacity=CAPACITY)) == (0, 0, 0)


@settings(deadline=None)
@given(SLICES, PODS)
def test_no_written_slice_is_overfull(drawn: list[tuple[list[int], bool]], pods: dict[int, bool]) -> None:
    held = slices_from(drawn)
    changes = pack(held, pods_from(pods), capacity=CAPACITY)
    for draft in [*changes.create, *changes.update]:
        already = len(draft.held.endpoints or ()) if draft.held else 0
        assert len(draft.endpoints) <= max(CAPACITY, already)


@settings(deadline=None)
@given(SLICES, PODS)
def test_what_stands_in_a_slice_stays_in_it(drawn: list[tuple[list[int], bool]], pods: dict[int, bool]) -> None:
    held, backing = slices_from(drawn), pods_from(pods)
    then = places(apply(pack(held, backing, capacity=CAPACITY), held))
    for key, names in places(held).items():
        if key in then:
            assert then[key][0] in names


@settings(deadline=None)
@given(SLICES, PODS)
def test_at_most_one_slice_that_needs_no_change_gets_the_rest(
    drawn: list[tuple[list[int], bool]], pods: dict[int, bool]
) -> None:
    held, backing = slices_from(drawn), pods_from(pods)
    changes = pack(held, backing, capacity=CAPACITY)
    expected, before = wanted(backing), places(held)
    alright = set()
    for each in held:
        mine = {identity(endpoint): endpoint for endpoint in each.endpoints or ()}
        if mine and all(expected.get(key) == mine[key] and before.get(key) == [each.name] for key in mine):
            alright.add(each.name)
    touched = {draft.held.name for draft in changes.update if draft.held} | {each.name for each in changes.delete}
    assert len(touched & alright) <= 1


@settings(deadline=None)
@given(SLICES, PODS)
def test_new_slices_only_for_what_fits_nowhere(drawn: list[tuple[list[int], bool]], pods: dict[int, bool]) -> None:
    held, backing = slices_from(drawn), pods_from(pods)
    changes = pack(held, backing, capacity=CAPACITY)
    fresh = len(set(wanted(backing)) - set(places(held)))
    assert len(changes.create) <= max(1, ceil(fresh / CAPACITY))
    assert not (changes.create and changes.delete)
    touched = {draft.held.name for draft in changes.update if draft.held}
    left = [each for each in held if each.name not in touched and has_our_port(each)]
    partial = [len(draft.endpoints) for draft in changes.create if 0 < len(draft.endpoints) < CAPACITY]
    assert len(partial) <= 1
    for rest in partial:
        assert all(rest > CAPACITY - len(each.endpoints or ()) for each in left)
