"""Single requirements: every operator, with and without the label, and what is refused."""

import pytest

from understudy.values import requirement
from understudy.values.requirement import Operator, Requirement

LABELS = {"a": "x", "n": "5", "empty": ""}


@pytest.mark.parametrize(
    ("key", "operator", "values", "expected"),
    [
        ("a", "in", ["x", "y"], True),
        ("a", "in", ["y"], False),
        ("z", "in", ["x"], False),
        ("empty", "in", [""], True),
        ("z", "in", [""], False),
        ("a", "notin", ["y"], True),
        ("a", "notin", ["x", "y"], False),
        ("z", "notin", ["x"], True),
        ("a", "=", ["x"], True),
        ("a", "==", ["y"], False),
        ("a", "!=", ["y"], True),
        ("z", "!=", ["y"], True),
        ("a", "!=", ["x"], False),
        ("empty", "exists", [], True),
        ("z", "exists", [], False),
        ("z", "!", [], True),
        ("empty", "!", [], False),
        ("n", "gt", ["4"], True),
        ("n", "gt", ["5"], False),
        ("n", "lt", ["10"], True),
        ("n", "lt", ["5"], False),
        ("z", "lt", ["5"], False),
        ("a", "gt", ["0"], False),
        ("a", "lt", ["0"], False),
        ("empty", "lt", ["5"], False),
    ],
)
def test_matches(key: str, operator: Operator, values: list[str], expected: bool) -> None:
    assert requirement.new(key, operator, values).matches(LABELS) is expected


@pytest.mark.parametrize(
    ("key", "operator", "values", "message"),
    [
        ("-", "exists", [], "is not a label key"),
        ("a", "in", [], "values set can't be empty"),
        ("a", "notin", [], "values set can't be empty"),
        ("a", "exists", ["x"], "must be empty for exists"),
        ("a", "!", ["x"], "must be empty for exists"),
        ("a", "=", [], "one single value"),
        ("a", "!=", ["x", "y"], "one single value"),
        ("a", "gt", ["1", "2"], "exactly one value"),
        ("a", "lt", ["x"], "must be an integer"),
        ("a", "in", ["x", "-"], "is not a label value"),
        ("a", "gt", ["-5"], "is not a label value"),
    ],
)
def test_what_is_refused(key: str, operator: Operator, values: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        requirement.new(key, operator, values)


def test_order_and_repetition_of_values_do_not_matter() -> None:
    first, second = requirement.new("a", "in", ["y", "x", "x"]), requirement.new("a", "in", ["x", "y"])
    assert first == second
    assert hash(first) == hash(second)
    assert str(first) == "a in (x,y)"


@pytest.mark.parametrize(
    ("operator", "values", "text"),
    [
        ("=", ("x",), "a=x"),
        ("==", ("x",), "a==x"),
        ("!=", ("",), "a!="),
        ("in", ("x",), "a in (x)"),
        ("notin", ("", "x"), "a notin (,x)"),
        ("exists", (), "a"),
        ("!", (), "!a"),
        ("gt", ("1",), "a>1"),
        ("lt", ("1",), "a<1"),
    ],
)
def test_spelling(operator: Operator, values: tuple[str, ...], text: str) -> None:
    assert str(Requirement("a", operator, values)) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("+5", 5), ("-5", -5), ("007", 7), (str(2**63 - 1), 2**63 - 1), (str(-(2**63)), -(2**63))],
)
def test_integer(text: str, number: int) -> None:
    assert requirement.integer(text) == number


@pytest.mark.parametrize("text", ["", "x", " 5", "5_0", "5.0", "٥", str(2**63), str(-(2**63) - 1), "9" * 5000])
def test_what_is_no_integer(text: str) -> None:
    assert requirement.integer(text) is None
