"""A namespace in words for the report of a failing test: its pods, its events, what the loops decided. Pure.

Called by `understudy.testing.cluster`. Columns as kubectl prints them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from understudy.testing.decisions import Record, in_words

Object = Mapping[str, Any]

PODS = 30
EVENTS = 30
"""Shown at most: the newest."""


def describe(namespace: str, pods: Sequence[Object], events: Sequence[Object], decided: Sequence[Record]) -> str:
    """All there is to say about a namespace."""
    parts = [f"namespace {namespace}", "", *_pods(pods), "", *_events(events)]
    if decided:
        parts += ["", "what the loops did:", *in_words(decided)]
    return "\n".join(parts)


def _pods(pods: Sequence[Object]) -> list[str]:
    if not pods:
        return ["no pods"]
    head = ("POD", "READY", "STATUS", "NODE", "WHY NOT")
    rows = [_pod(each) for each in pods[:PODS]]
    return [*_table(head, rows), *([f"… and {len(pods) - PODS} more pods"] if len(pods) > PODS else [])]


def _pod(pod: Object) -> Sequence[str]:
    status, meta = pod.get("status", {}), pod["metadata"]
    containers = status.get("containerStatuses", ())
    ready = f"{sum(each['ready'] for each in containers)}/{len(pod['spec']['containers'])}"
    phase = "Terminating" if "deletionTimestamp" in meta else status.get("phase", "")
    return meta["name"], ready, phase, pod["spec"].get("nodeName", "<none>"), _why_not(status)


def _why_not(status: Mapping[str, Any]) -> str:
    """The first thing that keeps the pod from being ready."""
    waiting = [each["state"]["waiting"] for each in status.get("containerStatuses", ()) if "waiting" in each["state"]]
    unmet = [each for each in status.get("conditions", ()) if each["status"] == "False"]
    for each in [*waiting, *unmet, status]:
        if each.get("message") or each.get("reason"):
            return ": ".join(part for part in (each.get("reason"), each.get("message")) if part)
    return ""


def _events(events: Sequence[Object]) -> list[str]:
    if not events:
        return ["no events"]
    newest = sorted(events, key=_when)[-EVENTS:]
    return _table(("EVENT", "TYPE", "REASON", "OBJECT", "MESSAGE"), [_event(each) for each in newest])


def _event(event: Object) -> Sequence[str]:
    regarding = event["involvedObject"]
    subject = f"{regarding.get('kind', '').lower()}/{regarding.get('name', '')}"
    times = f" (x{event['count']})" if (event.get("count") or 1) > 1 else ""
    return (
        _when(event)[11:19],
        event.get("type", ""),
        event.get("reason", ""),
        subject,
        event.get("message", "") + times,
    )


def _when(event: Object) -> str:
    series = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((each for each in moments if each), event["metadata"].get("creationTimestamp") or "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
