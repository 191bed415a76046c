"""Random histories of a Job under injected faults, in virtual time: each Pod counts exactly once, and all ends well.

At every change: a status the server would accept, counters that never decrease, no Pod created for a Job that is over.
At the end: over, as many succeeded and failed as really did, no Pod held. More examples: HYPOTHESIS_PROFILE=nightly.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.scenarios.job_weather import History, play
from understudy.kinds.batch import JobStatus
from understudy.kinds.core import Pod
from understudy.operators.job import ledger, tracking
from understudy.operators.job.census import Census
from understudy.operators.job.scaling import drop_finalizer
from understudy.operators.job.tracking import Tracking
from understudy.operators.job.verdict import Verdict
from understudy.plan.steps import Patch
from understudy.state.view import View

ENOUGH = {"rules": [{"succeededCount": 2}]}
SPECS = (
    {"completions": 5, "parallelism": 2},
    {"parallelism": 3},
    {"completions": 4, "parallelism": 4, "backoffLimit": 1},
    {"completions": 4, "parallelism": 3, "completionMode": "Indexed"},
    {"completions": 4, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1},
    {"completions": 3, "parallelism": 3, "podReplacementPolicy": "Failed"},
    {
        "completions": 4,
        "parallelism": 4,
        "completionMode": "Indexed",
        "successPolicy": {"rules": [{"succeededCount": 2}]},
    },
)

EDITS = st.sampled_from([{"suspend": True}, {"suspend": False}, {"parallelism": 1}, {"parallelism": 4}])


def histories() -> st.SearchStrategy[History]:
    return st.builds(
        History,
        spec=st.sampled_from(SPECS),
        seed=st.integers(0, 2**32),
        failing=st.sampled_from([0, 20, 60]),
        rate=st.sampled_from([0.0, 0.1, 0.3]),
        event_rate=st.sampled_from([0.0, 0.1]),
        crashes=st.lists(st.integers(0, 15), max_size=3).map(tuple),
        taken=st.lists(st.integers(0, 15), max_size=2).map(tuple),
        edits=st.lists(st.tuples(st.sampled_from([0.0, 0.6, 3.0, 12.0]), EDITS), max_size=3).map(tuple),
    )


@example(History({"parallelism": 3}, crashes=(2,), edits=((0.6, {"suspend": True}),)))  # it never told its start
@given(histories())
def test_whatever_happens(history: History) -> None:
    assert play(history).problems() == []


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_controller_may_die_at_any_step(spec: dict[str, Any]) -> None:
    for step in range(0, 40, 2):
        history = History(spec, seed=step, failing=25, crashes=(step, 2, 1), rate=0.3 * (step % 4 // 2))
        assert play(history).problems() == [], step


class TestTheJudge:
    """What finds no fault must be able to."""

    def test_sees_a_finalizer_that_goes_before_the_pod_is_noted(self) -> None:
        def early(pod: Pod) -> Patch:
            return drop_finalizer(pod, "too early")

        def too_early(census: Census, crew: Sequence[Pod], verdict: Verdict | None, view: View) -> Tracking:
            yield from tracking._release(map(early, ledger.take_notes(census, verdict).release))
            yield from tracking.track(census, crew, verdict, view)

        with patch("understudy.operators.job.track", too_early):
            found = [play(History(SPECS[0], seed=step, crashes=(step,))).problems() for step in range(20)]
        assert any("succeeded, the status says" in problem for problems in found for problem in problems)

    def test_sees_a_pod_that_is_counted_while_it_is_held(self) -> None:
        with patch("understudy.operators.job.tracking._tracked", lambda *_: set()):
            found = [play(History(SPECS[1], seed=step, rate=0.5)).problems() for step in range(10)]
        assert any(found)

    def test_sees_a_status_the_server_would_refuse(self) -> None:
        def hasty(status: JobStatus, _verdict: Verdict, _now: datetime) -> JobStatus:
            return status

        with patch("understudy.operators.job.ledger.announced", hasty):
            assert "Complete unannounced" in play(History(SPECS[0])).problems()[0]
