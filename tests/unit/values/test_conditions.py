"""Reading conditions of any struct that has a type and a status."""

from dataclasses import dataclass

import pytest

from understudy.values import conditions


@dataclass(frozen=True)
class Condition:
    type: str
    status: str
    reason: str = ""


READY = Condition("Ready", "True", "first")
LIST = [Condition("Initialized", "False"), READY, Condition("Ready", "False", "second"), Condition("Held", "Unknown")]


def test_find_gives_the_first_of_a_type() -> None:
    found = conditions.find(LIST, "Ready")
    assert found is READY
    assert found.reason == "first"
    assert conditions.find(LIST, "Missing") is None


@pytest.mark.parametrize(
    ("type_", "expected"), [("Ready", True), ("Initialized", False), ("Held", False), ("Missing", False)]
)
def test_is_true(type_: str, expected: bool) -> None:
    assert conditions.is_true(LIST, type_) is expected


@pytest.mark.parametrize("empty", [None, [], ()])
def test_no_conditions(empty: list[Condition] | None) -> None:
    assert conditions.find(empty, "Ready") is None
    assert not conditions.is_true(empty, "Ready")
