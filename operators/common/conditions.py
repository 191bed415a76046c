"""Conditions on their way back to the server.

Loops that own one condition of a list call this, since a merge patch replaces the whole list. It answers to the
`SetCondition` and `RemoveCondition` helpers of each controller's utilities.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from understudy.kinds.meta import Condition


def body(condition: Condition) -> dict[str, Any]:
    """The condition as it is written: without the fields it does not have."""
    return {name: value for name, value in msgspec.to_builtins(condition).items() if value}


def without(conditions: Iterable[Condition], type_: str) -> list[dict[str, Any]]:
    """All of the list but the conditions of this type."""
    return [body(condition) for condition in conditions if condition.type != type_]


def with_(conditions: Iterable[Condition], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The list in which `new` has replaced the conditions of its type, at the end."""
    return [*without(conditions, new["type"]), dict(new)]
