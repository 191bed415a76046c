"""One requirement of a selector: a key, an operator and values.

Label selectors and node selectors are lists of these, all of which must hold. It answers to `Requirement`
in `apimachinery/pkg/labels/selector.go`, operators and spelling included.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from understudy.values import label_syntax

Operator = Literal["in", "notin", "=", "==", "!=", "exists", "!", "gt", "lt"]
Test = Callable[[str | None, tuple[str, ...]], bool]

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A key, an operator and sorted values; `new` checks them, the plain constructor trusts its caller."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy this requirement; a missing label satisfies notin, != and !."""
        return TESTS[self.operator](labels.get(self.key), self.values)

    def __str__(self) -> str:
        values = ",".join(self.values)
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{values}"
            case _:
                return f"{self.key}{self.operator}{values}"


def new(key: str, operator: Operator, values: Iterable[str] = ()) -> Requirement:
    """A checked requirement, as `labels.NewRequirement`. ValueError says what is wrong with it."""
    distinct = tuple(sorted(set(values)))
    if not label_syntax.is_key(key):
        raise ValueError(f"{key!r} is not a label key: use a name of at most 63 characters, or domain/name")
    _check_count(key, operator, len(distinct))
    if operator in ("gt", "lt") and integer(distinct[0]) is None:
        raise ValueError(f"label {key!r}: for 'Gt', 'Lt' operators, the value must be an integer")
    for value in distinct:
        if not label_syntax.is_value(value):
            raise ValueError(f"label {key!r}: {value!r} is not a label value of at most 63 characters")
    return Requirement(key, operator, distinct)


def integer(text: str) -> int | None:
    """The text as Go's `strconv.ParseInt` reads it, or None if it is no int64."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _check_count(key: str, operator: Operator, count: int) -> None:
    match operator:
        case "in" | "notin":
            problem = "for 'in', 'notin' operators, values set can't be empty" if count == 0 else ""
        case "exists" | "!":
            problem = "values set must be empty for exists and does not exist" if count else ""
        case "gt" | "lt":
            problem = "for 'Gt', 'Lt' operators, exactly one value is required" if count != 1 else ""
        case _:
            problem = "exact-match compatibility requires one single value" if count != 1 else ""
    if problem:
        raise ValueError(f"label {key!r}: {problem}")


def _is_one(label: str | None, values: tuple[str, ...]) -> bool:
    return label in values


def _is_none(label: str | None, values: tuple[str, ...]) -> bool:
    return label not in values


def _exists(label: str | None, _: tuple[str, ...]) -> bool:
    return label is not None


def _is_missing(label: str | None, _: tuple[str, ...]) -> bool:
    return label is None


def _is_greater(label: str | None, values: tuple[str, ...]) -> bool:
    return _compared(label, values) > 0


def _is_less(label: str | None, values: tuple[str, ...]) -> bool:
    return _compared(label, values) < 0


def _compared(label: str | None, values: tuple[str, ...]) -> int:
    """The sign of label minus value; 0, which satisfies neither Gt nor Lt, if either is no integer."""
    left, right = integer(label or ""), integer(values[0])
    return 0 if left is None or right is None else (left > right) - (left < right)


TESTS: Mapping[Operator, Test] = {
    "in": _is_one,
    "=": _is_one,
    "==": _is_one,
    "notin": _is_none,
    "!=": _is_none,
    "exists": _exists,
    "!": _is_missing,
    "gt": _is_greater,
    "lt": _is_less,
}
