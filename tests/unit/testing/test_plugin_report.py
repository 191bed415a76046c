"""What a failing test's report says about its namespace."""

from typing import Any

from tests.unit.testing.plugin_cluster import record
from understudy.testing.report import EVENTS, PODS, describe

Json = dict[str, Any]


def pod(name: str = "a", *, node: str = "", phase: str = "Pending", meta: Json | None = None, **status: Any) -> Json:
    spec: Json = {"containers": [{"name": "c"}, {"name": "d"}]} | ({"nodeName": node} if node else {})
    return {"metadata": {"name": name, **(meta or {})}, "spec": spec, "status": {"phase": phase, **status}}


def event(when: str, **more: Any) -> Json:
    regarding = {"kind": "Pod", "name": "a"}
    said = {"type": "Normal", "reason": "Pulled", "message": "Image is there", "lastTimestamp": when}
    return {"metadata": {}, "involvedObject": regarding, **said, **more}


def lines(*, pods: list[Json] | None = None, events: list[Json] | None = None) -> list[str]:
    return describe("ns", pods or [], events or [], []).splitlines()


def test_an_empty_namespace_is_said_to_be_empty() -> None:
    assert lines() == ["namespace ns", "", "no pods", "", "no events"]


def test_a_pod_that_was_not_scheduled() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
    (_, _, head, row, *_) = lines(pods=[pod(conditions=[unscheduled])])
    assert head.split() == ["POD", "READY", "STATUS", "NODE", "WHY", "NOT"]
    assert row.split(maxsplit=4) == ["a", "0/2", "Pending", "<none>", "Unschedulable: 0/2 nodes"]


def test_a_container_that_waits_says_more_than_a_condition() -> None:
    containers = [
        {"ready": True, "state": {"running": {}}},
        {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}},
    ]
    conditions = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
    row = lines(pods=[pod(node="n", phase="Running", containerStatuses=containers, conditions=conditions)])[3]
    assert row.split(maxsplit=4) == ["a", "1/2", "Running", "n", "CrashLoopBackOff: back-off 10s"]


def test_a_pod_that_is_fine_or_ending_or_failed() -> None:
    fine = pod("fine", node="n", phase="Running", conditions=[{"type": "Ready", "status": "True", "reason": "x"}])
    ending = pod("ending", node="n", phase="Running", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    failed = pod("failed", node="n", phase="Failed", reason="Evicted", message="The node was low on memory")
    rows = [row.split(maxsplit=4) for row in lines(pods=[fine, ending, failed])[3:6]]
    assert rows[0] == ["fine", "0/2", "Running", "n"]
    assert rows[1][2] == "Terminating"
    assert rows[2][4] == "Evicted: The node was low on memory"


def test_events_in_the_order_of_time_whatever_field_tells_it() -> None:
    events = [
        event("2026-01-01T10:00:03Z", reason="Third", count=4),
        event("", eventTime="2026-01-01T10:00:01.5Z", reason="First"),
        event("2026-01-01T10:00:00Z", series={"lastObservedTime": "2026-01-01T10:00:02Z"}, reason="Second"),
        event("", metadata={"creationTimestamp": "2026-01-01T10:00:04Z"}, reason="Fourth"),
    ]
    shown = lines(events=events)[-4:]
    assert [row.split()[2] for row in shown] == ["First", "Second", "Third", "Fourth"]
    assert shown[2].split(maxsplit=4) == ["10:00:03", "Normal", "Third", "pod/a", "Image is there (x4)"]


def test_bounds() -> None:
    shown = lines(
        pods=[pod(f"p{number}") for number in range(PODS + 5)],
        events=[event(f"2026-01-01T10:{number:02}:00Z") for number in range(EVENTS + 1)],
    )
    assert "… and 5 more pods" in shown
    assert not any(row.startswith("10:00:00") for row in shown), "the oldest event is left out"
    assert any(row.startswith(f"10:{EVENTS}:00") for row in shown)


def test_what_the_loops_did() -> None:
    shown = describe("ns", [], [], [record()]).splitlines()
    assert shown[-3:] == [
        "what the loops did:",
        "10:20:30.123 deployment-controller web: done",
        "    create Pod a: one is missing",
    ]
