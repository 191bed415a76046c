"""Which rows a selector admits, over all nodes at once: label by label, from the numbers of the nodes' domains.

The volume plugins ask this for the affinity of volumes, of which there may be as many as nodes; most name one host. The
plain form of the same question is `NodeSelector.matches`. Answers to the calls of `CheckNodeAffinity` in
component-helpers storage/volume/pv_helpers.go.
"""

from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.columns import Columns, Mask
from understudy.scheduler.kinds import NodeTerms
from understudy.scheduler.topology import NOWHERE
from understudy.values import node_selector
from understudy.values.node_selector import FieldRequirement, NodeSelector
from understudy.values.requirement import Requirement
from understudy.values.selector import Selector

RowNumbers = NDArray[np.intp]


@lru_cache(maxsize=16384)
def selector_of(terms: NodeTerms) -> NodeSelector:
    """The terms, to be asked about one node."""
    return node_selector.from_spec(msgspec.to_builtins(terms))


def admitted(selector: NodeSelector, columns: Columns) -> Mask:
    """The rows whose node matches one of the terms."""
    found = np.zeros(columns.size, np.bool_)
    for term in selector.terms:
        matches = labelled(term.labels, columns)
        for each in term.fields:
            matches = matches & _named(each, columns)
        found |= matches
    return found


def labelled(selector: Selector, columns: Columns) -> Mask:
    """The rows with a node whose labels match."""
    found = columns.real[: columns.size].copy()
    if selector.nothing:
        found[:] = False
    for each in selector.requirements:
        found &= _holds(each, columns)
    return found


def _holds(requirement: Requirement, columns: Columns) -> Mask:
    """The rows whose label is as required; nodes without it are those nowhere."""
    numbers = columns.domain_numbers(requirement.key)
    domain = columns.domains(requirement.key)
    if requirement.operator in ("in", "=", "=="):
        return _one_of(domain, [numbers[value] for value in requirement.values if value in numbers])
    verdicts = np.zeros(len(numbers) + 1, np.bool_)
    verdicts[NOWHERE] = requirement.matches({})
    for value, number in numbers.items():
        verdicts[number] = requirement.matches({requirement.key: value})
    return verdicts[domain]


def _one_of(domain: NDArray[np.int32], wanted: list[int]) -> Mask:
    if len(wanted) == 1:
        return np.asarray(domain == wanted[0])
    return np.isin(domain, wanted)


def _named(requirement: FieldRequirement, columns: Columns) -> Mask:
    return np.array([requirement.matches(name) for name in columns.names], np.bool_)


class Places:
    """The rows from which volumes can be reached, kept until a node changes."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._known: dict[NodeTerms | None, RowNumbers] = {}
        self._of = (-1, -1)

    def rows(self, terms: NodeTerms | None) -> RowNumbers:
        """The rows with a node that these terms admit; all of them if there are none. Not to be written to."""
        columns = self._columns
        state = columns.node_changes.end, columns.size
        if self._of != state:
            self._known.clear()
            self._of = state
        found = self._known.get(terms)
        if found is None:
            mask = columns.real[: columns.size] if terms is None else admitted(selector_of(terms), columns)
            found = self._known[terms] = np.flatnonzero(mask)
        return found
