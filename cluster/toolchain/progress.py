"""How far a build is, read from what Go prints, and how it is shown.

`BuildState` is pure: it is fed lines and asked for a text; the time is an argument. Real progress is counted in
packages: `go list` tells beforehand how many are stale, `go build -v` prints each as it is compiled. Two displays:
a bar on a terminal, else a plain line at most every ten seconds. Called by `build`.
"""

import re
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

PLAIN_SECONDS = 10.0
STALE = "stale: "
"""What `go list` is told to print before each package that must be compiled."""
_DOWNLOADING = re.compile(r"^go: (?:downloading|finding) (\S+) (\S+)")
_PACKAGE = re.compile(r"^[A-Za-z0-9][\w.\-/~+@]*$")


@dataclass(slots=True)
class BuildState:
    """One tool's build; `total` counts the stale packages, of which `done` are compiled."""

    what: str
    package: str
    started: float
    total: int = 0
    done: int = 0
    modules: int = 0
    phase: str = "resolving"
    compiling_since: float = 0.0
    output: list[str] = field(default_factory=list)
    """Lines that are neither a download nor a package: where an error would be."""

    def compile(self, now: float) -> None:
        """All stale packages are counted: compiling begins, or linking if only the program itself is stale."""
        self.phase, self.compiling_since = "compiling" if self.total > 1 else "linking", now

    def feed(self, line: str) -> None:
        """Take in one line that Go printed."""
        if _DOWNLOADING.match(line):
            self.modules += 1
            if self.phase == "resolving":
                self.phase = "downloading"
        elif line.startswith(STALE):
            self.total += 1
        elif self.phase in ("compiling", "linking") and _PACKAGE.match(line):
            self.done += 1
            if line == self.package:
                self.phase = "linking"
        else:
            self.output.append(line)

    def remaining(self, now: float) -> float | None:
        """Seconds left, by the packages so far; None while that would be a guess."""
        spent = now - self.compiling_since
        if self.phase != "compiling" or self.done < 10 or spent < 5:
            return None
        return spent / self.done * max(self.total - self.done, 0)

    def describe(self, now: float) -> str:
        """One line: what, how far, elapsed, and the estimate if there is one."""
        left = self.remaining(now)
        estimate = f", about {clock(left)} left" if left is not None else ""
        return f"{self.what}: {self.step()}, {clock(now - self.started)} elapsed{estimate}"

    def step(self) -> str:
        """What is being done now, with its count."""
        match self.phase:
            case "downloading":
                return f"downloading, {self.modules:,} modules so far"
            case "compiling":
                return f"compiled {self.done:,} of {self.total:,} packages"
            case phase:
                return phase


def clock(seconds: float) -> str:
    """`83.4` -> `1:23`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


class Display(Protocol):
    """Shows builds as they go on."""

    def __enter__(self) -> "Display": ...
    def __exit__(self, *details: object) -> None: ...
    def say(self, text: str) -> None:
        """A lasting line."""

    def show(self, state: BuildState, now: float) -> None:
        """The state has changed, or a second has gone by."""


def display_for(console: Console) -> Display:
    """A bar if the console is a terminal, else plain lines."""
    return TerminalDisplay(console) if console.is_terminal else PlainDisplay(console)


class PlainDisplay:
    """For logs: a line when a tool begins or changes its phase, and one every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ("", "", 0.0)

    def __enter__(self) -> "PlainDisplay":
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, state: BuildState, now: float) -> None:
        what, phase, when = self._last
        if (what, phase) != (state.what, state.phase) or now - when >= PLAIN_SECONDS:
            self._last = (state.what, state.phase, now)
            self.say(state.describe(now))


class TerminalDisplay:
    """One bar, redrawn in place; it disappears when the work is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24))
        self._progress = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> "TerminalDisplay":
        self._progress.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def show(self, state: BuildState, now: float) -> None:
        if self._task is None:
            self._task = self._progress.add_task("", total=None)
        total = state.total or None
        self._progress.update(self._task, description=state.describe(now), total=total, completed=state.done)
