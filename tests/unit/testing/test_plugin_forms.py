"""The check that both forms of a plugin agree finds plugins whose forms do not."""

from typing import Any

import numpy as np
import pytest

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.shape import Shape
from understudy.testing.scheduling import Cluster, node, pod


class Both:
    """Turns small nodes down and prefers large ones, unless told to err in one of its forms."""

    NAME = "Both"
    OF_NODE = NORMALIZED = True
    REVERSED = False

    def __init__(self, err: str = "") -> None:
        self._err = err

    def applies(self, shape: Shape) -> bool:
        return True

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        large = self.scores(shape, columns, rows) >= 4000
        return ~large if self._err == "mask" else large

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        small = columns.allocatable[0, rows] < 4000
        return [Rejection("tiny" if self._err == "reason" else "small", small, small)]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        return ["small"] if node.allocatable["cpu"] < 4000 else []

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        return columns.allocatable[0, rows] + np.int64(self._err == "scores")

    def score(self, shape: Shape, node: NodeView) -> int:
        return node.allocatable["cpu"]


def cluster(plugin: Any) -> Cluster:
    found = Cluster(plugin)
    found.add_node(node("large", cpu="8"))
    found.add_node(node("small", cpu="2"))
    return found


def test_forms_that_agree_pass() -> None:
    cluster(Both()).check_forms(Both(), pod())
    assert cluster(Both()).node_for(pod()) == "large"


@pytest.mark.parametrize(
    ("err", "said"),
    [
        ("mask", r"Both on large: mask says False, reasons say \[\]"),
        ("reason", r"Both on small: rejections say \['tiny'\], reasons say \['small'\]"),
        ("scores", "Both on large: scores say 8001, score says 8000"),
    ],
)
def test_forms_that_do_not_are_found(err: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        cluster(Both()).check_forms(Both(err), pod())


class Nothing:
    NAME = "Nothing"


def test_what_is_neither_filter_nor_score_has_no_forms() -> None:
    with pytest.raises(AssertionError, match="Nothing is neither a filter nor a score"):
        cluster(Both()).check_forms(Nothing(), pod())


def test_labels_and_annotations_of_the_builders() -> None:
    made = node("a", example_com__rack="7", zone="z", node_role="x")
    assert made["metadata"]["labels"] == {"example.com/rack": "7", "zone": "z", "node-role": "x"}
    assert pod(annotations={"a": "b"})["metadata"]["annotations"] == {"a": "b"}
