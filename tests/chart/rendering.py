"""The chart as Helm renders it: one call of the real `helm` for each set of values, its answer kept."""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from understudy.cluster.toolchain import ensure

CHART = Path(__file__).resolve().parents[2] / "charts" / "understudy"
ALL_ON = {
    "nodeAgent": {"enabled": True},
    "serviceProxy": {"enabled": True},
    "metrics": {"serviceMonitor": {"enabled": True}},
    "apiServer": {"host": "cp"},
}
ON_NODES = ("understudy-node-agent", "understudy-service-proxy")

Manifest = dict[str, Any]


def helm(*arguments: str, values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart; `values` are given to it as a file."""
    command = [str(ensure(["helm"])["helm"]), *arguments, *(["--values", "-"] if values else [])]
    return subprocess.run(
        command, input=json.dumps(values) if values else None, capture_output=True, text=True, timeout=60, check=False
    )


def template(values: Manifest | None = None) -> subprocess.CompletedProcess[str]:
    """`helm template` as for a release in the namespace `stage`."""
    more = ("--namespace", "stage", "--kube-version", "1.34.4", "--include-crds")
    return helm("template", "ours", str(CHART), *more, values=values)


@cache
def _rendered(values: str) -> str:
    done = template(json.loads(values))
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(values: Manifest | None = None) -> list[Manifest]:
    """Every object of the release, hooks and CRDs too."""
    return [each for each in yaml.safe_load_all(_rendered(json.dumps(values or {}))) if each]


def refusal(values: Manifest) -> str:
    """What helm says to values it refuses."""
    done = template(values)
    assert done.returncode != 0, f"accepted: {values}"
    return done.stderr


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of that kind and name."""
    (found,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The name and the spec of every pod there would be."""
    for each in manifests:
        name = each["metadata"]["name"]
        if each["kind"] == "Pod":
            yield name, each["spec"]
        elif each["kind"] in ("Deployment", "DaemonSet"):
            yield name, each["spec"]["template"]["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run first too."""
    return [*pod.get("initContainers", []), *pod["containers"]]
