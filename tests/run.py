"""`make test`: every check in turn, its output as it comes, and one summary at the end.

Called by the Makefile and so by CI; `make test ARGS="lint unit"` runs some of them. A failed check does not hide the
next one's result; exit code 1 if any failed.
"""

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
CLUSTER = "understudy-test"
"""The kind cluster of the last two checks; it is left for a look when the second fails."""


@dataclass(frozen=True, slots=True)
class Check:
    """A name, what it looks at, its commands in order; `counts` if it is pytest, whose tests are counted."""

    name: str
    about: str
    commands: Sequence[Sequence[str]]
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    check: Check
    passed: int
    failed: int
    skipped: int
    seconds: float


CHECKS = (
    Check(
        "lint",
        "ruff: style and format",
        (("ruff", "check", "--quiet", "."), ("ruff", "format", "--check", "--quiet", ".")),
    ),
    Check("types", "mypy --strict, tests too", (("mypy",),)),
    Check("contracts", "import-linter: who may import whom", (("lint-imports", "--no-logo"),)),
    Check(
        "unit",
        "units, properties, scenarios in virtual time",
        (("pytest", "-q", "-n", "2", "tests/unit", "tests/scenarios", "examples/scheduler_plugin"),),
        True,
    ),
    Check(
        "api",
        "on a real kube-apiserver and etcd",
        (("understudy", "toolchain", "build", "--for", "embedded", "--for", "upstream"), ("pytest", "-q", "tests/api")),
        True,
    ),
    Check(
        "oracle",
        "the scheduler's plugins against upstream's",
        (("understudy", "toolchain", "build", "--for", "oracle"), ("pytest", "-q", "tests/oracle_scheduler")),
        True,
    ),
    Check(
        "oracle-dns",
        "cluster DNS against CoreDNS",
        (
            ("understudy", "toolchain", "build", "--for", "dns"),
            ("python", "-m", "tests.oracle_dns", "--services", "300", "--questions", "4000", "--seed", "1"),
        ),
    ),
    Check(
        "chart",
        "helm, and the chart on a real API server",
        (("understudy", "toolchain", "build", "helm"), ("pytest", "-q", "tests/chart")),
        True,
    ),
    Check("netns", "the pod network with real packets", (("pytest", "-q", "tests/netns"),), True),
    Check(
        "cluster",
        "on a real kind cluster: install, storms, upgrade, uninstall",
        (
            ("understudy", "engine", "start"),
            ("understudy", "toolchain", "build", "--for", "kind", "--for", "node"),
            ("pytest", "-q", "tests/cluster", "--cluster-name", CLUSTER, "--keep-cluster"),
        ),
        True,
    ),
    Check(
        "conformance",
        "upstream's e2e suite as the judge, a selection",
        (
            ("understudy", "toolchain", "build", "--for", "conformance"),
            ("python", "-m", "tests.conformance", "run", "--smoke", "--procs", "2", "--name", CLUSTER),
            ("understudy", "down", "--provider", "kind", "--name", CLUSTER),
        ),
    ),
)


def main() -> int:
    """Run the checks named on the command line, all if none is."""
    console = Console(highlight=False)
    chosen = [check for check in CHECKS if check.name in sys.argv[1:] or len(sys.argv) == 1]
    outcomes = [run(check, console) for check in chosen]
    console.print(summary(outcomes))
    passed, failed = sum(one.passed for one in outcomes), sum(one.failed for one in outcomes)
    console.print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def run(check: Check, console: Console) -> Outcome:
    """Run its commands up to the first that fails."""
    console.rule(f"{check.name}: {check.about}", align="left")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        failed = 0
        for command in check.commands:
            more = (f"--junit-xml={report}",) if command[0] == "pytest" else ()
            if subprocess.run([BIN / command[0], *command[1:], *more], cwd=ROOT, check=False).returncode:
                failed = 1
                break
        passed, broken, skipped = count(report) if check.counts else (1 - failed, failed, 0)
    return Outcome(check, passed, max(broken, failed), skipped, time.monotonic() - started)


def count(report: Path) -> tuple[int, int, int]:
    """Tests passed, failed and skipped by a JUnit report; none if there is no report."""
    if not report.exists():
        return 0, 0, 0
    suites = ET.parse(report).getroot().iter("testsuite")
    tests = broken = skipped = 0
    for suite in suites:
        broken += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
        tests += int(suite.get("tests", 0))
    return tests - broken - skipped, broken, skipped


def summary(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("CHECK")
    for column in ("PASSED", "FAILED", "SKIPPED", "SECONDS"):
        table.add_column(column, justify="right")
    for one in outcomes:
        style = "red" if one.failed else "green"
        table.add_row(
            one.check.name, str(one.passed), str(one.failed), str(one.skipped), f"{one.seconds:.0f}", style=style
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
