"""Cutting subsets down to a thousand addresses: upstream's table, and what must hold for any."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.kinds.core import EndpointAddress, EndpointPort, EndpointSubset
from understudy.operators.endpoints.capacity import MAX_ADDRESSES, truncate

SIZES = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), max_size=6)


def subsets(ready: list[int], unready: list[int]) -> list[EndpointSubset]:
    address = EndpointAddress("10.0.0.1")
    return [
        EndpointSubset([address] * some, [address] * others, [EndpointPort(number + 1)])
        for number, (some, others) in enumerate(zip(ready, unready, strict=True))
    ]


def sizes(found: list[EndpointSubset]) -> tuple[list[int], list[int]]:
    return [len(each.addresses) for each in found], [len(each.notReadyAddresses) for each in found]


@pytest.mark.parametrize(
    ("ready", "unready", "kept", "kept_unready", "cut"),
    [
        ([], [], [], [], False),
        ([50, 100, 100, 100, 100], [50, 100, 100, 100, 100], [50, 100, 100, 100, 100], [50, 100, 100, 100, 100], False),
        ([100] * 5, [100] * 5, [100] * 5, [100] * 5, False),
        ([90, 110, 50, 10, 20], [101, 200, 200, 201, 298], [90, 110, 50, 10, 20], [73, 144, 144, 145, 214], True),
        ([205, 400, 402, 400, 693], [100, 200, 200, 200, 300], [98, 191, 192, 191, 328], [0] * 5, True),
    ],
    ids=["empty", "below", "exactly", "not ready ones go first", "only ready ones are left"],
)
def test_upstreams_table(
    ready: list[int], unready: list[int], kept: list[int], kept_unready: list[int], cut: bool
) -> None:
    found, was_cut = truncate(subsets(ready, unready))
    assert sizes(found) == (kept, kept_unready)
    assert was_cut is cut


@settings(deadline=None)
@given(SIZES)
def test_as_much_as_fits_and_no_empty_subset(drawn: list[tuple[int, int]]) -> None:
    before = subsets([ready for ready, _ in drawn], [unready for _, unready in drawn])
    before = [each for each in before if each.addresses or each.notReadyAddresses]
    found, cut = truncate(before)
    ready, unready = map(sum, sizes(found))
    all_ready, all_unready = map(sum, sizes(before))
    assert ready == min(all_ready, MAX_ADDRESSES)
    assert ready + unready == min(all_ready + all_unready, MAX_ADDRESSES)
    assert cut == (all_ready + all_unready > MAX_ADDRESSES)
    assert all(each.addresses or each.notReadyAddresses for each in found)
    assert {each.ports[0] for each in found} <= {each.ports[0] for each in before}
