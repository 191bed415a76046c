"""Numbers that may be percentages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import intstr


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [
        (3, 10, 3, 3),
        (0, 10, 0, 0),
        ("25%", 10, 3, 2),
        ("25%", 4, 1, 1),
        ("0%", 10, 0, 0),
        ("100%", 7, 7, 7),
        ("150%", 3, 5, 4),
        ("1%", 1, 1, 0),
        ("50%", 0, 0, 0),
        ("-50%", 3, -1, -2),
        ("+50%", 3, 2, 1),
    ],
)
def test_scaled(value: int | str, total: int, up: int, down: int) -> None:
    assert intstr.scaled(value, total, round_up=True) == up
    assert intstr.scaled(value, total, round_up=False) == down


@pytest.mark.parametrize("value", ["", "5", "five", "5% "])
def test_strings_must_be_percentages(value: str) -> None:
    with pytest.raises(ValueError, match="invalid value for IntOrString: string is not a percentage"):
        intstr.scaled(value, 10, round_up=True)


@pytest.mark.parametrize("value", ["%", "1.5%", "a%", " 5%", "5%%", "1_0%", "٥%"])
def test_percentages_must_be_whole_numbers(value: str) -> None:
    with pytest.raises(ValueError, match=r"invalid value for IntOrString: invalid value .* use a whole number"):
        intstr.scaled(value, 10, round_up=True)


@given(st.integers(0, 200), st.integers(0, 10**6))
def test_rounding_brackets_the_share(percent: int, total: int) -> None:
    up = intstr.scaled(f"{percent}%", total, round_up=True)
    down = intstr.scaled(f"{percent}%", total, round_up=False)
    assert down * 100 <= percent * total <= up * 100
    assert up - down == (1 if percent * total % 100 else 0)
