"""Running upstream's suite: ginkgo as a child process, its output read as it comes, its report in the end.

`Suite.play` runs one part and returns how each of its tests went. Leaving it early, by Ctrl-C say, ends ginkgo and
all it started. Called by `run`.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from tests.conformance.plan import BadPlan, Part, Setting, command
from tests.conformance.progress import Ended, Progress
from tests.conformance.specs import Result, Spec, broken, first_line, results_of, specs_of
from tests.conformance.table import clock
from understudy.cluster.toolchain.process import Failed, lines

ASK_SECONDS = 120
TELL_SECONDS = 30.0
"""Where there is no terminal to redraw, how far it is is told this often."""

Reports = Sequence[Mapping[str, Any]]


def inventory(e2e: Path) -> list[Spec]:
    """All tests of the suite, by a dry run of the program `e2e`. Raises BadPlan."""
    with TemporaryDirectory(prefix="understudy-conformance-") as folder:
        report = Path(folder) / "dry.json"
        asked = [str(e2e), "--ginkgo.dry-run", "--ginkgo.no-color", "--ginkgo.silence-skips", "--ginkgo.succinct"]
        done = subprocess.run(
            [*asked, f"--ginkgo.json-report={report}"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
        specs = specs_of(read(report))
    if not specs:
        raise BadPlan(f"{e2e} does not tell what tests there are:\n{(done.stderr or done.stdout)[-800:]}")
    return specs


def read(report: Path) -> Reports:
    """A JSON report of ginkgo; nothing if it was not written, or not whole."""
    try:
        found = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def environment() -> dict[str, str]:
    """Ours, without what would turn the suite's eyes to another cluster."""
    return {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "KUBE_TEST_REPO_LIST")}


@dataclass(frozen=True, slots=True)
class Suite:
    """The suite on one cluster; what it prints and reports goes into `folder`."""

    setting: Setting
    folder: Path
    console: Console

    def play(self, part: Part) -> list[Result]:
        """Run `part` whole. Raises BadPlan if ginkgo cannot be started."""
        progress, report = Progress(), f"{part.name}.json"
        teller = Teller(self.console, part, time.monotonic())
        asked = command(part, self.setting, self.folder, report)
        with (self.folder / f"{part.name}.log").open("w", buffering=1) as log, self.console.status(part.name) as status:
            try:
                with closing(lines(asked, env=environment(), cwd=self.folder)) as output:
                    for line in output:
                        if line is not None:
                            log.write(line + "\n")
                            teller.ended(progress.feed(line))
                        status.update(teller.describe(progress))
                        teller.tell(progress)
            except Failed as failed:
                log.write(f"ginkgo: {failed}\n")
            except OSError as error:
                raise BadPlan(f"{asked[0]} cannot be started: {error}") from error
        return self._results(part, progress, report)

    def _results(self, part: Part, progress: Progress, report: str) -> list[Result]:
        reports = read(self.folder / report)
        last = first_line("\n".join(reversed(progress.said)))
        why = broken(reports) or ("" if reports else f"ginkgo wrote no report; the last it said: {last}")
        (self.folder / report).unlink(missing_ok=True)
        if why:
            self.console.print(f"{part.name}: {why}", style="red")
        return results_of(reports, part.specs, why)


@dataclass(slots=True)
class Teller:
    """Tells the user: each failure at once, and how far it is."""

    console: Console
    part: Part
    began: float
    told: float = 0.0

    def describe(self, progress: Progress) -> str:
        """One line, for a terminal and a log alike."""
        failed = f", {progress.failed} failed" if progress.failed else ""
        running = f", now {progress.running}" if progress.running else ""
        spent = clock(time.monotonic() - self.began)
        return f"{self.part.name}: {progress.done} of {len(self.part.specs)} done{failed}, {spent}{running}"

    def ended(self, test: Ended | None) -> None:
        """Say so if it did not pass."""
        if test is not None and test.how != "passed":
            style = None if test.how in ("skipped", "pending") else "red"
            self.console.print(f"{test.how} after {clock(test.seconds)}: {test.name}", style=style)

    def tell(self, progress: Progress) -> None:
        """From time to time, where the line cannot be redrawn."""
        now = time.monotonic()
        if not self.console.is_terminal and now - self.told >= TELL_SECONDS:
            self.told = now
            self.console.print(self.describe(progress))
