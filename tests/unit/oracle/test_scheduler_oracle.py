"""What is drawn for the scheduler's oracle, our side of it, and that differences are seen. Upstream is not needed."""

import copy

import pytest

from tests.oracle_scheduler import drawn, known, ours
from tests.oracle_scheduler.compare import differences
from tests.oracle_scheduler.verdict import Candidate, Rejection, Verdict


def test_a_seed_is_a_case() -> None:
    assert drawn.case(7) == drawn.case(7)
    assert drawn.case(7) != drawn.case(8)
    assert {drawn.case(seed)["topic"] for seed in range(200)} == set(drawn.TOPICS)


@pytest.mark.parametrize("topic", drawn.TOPICS)
async def test_our_verdict_adds_up(topic: drawn.TopicName) -> None:
    """The node that is chosen is one of the best of those the plugins leave; else there is a reason."""
    for seed in range(8):
        case = drawn.case(seed, topic)
        said = await ours.judge(case)
        totals = {name: node.total for name, node in said.nodes.items() if node.feasible}
        nominated = any(each.get("status", {}).get("nominatedNodeName") for each in case["objects"])
        assert nominated or not totals or totals[said.chosen] == max(totals.values())
        assert totals or said.message


async def verdicts(feasible: bool) -> tuple[drawn.Json, Verdict, Verdict]:
    for seed in range(100):
        case = drawn.case(seed, "preemption")
        said = await ours.judge(case)
        if bool(said.candidates) is not feasible and any(each.feasible for each in said.nodes.values()) is feasible:
            return case, said, copy.deepcopy(said)
    raise AssertionError("none drawn")


async def test_equal_verdicts_do_not_differ() -> None:
    for feasible in (True, False):
        case, one, other = await verdicts(feasible)
        assert differences(case, one, other) == []


async def test_each_thing_that_may_differ_is_seen() -> None:
    case, one, other = await verdicts(feasible=True)
    name = other.chosen
    node = other.nodes[name]
    node.scores["NodeResourcesFit"] += 1
    node.raw["ImageLocality"] += 1
    node.rejections["NodePorts"] = Rejection(["taken"], final=False)
    said = differences(case, one, other)
    assert [line.partition(": ")[0] for line in said] == ["NodePorts", "ImageLocality", "NodeResourcesFit"]

    other.nodes[name].by = "NodePorts"
    assert f"decision: {name} is turned down by upstream '', ours 'NodePorts'" in differences(case, one, other)
    other.nodes.pop(name)
    assert differences(case, one, other)[0].startswith("decision: nodes upstream")


async def test_other_victims_are_seen() -> None:
    case, one, other = await verdicts(feasible=False)
    assert other.candidates is not None
    other.candidates[other.chosen] = Candidate(["somebody"], 0)
    other.message += " Really."
    said = differences(case, one, other)
    assert said[0].startswith("decision: message")
    assert said[1].startswith(f"DefaultPreemption: on {other.chosen} would leave")


def test_what_is_known_is_known_of_its_cases_only() -> None:
    line = "NodeResourcesFit: node-1 scores upstream 81, ours 69"
    plain: drawn.Json = {"objects": [], "pod": {"spec": {}}}
    assert known.reason(plain, line) == ""
    assert known.reason({"objects": [], "pod": {"spec": {"resources": {}}}}, line)
    assert known.reason({"objects": [], "pod": {"spec": {"resources": {}}}}, "NodePorts: node-1 scores") == ""
