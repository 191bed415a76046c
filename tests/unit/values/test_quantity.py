"""Quantities: upstream's own answers for chosen texts, and properties against the official Python client."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from understudy.values import quantity

INT64_MAX = 2**63 - 1
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]

# text, Quantity.String, Quantity.Value, Quantity.MilliValue
UPSTREAM = [
    ("0", "0", 0, 0),
    ("0Ki", "0", 0, 0),
    ("-0.0", "0", 0, 0),
    ("1", "1", 1, 1000),
    ("007", "7", 7, 7000),
    ("250m", "250m", 1, 250),
    ("1000m", "1", 1, 1000),
    ("0.1", "100m", 1, 100),
    (".5", "500m", 1, 500),
    ("5.", "5", 5, 5000),
    ("1.5", "1500m", 2, 1500),
    ("100u", "100u", 1, 1),
    ("1001u", "1001u", 1, 2),
    ("1n", "1n", 1, 1),
    ("0.1n", "1n", 1, 1),
    ("1k", "1k", 1000, 1_000_000),
    ("1500k", "1500k", 1_500_000, 1_500_000_000),
    ("1.5M", "1500k", 1_500_000, 1_500_000_000),
    ("2G", "2G", 2 * 10**9, 2 * 10**12),
    ("3T", "3T", 3 * 10**12, 3 * 10**15),
    ("4P", "4P", 4 * 10**15, 4 * 10**18),
    ("1Ki", "1Ki", 1024, 1_024_000),
    ("0.5Ki", "512", 512, 512_000),
    ("1023", "1023", 1023, 1_023_000),
    ("1.1Ki", "1126400m", 1127, 1_126_400),
    ("1024Ki", "1Mi", 2**20, 2**20 * 1000),
    ("1.5Gi", "1536Mi", 1536 * 2**20, 1536 * 2**20 * 1000),
    ("32780456Ki", "32780456Ki", 32780456 * 1024, 32780456 * 1024 * 1000),
    ("1Ti", "1Ti", 2**40, 2**40 * 1000),
    ("12e6", "12e6", 12 * 10**6, 12 * 10**9),
    ("1e0", "1", 1, 1000),
    ("1E3", "1e3", 1000, 10**6),
    ("1e+4", "10e3", 10_000, 10**7),
    ("1.5e0", "1500e-3", 2, 1500),
    ("1e-12", "1e-9", 1, 1),
    ("-1", "-1", -1, -1000),
    ("-1.5Gi", "-1536Mi", -1536 * 2**20, -1536 * 2**20 * 1000),
    ("-1500u", "-1500u", -1, -2),
]


@pytest.mark.parametrize(("text", "written", "whole", "thousandths"), UPSTREAM)
def test_upstreams_answers(text: str, written: str, whole: int, thousandths: int) -> None:
    assert quantity.canonical(text) == written
    assert quantity.value(text) == whole
    assert quantity.milli(text) == thousandths


def test_numbers_are_quantities_too() -> None:
    assert quantity.milli(2) == 2000
    assert quantity.milli(0.1) == 100
    assert quantity.value(1e22) == INT64_MAX
    assert quantity.exact(1.25) == Fraction(5, 4)


@pytest.mark.parametrize(
    "text",
    ["", " ", "+", ".", "Ki", "1 ", " 1", "1K", "1i", "1mi", "1e", "1e1.5", "1ee3", "--1", "1.2.3", "1,5", "0x10"],
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity: write a number"):
        quantity.value(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_floats_that_are_no_numbers(number: float) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.value(number)


def test_digits_of_other_scripts_are_no_digits() -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.value("٣")


@pytest.mark.parametrize("text", ["10E", "8Ei", "1e40", "9223372036854775808", "1e9999999999"])
def test_what_is_too_large_is_the_largest_int64(text: str) -> None:
    assert quantity.value(text) == INT64_MAX
    assert quantity.milli(text) == INT64_MAX
    assert quantity.value(f"-{text}") == -INT64_MAX


def test_milli_is_exact_where_value_fits_easily() -> None:
    assert quantity.milli("9223372036854775807m") == INT64_MAX
    assert quantity.milli("9223372036854775806m") == INT64_MAX - 1


def test_binary_quantities_stop_at_int64_and_decimal_ones_do_not() -> None:
    assert quantity.exact("16Ei") == INT64_MAX
    assert quantity.exact("16E") == 16 * 10**18
    assert quantity.canonical("5000E") == "5000E"


def test_a_tiny_exponent_is_the_smallest_quantity() -> None:
    assert quantity.exact("1e-9999999999") == Fraction(1, 10**9)


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [("1", "1000m", 0), ("1Gi", "1G", 1), ("999m", "1", -1), ("-1", "1", -1), ("1024Ki", "1Mi", 0), ("0", "-0m", 0)],
)
def test_compare(left: str, right: str, sign: int) -> None:
    assert quantity.compare(left, right) == sign
    assert quantity.compare(right, left) == -sign


@pytest.mark.parametrize(
    ("amount", "form", "text"),
    [
        (1536 * 2**20 * 10**9, "BinarySI", "1536Mi"),
        (1023 * 10**9, "BinarySI", "1023"),
        (2048 * 10**9 + 1, "BinarySI", "2048000000001n"),
        (-(2**30) * 10**9, "BinarySI", "-1Gi"),
        (2**30 * 10**9, "DecimalSI", "1073741824"),
        (2 * 10**15, "DecimalSI", "2M"),
        (2 * 10**15, "DecimalExponent", "2e6"),
        (0, "DecimalExponent", "0"),
    ],
)
def test_render(amount: int, form: quantity.Form, text: str) -> None:
    assert quantity.render(amount, form) == text


def test_a_sum_keeps_the_form_of_its_parts() -> None:
    total = quantity.nanos("512Mi") + quantity.nanos("1536Mi")
    assert quantity.render(total, quantity.form("512Mi")) == "2Gi"
    assert quantity.form("2e3") == "DecimalExponent"
    assert quantity.form("2k") == "DecimalSI"


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Quantities no finer than a billionth and no larger than an int64: the client neither rounds nor caps."""
    sign = draw(st.sampled_from(["", "+", "-"]))
    suffix = draw(st.sampled_from(SUFFIXES))
    number = draw(st.integers(0, 9 if suffix[:1] in ("E", "P") else 9000 if suffix[:1] == "T" else 10**6))
    places = {"n": 0, "u": 3, "m": 6}.get(suffix, 9)
    fraction = draw(st.text("0123456789", max_size=places))
    if suffix.startswith("Ei"):
        number = min(number, 6)
    return f"{sign}{number}{'.' if fraction else ''}{fraction}{suffix}"


@given(texts())
def test_the_official_client_agrees(text: str) -> None:
    expected = Fraction(parse_quantity(text))
    if "i" in text:  # may be finer than a billionth: within one of it, never nearer to zero
        assert abs(expected) <= abs(quantity.exact(text)) < abs(expected) + Fraction(1, 10**9)
    else:
        assert quantity.exact(text) == expected


@given(st.integers(-(10**15), 10**15), st.integers(-9, 3))
def test_exponents_agree_with_the_official_client(number: int, exponent: int) -> None:
    text = f"{number}e{exponent}"
    assert quantity.exact(text) == Fraction(Decimal(str(parse_quantity(text))))


@given(texts())
def test_canonical_keeps_the_amount_and_is_stable(text: str) -> None:
    once = quantity.canonical(text)
    assert quantity.compare(once, text) == 0
    assert quantity.canonical(once) == once
    assert "." not in once


@given(texts())
def test_rounding_goes_away_from_zero_and_less_than_one(text: str) -> None:
    exact = quantity.exact(text)
    for rounded, scaled in ((quantity.value(text), exact), (quantity.milli(text), exact * 1000)):
        if abs(scaled) <= INT64_MAX:
            assert abs(scaled) <= abs(rounded) < abs(scaled) + 1
            assert rounded * scaled >= 0
