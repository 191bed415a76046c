"""Sets of completion indexes against Python's own sets, and their text as upstream writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.operators.job import indexes

LIMIT = 40
SETS = st.sets(st.integers(0, LIMIT - 1))


def members(given: indexes.Indexes) -> set[int]:
    return {index for index in range(LIMIT) if index in given}


@given(SETS, SETS)
def test_they_are_sets(left: set[int], right: set[int]) -> None:
    a, b = indexes.of(left), indexes.of(right)
    assert members(a) == left
    assert members(a | b) == left | right
    assert a.common(b) == len(left & right)
    assert a.total == len(left)
    assert bool(a) == bool(left)
    assert (a | b) == indexes.of(left | right)  # intervals that touch are one


@given(SETS)
def test_what_is_written_can_be_read(held: set[int]) -> None:
    assert indexes.parse(str(indexes.of(held)), LIMIT) == indexes.of(held)


@given(SETS, st.integers(0, LIMIT), st.integers(0, 10))
def test_the_first_that_are_missing(held: set[int], limit: int, count: int) -> None:
    expected = [index for index in range(limit) if index not in held]
    assert indexes.first(indexes.of(held), count, limit) == expected[:count]


@pytest.mark.parametrize(
    ("held", "text"),
    [((), ""), ((3,), "3"), ((3, 4), "3,4"), ((3, 4, 5), "3-5"), ((1, 3, 4, 5, 7), "1,3-5,7"), (range(100), "0-99")],
)
def test_the_text_is_upstreams(held: tuple[int, ...], text: str) -> None:
    assert str(indexes.of(held)) == text


@pytest.mark.parametrize(
    ("text", "limit", "held"),
    [
        ("0-3,7", 3, {0, 1, 2}),  # the Job has shrunk
        ("0,1,2,5", 10, {0, 1, 2, 5}),
        ("x,2,3-y,4-6", 10, {2, 4, 5, 6}),
        ("5-3", 10, set()),
        ("", 10, set()),
    ],
)
def test_what_is_beyond_the_completions_or_unreadable_is_left_out(text: str, limit: int, held: set[int]) -> None:
    assert members(indexes.parse(text, limit)) == held
