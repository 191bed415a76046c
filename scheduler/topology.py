"""The domains nodes belong to: for each topology key somebody asked about, the number of each row's domain.

Kept row by row as nodes change. `columns` owns one; the plugins topology_spread and inter_pod_affinity add up counts by
domain. Answers to the maps from topology pairs to counts in plugins/podtopologyspread and plugins/interpodaffinity.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.kinds import Node

Domains = NDArray[np.int32]
Sums = NDArray[np.float64]

NOWHERE = 0
"""The domain of rows without a node, or whose node has no such label."""


class _Axis:
    """One topology key: domains are numbered in order of appearance."""

    def __init__(self, key: str, capacity: int) -> None:
        self.key = key
        self.ids: dict[str, int] = {}
        self.domain: Domains = np.zeros(capacity, np.int32)

    def set(self, row: int, node: Node | None) -> None:
        value = None if node is None else node.metadata.labels.get(self.key)
        self.domain[row] = NOWHERE if value is None else self.ids.setdefault(value, len(self.ids) + 1)


class Topology:
    """`version` moves whenever a row may have changed its domain."""

    def __init__(self, capacity: int) -> None:
        self.version = 0
        self._capacity = capacity
        self._axes: dict[str, _Axis] = {}

    def of(self, key: str, nodes: Iterable[Node | None]) -> Domains:
        """The domain of each row; `nodes` are those of all rows, read the first time a key is asked for."""
        axis = self._axes.get(key)
        if axis is None or len(axis.ids) > 2 * self._capacity:
            axis = self._axes[key] = _Axis(key, self._capacity)
            for row, node in enumerate(nodes):
                axis.set(row, node)
        return axis.domain

    def numbers(self, key: str) -> Mapping[str, int]:
        """The number of each value of a key that was asked for before."""
        return self._axes[key].ids

    def set(self, row: int, node: Node | None) -> None:
        """The node of that row is new, has changed, or is gone (None)."""
        self.version += 1
        for axis in self._axes.values():
            axis.set(row, node)

    def grow(self, capacity: int) -> None:
        """There are more rows now."""
        for axis in self._axes.values():
            axis.domain = np.pad(axis.domain, (0, capacity - self._capacity))
        self._capacity = capacity


def add_up(domain: Domains, counts: NDArray[np.generic]) -> Sums:
    """Counts summed by domain; nothing is nowhere."""
    sums: Sums = np.bincount(domain, counts, minlength=1).astype(np.float64, copy=False)
    sums[NOWHERE] = 0.0
    return sums
