"""The differences that are meant, each with its reason; docs/controllers/scheduler.md lists them for users."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Case = Mapping[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Known(NamedTuple):
    """Lines of `compare` that begin so, the cases in which they are meant, and why they may differ."""

    line: re.Pattern[str]
    case: Callable[[Case], bool]
    why: str


def _asks_as_a_whole(case: Case) -> bool:
    return "resources" in case["pod"]["spec"]


def _nominates(case: Case) -> bool:
    return any(each.get("status", {}).get("nominatedNodeName") for each in case["objects"])


def _nominates_a_loner(case: Case) -> bool:
    return any(
        each.get("status", {}).get("nominatedNodeName")
        and each["spec"].get("affinity", {}).get("podAntiAffinity", {}).get(REQUIRED)
        for each in case["objects"]
    )


_DEVICES = "cannot add device|is currently being updated"
KNOWN: Sequence[Known] = (
    Known(
        re.compile(
            f'(decision: upstream ends in an error: running "DynamicResources"|DynamicResources: ).*({_DEVICES})'
        ),
        lambda case: case["topic"] == "devices",
        "a pool or a claim that cannot be judged turns a node down; upstream ends the attempt with an error",
    ),
    Known(
        re.compile(r"""decision: message upstream ['"].*\. not found['"], ours ['"].* preemption: """),
        lambda _: True,
        "where a PreFilter refuses the pod upstream's DynamicResources misses its state, and preemption is not asked",
    ),
    Known(
        re.compile("NodeResourcesFit: node-[0-9]+ (has raw|scores) "),
        _asks_as_a_whole,
        "upstream's NodeResourcesFit forgets the pod's own pod-level requests where it scores",
    ),
    Known(
        re.compile("decision: the best node "),
        _asks_as_a_whole,
        "follows from the scores of pods with pod-level requests",
    ),
    Known(
        re.compile("decision: (node-[0-9]+ is turned down by upstream '[A-Za-z]+', ours '[A-Za-z]+'|message )"),
        _nominates,
        "a node that would not do anyway is told about without the pods nominated for it",
    ),
    Known(
        re.compile("DefaultPreemption: |decision: (node-[0-9]+ is turned down|the best node|message) "),
        _nominates_a_loner,
        "anti-affinity of a pod that is nominated and not yet placed keeps nobody off",
    ),
)


def reason(case: Case, line: str) -> str:
    """Why that difference is meant; "" if it is not."""
    return next((each.why for each in KNOWN if each.line.match(line) and each.case(case)), "")
