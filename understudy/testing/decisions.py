"""What the loops decided, asked from their debug pages and put in words: the "why" in a failing test's report.

Called by `understudy.testing.cluster` and `understudy.testing.report`. A report must not fail for want of a loop that
answers: what cannot be had is left out.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from understudy.obs.ask import page

Record = Mapping[str, Any]
"""As `plan.explain.Record.as_json` writes it."""

STEPS = 8
"""Shown of one decision."""


def about(ports: Path, kind: str, namespace: str, name: str) -> list[Record]:
    """The last decisions about one object. `ports` is the folder in which each loop wrote down its port."""
    return _ask(ports, "explain", {"kind": kind.lower(), "namespace": namespace, "name": name})


def within(ports: Path, namespace: str, last: int = 20) -> list[Record]:
    """The last decisions that did something in a namespace, oldest first, without the events they sent."""
    found = [each for each in _ask(ports, "journal", {}) if (each["namespace"] or each["name"]) == namespace]
    return [_without_events(each) for each in sorted(found, key=lambda each: str(each["at"]))[-last:]]


def in_words(records: Iterable[Record]) -> list[str]:
    """Lines: one for the decision, one for each of its steps."""
    return [line for record in records for line in _lines(record)]


def _without_events(record: Record) -> Record:
    return {**record, "steps": [step for step in record["steps"] if not step.startswith("event ")]}


def _lines(record: Record) -> list[str]:
    steps = list(record["steps"])
    shown = [f"    {step}" for step in steps[:STEPS]] or ["    nothing to do: it is as it should be"]
    more = len(steps) - STEPS + record["leftOut"]
    rest = [f"    … and {more} more"] if more > 0 else []
    return [f"{record['at'][11:23]} {record['controller']} {record['name']}: {record['outcome']}", *shown, *rest]


def _ask(ports: Path, which: str, query: Mapping[str, str]) -> list[Record]:
    return [record for file in sorted(ports.glob("*")) for record in _page(file, which, query)]


def _page(file: Path, which: str, query: Mapping[str, str]) -> list[Record]:
    try:
        found: list[Record] = page(f"127.0.0.1:{int(file.read_text())}", which, query, 5.0)
    except (OSError, ValueError):
        return []
    return found
