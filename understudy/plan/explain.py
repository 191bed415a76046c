"""The last decision about each object, kept for whoever asks why: what was done, and the reason of each step.

Written by `plan.apply` (one record a decision), read by the debug endpoint behind `understudy explain`.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key
from understudy.plan.steps import (
    Create,
    Delete,
    DeleteCollection,
    Event,
    Get,
    List,
    Patch,
    Remember,
    Replace,
    Requeue,
    Step,
    Together,
)

KEPT = 5_000
RECENT = 500
STEPS_KEPT = 40
_VERBS = {
    Create: "create",
    Patch: "patch",
    Replace: "replace",
    Delete: "delete",
    DeleteCollection: "delete all",
    Get: "get",
    List: "list",
}


@dataclass(slots=True)
class Record:
    """One decision: when, about which revision, its steps in words, how it ended, and whether it did anything."""

    controller: str
    key: Key
    at: datetime
    revision: str
    steps: list[str] = field(default_factory=list)
    left_out: int = 0
    outcome: str = "running"
    number: int = 0
    acted: bool = False

    def note(self, step: Step) -> None:
        self.acted = self.acted or not isinstance(step, Get | List | Requeue | Remember)
        if len(self.steps) < STEPS_KEPT:
            self.steps.append(describe(step))
        else:
            self.left_out += 1

    def as_json(self) -> dict[str, Any]:
        """For the debug pages."""
        return {
            "controller": self.controller,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "at": self.at.isoformat(),
            "revision": self.revision,
            "steps": self.steps,
            "leftOut": self.left_out,
            "outcome": self.outcome,
            "number": self.number,
        }


class Journal:
    """The newest decisions, and per object the last that did something, bounded."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._last: OrderedDict[tuple[str, Key], list[Record]] = OrderedDict()
        self._recent: deque[Record] = deque(maxlen=RECENT)
        self._count = 0

    def add(self, record: Record) -> None:
        self._count += 1
        record.number = self._count
        if record.acted:
            self._recent.append(record)
        slot = (record.controller, record.key)
        before = self._last.pop(slot, [])
        active = next((old for old in before if old.acted), None)
        self._last[slot] = [record] if record.acted or active is None else [record, active]
        if len(self._last) > self._kept:
            self._last.popitem(last=False)

    def since(self, number: int) -> list[Record]:
        """The decisions after that number that did something, oldest first, as far as they are kept."""
        return [record for record in self._recent if record.number > number]

    def about(self, key: Key, controllers: Sequence[str]) -> list[Record]:
        """The last decision and the last one that did something, of each named controller."""
        found = [record for name in controllers for record in self._last.get((name, key), ())]
        return sorted(found, key=lambda record: record.at, reverse=True)


def describe(step: Step) -> str:
    """A step in one line: the verb, the object, the why."""
    match step:
        case Together(steps) if steps:
            more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
            return f"{describe(steps[0])}{more}"
        case Together():
            return "nothing to do"
        case Event():
            return f"event {step.type} {step.why}"
        case Requeue(after, why):
            return f"look again in {after:g}s: {why}"
        case Remember(why=why):
            return f"remember: {why}"
        case _:
            return f"{_VERBS[type(step)]} {_target(step)}: {step.why}"


def _target(step: Step) -> str:
    match step:
        case Create(kind, _, body, _, subresource, parent):
            metadata = body.get("metadata") or {}
            name = parent or metadata.get("name") or f"{metadata.get('generateName', '')}*"
            return _named(kind, name, subresource)
        case Patch(kind, obj, _, _, subresource):
            return _named(kind, obj.name, subresource)
        case Replace(kind, body, _, subresource):
            return _named(kind, body["metadata"]["name"], subresource)
        case Delete(kind, obj):
            return _named(kind, obj.name)
        case Get(kind, _, name):
            return _named(kind, name)
        case DeleteCollection(kind, namespace) | List(kind, namespace):
            return f"{kind.plural} in {namespace}"
        case _:
            return ""


def _named(kind: Kind[Any], name: str, subresource: str = "") -> str:
    return f"{kind.kind} {name}/{subresource}" if subresource else f"{kind.kind} {name}"
