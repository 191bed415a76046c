"""One test of upstream's suite: what it is called, what group it belongs to, how it went.

Read from the JSON reports of ginkgo (types.Report), of a dry run to know what there is and of a real one to know how
it went. Pure, over the decoded report. Called by `plan`, `suite` and `record`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["passed", "failed", "skipped", "not run"]
FAILURES = ("failed", "panicked", "timedout", "interrupted", "aborted")
"""ginkgo's states (types.SpecState) that are none of a test that passed."""
_SIG = re.compile(r"^\[(sig-[a-z-]+)\] ?")
_TAGS = re.compile(r"\[[^]]*\]")


@dataclass(frozen=True, slots=True)
class Spec:
    """A test by its whole name, its SIG (`sig-apps`) and its group within that (`Deployment`)."""

    name: str
    sig: str
    group: str

    @property
    def conformance(self) -> bool:
        return "[Conformance]" in self.name

    @property
    def serial(self) -> bool:
        return "[Serial]" in self.name or "[Disruptive]" in self.name


@dataclass(frozen=True, slots=True)
class Result:
    """How one test went. `why` is the first line of what its failure, or its being skipped, says."""

    spec: Spec
    state: State
    seconds: float = 0.0
    why: str = ""


def specs_of(reports: Iterable[Mapping[str, Any]]) -> list[Spec]:
    """All tests that a report knows of, run or not, by name."""
    return sorted({_spec(report) for report in _tests(reports)}, key=lambda spec: spec.name)


def results_of(reports: Iterable[Mapping[str, Any]], wanted: Sequence[Spec], why_not: str = "") -> list[Result]:
    """How each of `wanted` went; what the reports say nothing of was not run, because of `why_not`."""
    told = {_name(report): report for report in _tests(reports)}
    return [_result(spec, told.get(spec.name), why_not) for spec in wanted]


def broken(reports: Iterable[Mapping[str, Any]]) -> str:
    """Why the suite itself failed, where something outside the tests did; "" if nothing has."""
    others = (each for suite in reports for each in suite.get("SpecReports") or () if each.get("LeafNodeType") != "It")
    failed = (each for each in others if each["State"] in FAILURES)
    return next((f"{each['LeafNodeType']}: {_message(each)}" for each in failed), "")


def group_of(containers: Sequence[str], name: str) -> tuple[str, str]:
    """(SIG, group): of the outermost container's text `[sig-apps] Daemon set [Serial]`, the words."""
    sig = _SIG.match(containers[0] if containers else name) or _SIG.match(name)
    words = _words(containers[0]) if containers else ""
    return (sig[1] if sig else "other"), words or _words(name.partition(" should ")[0]) or "other"


def first_line(text: str) -> str:
    """The first line that says anything, at most 200 characters of it."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "")[:200]


def _words(text: str) -> str:
    return " ".join(_TAGS.sub(" ", text).split())


def _tests(reports: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for suite in reports:
        for report in suite.get("SpecReports") or ():
            if report.get("LeafNodeType") == "It":
                yield report


def _spec(report: Mapping[str, Any]) -> Spec:
    name = _name(report)
    sig, group = group_of(report.get("ContainerHierarchyTexts") or (), name)
    return Spec(name, sig, group)


def _name(report: Mapping[str, Any]) -> str:
    return " ".join(text for text in (*(report.get("ContainerHierarchyTexts") or ()), report["LeafNodeText"]) if text)


def _result(spec: Spec, report: Mapping[str, Any] | None, why_not: str) -> Result:
    state = report["State"] if report else "not run"
    seconds = round(report.get("RunTime", 0) / 1e9, 1) if report else 0.0
    why = _message(report) if report else ""
    if state == "passed":
        return Result(spec, "passed", seconds)
    if state in FAILURES:
        return Result(spec, "failed", seconds, why or state)
    if report and report.get("NumAttempts"):  # it began, and then found that it does not apply here
        return Result(spec, "skipped", seconds, why)
    return Result(spec, "not run", why=why_not)


def _message(report: Mapping[str, Any]) -> str:
    return first_line((report.get("Failure") or {}).get("Message") or "")
