"""Progress read from Go's own output, and what a log and a terminal show of it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from understudy.cluster.toolchain.progress import (
    PLAIN_SECONDS,
    STALE,
    BuildState,
    PlainDisplay,
    TerminalDisplay,
    clock,
    display_for,
)

MAIN = "go.etcd.io/etcd/server/v3"


def state_after(*lines: str, started: float = 100.0) -> BuildState:
    state = BuildState("[1/4] etcd 3.6.16", MAIN, started)
    for line in lines:
        state.feed(line)
    return state


def compiling(packages: int, since: float = 100.0) -> BuildState:
    state = state_after(*(f"{STALE}p{number}" for number in range(packages)))
    state.compile(since)
    return state


def plain() -> tuple[io.StringIO, Console]:
    out = io.StringIO()
    return out, Console(file=out, width=200)


def test_first_it_resolves() -> None:
    assert state_after().describe(101) == "[1/4] etcd 3.6.16: resolving, 0:01 elapsed"


def test_downloads_are_counted() -> None:
    state = state_after("go: downloading example.org/a v1.0.0", "go: downloading example.org/b v2.1.0+incompatible")
    assert state.describe(103) == "[1/4] etcd 3.6.16: downloading, 2 modules so far, 0:03 elapsed"


def test_stale_packages_make_the_total_and_printed_ones_the_share() -> None:
    state = compiling(1200)
    for number in range(1100):
        state.feed(f"k8s.io/api/p{number}/v1beta1")
    assert state.step() == "compiled 1,100 of 1,200 packages"


def test_program_itself_is_compiled_last_then_linked() -> None:
    state = compiling(2)
    state.feed("go.etcd.io/bbolt")
    state.feed(MAIN)
    assert (state.done, state.step()) == (2, "linking")


def test_nothing_but_the_program_stale_means_linking_at_once() -> None:
    assert compiling(1).step() == "linking"


@pytest.mark.parametrize(
    "line", ["# example.org/raft", "raft.go:3:1: undefined: x", "go: error", "ld: out of memory", "", "  indented"]
)
def test_other_lines_are_kept_as_output_and_count_nothing(line: str) -> None:
    state = compiling(3)
    state.feed(line)
    assert (state.output, state.done) == ([line], 0)


def test_download_while_compiling_does_not_hide_the_packages() -> None:
    state = compiling(3)
    state.feed("go: downloading example.org/a v1.0.0")
    assert state.step() == "compiled 0 of 3 packages"


@pytest.mark.parametrize(("done", "seconds", "left"), [(100, 20, 60.0), (9, 20, None), (100, 4, None), (400, 80, 0.0)])
def test_estimate_goes_by_packages_once_there_are_enough(done: int, seconds: float, left: float | None) -> None:
    state = compiling(400)
    state.done = done
    assert state.remaining(100 + seconds) == left


def test_estimate_is_part_of_the_line() -> None:
    state = compiling(400, since=110.0)
    state.done = 100
    assert state.describe(130) == ("[1/4] etcd 3.6.16: compiled 100 of 400 packages, 0:30 elapsed, about 1:00 left")


@given(st.lists(st.sampled_from(["a/b", f"{STALE}x", "go: downloading m v1", MAIN, "# a", "boom: no"]), max_size=60))
def test_every_line_is_counted_once_or_kept(lines: list[str]) -> None:
    state = compiling(5)
    for line in lines:
        state.feed(line)
    assert state.done + (state.total - 5) + state.modules + len(state.output) == len(lines)
    assert state.remaining(1000) is None or state.remaining(1000) >= 0  # type: ignore[operator]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (83.4, "1:23"), (3725, "62:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_log_gets_a_line_a_phase_and_one_every_ten_seconds() -> None:
    out, console = plain()
    state = state_after()
    with PlainDisplay(console) as display:
        display.show(state, 100)
        state.feed("go: downloading example.org/a v1.0.0")
        for now in (101, 102, 103):
            display.show(state, now)
        display.show(state, 101 + PLAIN_SECONDS)
    assert [line.split(", ")[-1] for line in out.getvalue().splitlines()] == [
        "0:00 elapsed",
        "0:01 elapsed",
        "0:11 elapsed",
    ]


def test_log_lines_are_neither_wrapped_nor_read_as_markup() -> None:
    out = io.StringIO()
    text = "[1/4] etcd [bold] " + "x" * 300
    PlainDisplay(Console(file=out, width=80)).say(text)
    assert out.getvalue() == text + "\n"


def test_terminal_shows_the_line_and_keeps_what_is_said() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, color_system=None)
    state = compiling(400)
    with TerminalDisplay(console) as display:
        display.show(state, 130)
        display.say("[1/4] etcd 3.6.16: built in 0:30")
    text = out.getvalue()
    assert "compiled 0 of 400 packages, 0:30 elapsed" in text
    assert "[1/4] etcd 3.6.16: built in 0:30" in text
    assert text.rstrip().endswith("\x1b[2K")  # the bar is wiped


def test_display_fits_the_console() -> None:
    assert isinstance(display_for(Console(force_terminal=True)), TerminalDisplay)
    assert isinstance(display_for(Console(file=io.StringIO())), PlainDisplay)
