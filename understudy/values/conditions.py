"""Reading lists of conditions, whatever kind of object they belong to.

The loops and the scheduler call this with the conditions of their own structs. It answers to
`apimachinery/pkg/api/meta/conditions.go` (`FindStatusCondition`, `IsStatusConditionTrue`).
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Condition(Protocol):
    """What all conditions have: a type, and a status of "True", "False" or "Unknown"."""

    @property
    def type(self) -> str: ...

    @property
    def status(self) -> str: ...


AnyCondition = TypeVar("AnyCondition", bound=Condition)


def find(conditions: Iterable[AnyCondition] | None, type_: str) -> AnyCondition | None:
    """The first condition of this type, or None."""
    return next((each for each in conditions or () if each.type == type_), None)


def is_true(conditions: Iterable[Condition] | None, type_: str) -> bool:
    """Whether there is a condition of this type and its status is "True"."""
    found = find(conditions, type_)
    return found is not None and found.status == "True"
