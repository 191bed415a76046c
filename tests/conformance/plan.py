"""What a run consists of: which tests, in which parts, and the ginkgo command line of each.

Pure. Tests are chosen here, by regular expression, and named to ginkgo one by one: so what is to be run is known
before, and what ginkgo leaves out for whatever reason is seen. The flags answer to test/e2e/framework/
test_context.go and hack/ginkgo-e2e.sh of Kubernetes. Called by `run`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.specs import Spec

TIMEOUT = "24h"
"""ginkgo's own limit of one hour is less than a full run takes."""
FOCUS_BYTES = 100_000
"""At most this much in one argument: the kernel allows 128 KiB."""


class BadPlan(Exception):
    """What was asked for cannot be run; the text says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that run together: all at once with `procs` processes, or one after the other with one."""

    name: str
    specs: tuple[Spec, ...]
    procs: int


@dataclass(frozen=True, slots=True)
class Setting:
    """The programs and the cluster that a part is run with."""

    programs: Mapping[str, Path]
    kubeconfig: Path
    nodes: int
    simulated: bool = False
    """Nodes without kubelets: upstream's waiting for the system's pods is left out."""


def select(specs: Iterable[Spec], focus: str, skip: str = "", *, everything: bool = False) -> list[Spec]:
    """The tests that match `focus` and not `skip`; only [Conformance] unless `everything`. Raises BadPlan."""
    wanted, unwanted = _regex(focus, "FOCUS"), _regex(skip, "SKIP") if skip else None
    return [
        spec
        for spec in specs
        if (everything or spec.conformance)
        and wanted.search(spec.name)
        and not (unwanted and unwanted.search(spec.name))
    ]


def named(specs: Iterable[Spec], names: Sequence[str]) -> list[Spec]:
    """The tests called `names`. Raises BadPlan for a name that upstream's suite does not know."""
    by_name = {spec.name: spec for spec in specs}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise BadPlan("upstream's suite has no such test: " + "; ".join(unknown))
    return [by_name[name] for name in names]


def parts(specs: Sequence[Spec], procs: int) -> list[Part]:
    """First what may run side by side, then what must have the cluster for itself."""
    together = tuple(spec for spec in specs if not spec.serial)
    alone = tuple(spec for spec in specs if spec.serial)
    both = [Part("parallel", together, max(1, min(procs, len(together)))), Part("serial", alone, 1)]
    return [part for part in both if part.specs]


def command(part: Part, setting: Setting, output: Path, report: str) -> list[str]:
    """ginkgo's command line; `report` is the name of the JSON report it writes into the folder `output`."""
    return [
        str(setting.programs["ginkgo"]),
        f"--procs={part.procs}",
        f"--timeout={TIMEOUT}",
        "--no-color",
        "--silence-skips",
        "-v",
        f"--json-report={report}",
        f"--output-dir={output}",
        *(f"--focus={each}" for each in focuses(part.specs)),
        str(setting.programs["e2e.test"]),
        "--",
        *suite_flags(setting),
    ]


def suite_flags(setting: Setting) -> list[str]:
    """What upstream's suite is told about the cluster."""
    patience = "-1" if setting.simulated else "0"
    return [
        f"--kubeconfig={setting.kubeconfig}",
        "--provider=skeleton",
        f"--kubectl-path={setting.programs['kubectl']}",
        "--dns-domain=cluster.local",
        f"--num-nodes={setting.nodes}",
        f"--minStartupPods={patience}",
        f"--allowed-not-ready-nodes={patience}",
        "--node-os-distro=debian",
        "--disable-log-dump",
    ]


def focuses(specs: Sequence[Spec]) -> list[str]:
    """Regular expressions that match exactly `specs`: ginkgo matches behind the suite's own name."""
    chunks: list[list[str]] = [[]]
    size = 0
    for spec in specs:
        escaped = re.escape(spec.name)
        if chunks[-1] and size + len(escaped.encode()) > FOCUS_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(escaped)
        size += len(escaped.encode()) + 1
    return [f" (?:{'|'.join(chunk)})$" for chunk in chunks if chunk]


def _regex(text: str, what: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadPlan(f"{what}={text} is no regular expression: {error}") from error
