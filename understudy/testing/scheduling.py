"""For tests of scheduler plugins: a cluster of plain manifests, decisions on it, and a check that both forms agree.

No server, no event loop: a test takes milliseconds. Used by those who write plugins (docs/scheduler-plugins.md).
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.framework import Filter, Named, Score
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.plain import as_filter, as_score
from understudy.scheduler.registry import PLUGINS, Entry, ready
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.state import State

Json = dict[str, Any]
NAME = "default-scheduler"


def node(name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **labels: str) -> Json:
    """A Node manifest; keywords are labels: `example_com__rack="a"` is the label example.com/rack."""
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {_key(key): text for key, text in labels.items()}},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods}},
    }


def pod(name: str = "web", cpu: str = "100m", *, annotations: Mapping[str, str] | None = None, **spec: Any) -> Json:
    """A Pod manifest with one container; keywords go into its spec."""
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "annotations": dict(annotations or {})}
    return {"metadata": metadata, "spec": {"schedulerName": NAME, "containers": [container], **spec}}


class Cluster:
    """Nodes, pods on them, and a profile: the default plugins, and those given, with arguments by name."""

    def __init__(self, *plugins: Any, arguments: Mapping[str, Json] | None = None) -> None:
        brought = {each.NAME: Entry(each if isinstance(each, type) else ready(each), 1, False) for each in plugins}
        self.state = State([], {**PLUGINS, **brought})
        enabled = [{"name": name, "weight": getattr(each, "WEIGHT", 1)} for name, each in brought.items()]
        spec = {"plugins": {"enabled": enabled}, "arguments": dict(arguments or {})}
        self.state.profiles.set(NAME, msgspec.to_builtins(spec))

    def add_node(self, manifest: Json) -> None:
        """A node, or another state of it."""
        self.state.columns.set_node(msgspec.convert(manifest, Node))

    def add_pod(self, manifest: Json, on: str) -> None:
        """A pod that is on that node."""
        placed = {**manifest, "spec": {**manifest["spec"], "nodeName": on}}
        self.state.settle(msgspec.convert(placed, Pod))

    def describe(self, manifest: Json) -> PodInfo:
        """A pod that wants a node, as plugins see it."""
        return self.state.shapes.describe(msgspec.convert(manifest, Pod))

    def decide(self, manifest: Json, draw: float = 0.0) -> Placement | Diagnosis:
        """Where that pod would go, or why nowhere; a draw in [0, 1) chooses among equals."""
        return self.state.cycle.choose(self.describe(manifest), draw)

    def node_for(self, manifest: Json, draw: float = 0.0) -> str | None:
        """The node that pod would go to."""
        said = self.decide(manifest, draw)
        return said.node if isinstance(said, Placement) else None

    def check_forms(self, plugin: Named, manifest: Json) -> None:
        """Assert that the array form of a plugin says of every node what its plain form says, for that pod."""
        shape = self.describe(manifest).shape
        filters, scores = as_filter(plugin), as_score(plugin)
        assert filters or scores, f"{plugin.NAME} is neither a filter nor a score"
        if filters is not None and filters.applies(shape):
            self._check_filter(filters, shape)
        if scores is not None and scores.applies(shape):
            self._check_score(scores, shape)

    def _check_filter(self, plugin: Filter, shape: Shape) -> None:
        columns = self.state.columns
        rows = np.flatnonzero(columns.real)
        mask, rejections = plugin.mask(shape, columns, rows), plugin.rejections(shape, columns, rows)
        for at, row in enumerate(rows.tolist()):
            plain = plugin.reasons(shape, columns.view(row))
            named = [each.reason for each in rejections if each.where[at]]
            where = f"{plugin.NAME} on {columns.names[row]}"
            assert bool(mask[at]) is (not plain), f"{where}: mask says {bool(mask[at])}, reasons say {plain}"
            assert named == plain, f"{where}: rejections say {named}, reasons say {plain}"

    def _check_score(self, plugin: Score, shape: Shape) -> None:
        columns = self.state.columns
        rows = np.flatnonzero(columns.real)
        for row, score in zip(rows.tolist(), plugin.scores(shape, columns, rows).tolist(), strict=True):
            plain = plugin.score(shape, columns.view(row))
            assert score == plain, f"{plugin.NAME} on {columns.names[row]}: scores say {score}, score says {plain}"


def _key(name: str) -> str:
    return name.replace("__", "/").replace("_", "." if "__" in name else "-")
