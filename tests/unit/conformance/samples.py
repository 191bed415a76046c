"""Recorded output of ginkgo and containerd, as the conformance harness reads it, shortened."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "samples"

TOKEN = "[sig-auth] ServiceAccounts should mount an API token into pods [Conformance]"
INGRESS = "[sig-network] Ingress API should support creating Ingress API operations [Conformance]"
INGRESS_CLASS = "[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]"
PRIORITY = (
    "[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be "
    "operated with different HTTP methods [Conformance]"
)
DAEMONS = "[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets [Conformance]"


def lines(name: str) -> list[str]:
    """The lines of the sample `name`."""
    return (_FOLDER / name).read_text().split("\n")


def report() -> list[dict[str, Any]]:
    """A JSON report: two tests passed, one failed, two were not chosen."""
    found: list[dict[str, Any]] = json.loads((_FOLDER / "report.json").read_text())
    return found
