"""Two verdicts held against each other: each difference is a line that begins with the plugin it is about.

Pure; called by `__main__` and the tests. Equal are: who refuses, the nodes that are looked at, what each plugin says of
each of them, the feasible nodes, each score before and after it is normalised, the sentence for the user, the victims.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracle_scheduler.verdict import Candidate, Judged, Verdict

WHOLE = "decision"
"""What a line begins with that is about no single plugin."""
PREEMPTION = "DefaultPreemption"


def differences(case: Mapping[str, Any], theirs: Verdict, ours: Verdict) -> list[str]:
    """What differs; none if nothing does."""
    if theirs.error:
        return [f"{WHOLE}: upstream ends in an error: {theirs.error}"]
    if (theirs.preFilter, theirs.names) != (ours.preFilter, ours.names):
        return [f"{WHOLE}: looks at {_pair((theirs.preFilter, theirs.names), (ours.preFilter, ours.names))}"]
    if theirs.nodes.keys() != ours.nodes.keys():
        return [f"{WHOLE}: nodes {_pair(sorted(theirs.nodes), sorted(ours.nodes))}"]
    found = [line for name in sorted(theirs.nodes) for line in _node(name, theirs.nodes[name], ours.nodes[name])]
    return [*found, *_outcome(case, theirs, ours)]


def _node(name: str, theirs: Judged, ours: Judged) -> Iterator[str]:
    for plugin in sorted(theirs.rejections.keys() | ours.rejections.keys()):
        both = [each.rejections.get(plugin) for each in (theirs, ours)]
        said = [None if one is None else (sorted(one.reasons), one.final) for one in both]
        if said[0] != said[1]:
            yield f"{plugin}: {name} is turned down {_pair(*said)}"
    if theirs.by != ours.by:
        yield f"{WHOLE}: {name} is turned down by {_pair(theirs.by, ours.by)}"
    elif theirs.feasible:
        yield from _scores(name, theirs, ours)


def _scores(name: str, theirs: Judged, ours: Judged) -> Iterator[str]:
    # What of scores is skipped upstream counts 0, and so does what is none of our plugin's business.
    for plugin in sorted(theirs.raw.keys() & ours.raw.keys()):
        if theirs.raw[plugin] != ours.raw[plugin]:
            yield f"{plugin}: {name} has raw {_pair(theirs.raw[plugin], ours.raw[plugin])}"
    for plugin in sorted(theirs.scores.keys() | ours.scores.keys()):
        points = [each.scores.get(plugin, 0) for each in (theirs, ours)]
        if points[0] != points[1]:
            yield f"{plugin}: {name} scores {_pair(*points)}"


def _outcome(case: Mapping[str, Any], theirs: Verdict, ours: Verdict) -> Iterator[str]:
    totals = {name: node.total for name, node in theirs.nodes.items() if node.feasible}
    if totals:
        best = [name for name, total in totals.items() if total == max(totals.values())]
        if ours.chosen not in best:
            yield f"{WHOLE}: the best node {_pair(best, ours.chosen)}"
        return
    if theirs.message != ours.message:
        yield f"{WHOLE}: message {_pair(theirs.message, ours.message)}"
    yield from _preemption(case, theirs, ours)


def _preemption(case: Mapping[str, Any], theirs: Verdict, ours: Verdict) -> Iterator[str]:
    mine, other = ours.candidates or {}, theirs.candidates or {}
    for name in sorted(other.keys() | mine.keys()):
        said = [each.get(name) for each in (other, mine)]
        if said[0] != said[1]:
            yield f"{PREEMPTION}: on {name} would leave {_pair(*said)}"
    if mine != other:
        return
    least = [None if one is None else _harm(case, one) for one in (other.get(theirs.chosen), mine.get(ours.chosen))]
    if least[0] != least[1]:
        yield f"{PREEMPTION}: chosen {_pair(theirs.chosen, ours.chosen)}"


def _harm(case: Mapping[str, Any], candidate: Candidate) -> tuple[int | str, ...]:
    """By what nodes are compared: of equals either may be chosen."""
    pods = {each["metadata"]["name"]: each for each in case["objects"] if each["kind"] == "Pod"}
    priorities = [pods[name]["spec"].get("priority", 0) for name in candidate.victims]
    starts = [pods[name]["status"]["startTime"] for name in candidate.victims]
    top = [start for start, priority in zip(starts, priorities, strict=True) if priority == max(priorities)]
    return candidate.violations, max(priorities), sum(priorities), len(priorities), min(top)


def _pair(theirs: object, ours: object) -> str:
    return f"upstream {theirs!r}, ours {ours!r}"
