"""Waiting until something is true: what counts as not yet, and what is said in the end."""

from collections.abc import Callable
from typing import Any

import pytest

from understudy.testing.waiting import Unmet, WaitTimeout, met, until


def in_turn(*answers: object) -> Callable[[], object]:
    """Gives the answers one after the other, the last for ever; raises those that are exceptions."""
    left = list(answers)

    def check() -> object:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return check


def test_the_first_true_answer_is_returned() -> None:
    assert until(in_turn(None, 0, "", [], "yes", "later"), 10) == "yes"


@pytest.mark.parametrize("error", [AssertionError("no"), KeyError("status"), IndexError(), LookupError()])
def test_what_is_missing_or_not_as_asserted_is_not_yet(error: Exception) -> None:
    assert until(in_turn(error, "yes"), 10) == "yes"


def test_other_errors_are_not_waited_out_unless_asked_for() -> None:
    with pytest.raises(OSError, match="broken"):
        until(in_turn(OSError("broken"), "yes"), 10)
    assert until(in_turn(OSError("broken"), "yes"), 10, (OSError,)) == "yes"


def test_it_is_asked_once_even_without_time() -> None:
    assert until(in_turn("yes"), 0) == "yes"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (0, "the last answer was 0"),
        (KeyError("status"), "KeyError: 'status'"),
        (Unmet("why"), "Unmet: why"),
    ],
)
def test_in_the_end_it_is_said_what_was_seen_last(last: object, said: str) -> None:
    with pytest.raises(WaitTimeout) as caught:
        until(in_turn(None, last), 0.06)
    assert str(caught.value) == said


def deployment(status: str = "True", generation: int = 2, observed: int = 2, **condition: Any) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": status, "reason": "Why", "message": "because", **condition}]
    return {
        "metadata": {"generation": generation},
        "status": {"observedGeneration": observed, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("obj", "condition"),
    [
        (deployment(), "Available"),
        (deployment(), "available=true"),
        (deployment("False"), "Available=False"),
        (deployment("Unknown"), "Available=Unknown"),
        (deployment(observed=1, observedGeneration=2), "Available"),
        ({"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "Ready"),
        ({"metadata": {}}, "exists"),
        (None, "deleted"),
    ],
)
def test_conditions_that_hold(obj: dict[str, Any] | None, condition: str) -> None:
    assert met(obj, condition)


@pytest.mark.parametrize(
    ("obj", "condition", "said"),
    [
        (deployment("False"), "Available", r"Available is False \(Why: because\)"),
        (deployment(), "Available=False", "Available is True"),
        (deployment(), "Ready", "it has no condition Ready"),
        (deployment(observed=1), "Available", "generation 1, not yet of 2"),
        (deployment(observed=2, observedGeneration=1), "Available", "generation 1, not yet of 2"),
        ({"metadata": {}}, "Ready", "it has no condition Ready"),
        (None, "Available", "there is no such object"),
        (None, "exists", "there is no such object"),
        (deployment(), "deleted", "it is still there"),
    ],
)
def test_conditions_that_do_not_hold(obj: dict[str, Any] | None, condition: str, said: str) -> None:
    with pytest.raises(Unmet, match=said):
        met(obj, condition)
