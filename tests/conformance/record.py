"""What is kept of a run: a small JSON file that says what was run on what, who led, and how each group went.

Pure but for `load` and `save`. Names of tests that passed are not kept: the JUnit file of the run has them. Called by
`run` and `table`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.conformance.leases import Look, Side
from tests.conformance.specs import Result, State


class Group(msgspec.Struct, frozen=True):
    """One controller or feature: how many of its tests went how, and their seconds together."""

    sig: str
    name: str
    passed: int
    failed: int
    skipped: int
    not_run: int
    seconds: float


class Trouble(msgspec.Struct, frozen=True):
    """A test that did not pass, and the first line of why."""

    test: str
    state: State
    why: str


class Handover(msgspec.Struct, frozen=True):
    """Who held the Leases from `at` seconds into the run on."""

    at: float
    holders: dict[str, str]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `void` says why it proves nothing; empty if it does."""

    selection: str
    date: str
    lead: Side
    strict: bool
    images: str
    procs: int
    seconds: float
    versions: dict[str, str]
    void: list[str]
    leases: list[Handover]
    groups: list[Group]
    troubles: list[Trouble]

    @property
    def succeeded(self) -> bool:
        """All that were chosen passed (or found that they do not apply), and at least one did."""
        bad = sum(group.failed + group.not_run for group in self.groups)
        return not bad and any(group.passed for group in self.groups)


def groups_of(results: Iterable[Result]) -> list[Group]:
    """One row for each group, by SIG and name."""
    by_key: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_key.setdefault((result.spec.sig, result.spec.group), []).append(result)
    return [_group(sig, name, by_key[sig, name]) for sig, name in sorted(by_key)]


def troubles_of(results: Iterable[Result]) -> list[Trouble]:
    """Everything that did not pass, by name."""
    bad = (result for result in results if result.state != "passed")
    return sorted((Trouble(each.spec.name, each.state, each.why) for each in bad), key=lambda each: each.test)


def handovers_of(looks: Sequence[Look]) -> list[Handover]:
    """The looks that are worth keeping, as they are written."""
    return [Handover(look.at, {name: held.holder for name, held in look.held.items()}) for look in looks]


def selection_of(focus: str, skip: str, *, everything: bool, smoke: bool) -> str:
    """What was chosen, in words: two runs with the same are put side by side."""
    if smoke:
        return "smoke"
    text = f"{focus} without {skip}" if skip else focus
    return f"{text}, not only [Conformance]" if everything else text


def slug(selection: str, lead: Side) -> str:
    """A file name for a run."""
    words = re.sub(r"[^a-z0-9]+", "-", selection.lower()).strip("-")[:80].strip("-")
    return f"{words or 'all'}-{lead}"


def save(record: Record, path: Path) -> None:
    """Write it, indented, for people and diffs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def load(path: Path) -> Record:
    """Read it. Raises ValueError, with the file's name, for a file that is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a run's record: {error}") from error


def totals(groups: Iterable[Group]) -> Mapping[State, int]:
    """How many tests of all groups went how."""
    rows = list(groups)
    return {
        "passed": sum(row.passed for row in rows),
        "failed": sum(row.failed for row in rows),
        "skipped": sum(row.skipped for row in rows),
        "not run": sum(row.not_run for row in rows),
    }


def _group(sig: str, name: str, results: Sequence[Result]) -> Group:
    def count(state: State) -> int:
        return sum(result.state == state for result in results)

    seconds = round(sum(result.seconds for result in results), 1)
    return Group(sig, name, count("passed"), count("failed"), count("skipped"), count("not run"), seconds)
