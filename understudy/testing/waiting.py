"""Waiting in tests until something is true, and saying what was seen instead when it never is.

Called by `understudy.testing.cluster`. `met` answers to `kubectl wait --for=condition=`, with its rule that a
condition of an older generation does not count.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

POLL = 0.05
NOT_YET = (AssertionError, LookupError)
"""What a check may raise while it is not true yet: a failed assert, a key or an object that is not there."""


class WaitTimeout(AssertionError):
    """What a test waited for did not come true in time; the text says what there was instead."""


class Unmet(AssertionError):
    """The condition does not hold, and why."""


def until(check: Callable[[], T], timeout: float, ignoring: tuple[type[Exception], ...] = ()) -> T:
    """Call `check` until it answers something true, and return that; what it raises of `ignoring` means not yet.

    It is called at least once, and once more when time is up. Raises WaitTimeout with what it said last.
    """
    not_yet: tuple[type[Exception], ...] = (*NOT_YET, *ignoring)
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= end
        try:
            answer = check()
            if answer:
                return answer
            said = f"the last answer was {answer!r}"
        except not_yet as error:
            said = f"{type(error).__name__}: {error}"
        if late:
            raise WaitTimeout(said)
        time.sleep(POLL)


def met(obj: Mapping[str, Any] | None, condition: str) -> bool:
    """Whether "exists", "deleted", "Available" or "Progressing=False" holds of the object; None is none.

    Raises Unmet with what there is instead.
    """
    if condition == "deleted":
        return _or_unmet(obj is None, "it is still there")
    if obj is None:
        raise Unmet("there is no such object")
    if condition == "exists":
        return True
    kind, _, wanted = condition.partition("=")
    return _condition(obj, kind, wanted or "True")


def _condition(obj: Mapping[str, Any], kind: str, wanted: str) -> bool:
    status = obj.get("status") or {}
    found = next((each for each in status.get("conditions", ()) if each["type"].lower() == kind.lower()), None)
    if found is None:
        raise Unmet(f"it has no condition {kind}")
    generation = obj["metadata"].get("generation", 0)
    observed = found.get("observedGeneration", status.get("observedGeneration", generation))
    _or_unmet(observed >= generation, f"its status is of generation {observed}, not yet of {generation}")
    said = ": ".join(part for part in (found.get("reason"), found.get("message")) if part)
    return _or_unmet(found["status"].lower() == wanted.lower(), f"{kind} is {found['status']} ({said})")


def _or_unmet(holds: bool, otherwise: str) -> bool:
    if not holds:
        raise Unmet(otherwise)
    return True
