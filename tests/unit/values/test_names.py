"""Generated names."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import names


@given(st.integers(), st.integers(0, 20))
def test_suffixes_have_the_length_and_the_alphabet(seed: int, length: int) -> None:
    made = names.suffix(random.Random(seed), length)
    assert len(made) == length
    assert set(made) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_suffixes_use_the_whole_alphabet() -> None:
    assert set(names.suffix(random.Random(1), 2000)) == set(names.ALPHABET)


def test_the_same_seed_makes_the_same_name() -> None:
    assert names.generate("web-", random.Random(7)) == names.generate("web-", random.Random(7))
    assert names.generate("web-", random.Random(7)) != names.generate("web-", random.Random(8))


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (10, 10), (58, 58), (59, 58), (253, 58)])
def test_names_have_at_most_63_characters(length: int, kept: int) -> None:
    name = names.generate("a" * length, random.Random(1))
    assert len(name) == kept + 5
    assert name[:kept] == "a" * kept


@pytest.mark.parametrize(("text", "encoded"), [("", ""), ("0123456789", "456789bcdf"), ("2166136261", "65bb57b6b5")])
def test_safe_encode(text: str, encoded: str) -> None:
    assert names.safe_encode(text) == encoded
