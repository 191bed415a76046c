"""PodTopologySpread: pods of a group lie evenly over zones, hosts or whatever label divides the nodes.

Answers to plugins/podtopologyspread (filtering.go, scoring.go).
"""

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np

from understudy.scheduler.columns import Columns, Mask, Numbers
from understudy.scheduler.framework import MAX_SCORE, Rejection
from understudy.scheduler.shape import Shape
from understudy.scheduler.terms import HOSTNAME, SYSTEM_SPREAD, Constraint, Spread
from understudy.scheduler.tolerations import admitted
from understudy.scheduler.topology import NOWHERE, Sums, add_up

UNEVEN = "node(s) didn't match pod topology spread constraints"
MISSING = f"{UNEVEN} (missing required label)"


@dataclass(frozen=True, slots=True)
class PodTopologySpread:
    """`spread` are the constraints of pods that have none; `surroundings` puts them into what such pods want."""

    spread: Spread = SYSTEM_SPREAD
    NAME = "PodTopologySpread"

    def applies(self, shape: Shape) -> bool:
        """Pods with constraints, their own or the default ones."""
        return shape.social is not None and bool(shape.social.hard or shape.social.soft)

    def rejections(self, shape: Shape, columns: Columns) -> list[Rejection]:
        """The rows without one of the labels, and those whose domain would have too many more than the emptiest has."""
        hard = shape.social.hard if shape.social is not None else ()
        missing, uneven = np.zeros(columns.size, np.bool_), np.zeros(columns.size, np.bool_)
        complete = _complete(hard, columns)
        for each in hard:
            domain = columns.domains(each.key)
            sums, lowest = _census(each, shape, columns, complete)
            left = ~(missing | uneven)
            missing |= left & (domain == NOWHERE)
            uneven |= left & (domain != NOWHERE) & (sums[domain] + each.self_match - lowest > each.max_skew)
        return [Rejection(MISSING, missing, missing), Rejection(UNEVEN, uneven, np.zeros_like(uneven))] if hard else []

    def points(self, shape: Shape, columns: Columns, feasible: Mask) -> Numbers:
        """The fewer pods in a node's domains, the more; 0 for nodes without one of the labels, unless by default."""
        social = shape.social
        found = np.zeros(columns.size, np.int64)
        if social is None or not social.soft:
            return found
        complete = columns.real[: columns.size] if social.defaulted else _complete(social.soft, columns)
        scored = feasible & complete
        if not scored.any():
            return found
        crowded = np.zeros(columns.size)
        for each in social.soft:
            crowded += _crowding(each, shape, columns, complete, scored)
        rounded = np.floor(crowded[scored] + 0.5).astype(np.int64)
        highest, lowest = int(rounded.max()), int(rounded.min())
        found[scored] = MAX_SCORE * (highest + lowest - rounded) // highest if highest else MAX_SCORE
        return found


def _complete(constraints: tuple[Constraint, ...], columns: Columns) -> Mask:
    """The rows whose node has every label."""
    has = (columns.domains(each.key) != NOWHERE for each in constraints)
    return reduce(np.logical_and, has, columns.real[: columns.size])


def _census(constraint: Constraint, shape: Shape, columns: Columns, complete: Mask) -> tuple[Sums, float]:
    """How many pods each domain has, and how many the emptiest: none while there are fewer than `min_domains`."""
    domain = columns.domains(constraint.key)
    included = complete & _included(constraint, shape, columns)
    sums = add_up(domain, columns.crowd.count(constraint.group)[: columns.size] * included)
    present = add_up(domain, included) > 0
    few = np.count_nonzero(present) < max(1, constraint.min_domains)
    return sums, 0.0 if few else float(sums[present].min())


def _crowding(each: Constraint, shape: Shape, columns: Columns, complete: Mask, scored: Mask) -> Sums:
    """What one constraint has against each row: the pods of its domain, weighed by how many domains there are."""
    domain = columns.domains(each.key)
    counts = columns.crowd.count(each.group)[: columns.size]
    if each.key == HOSTNAME:
        domains = int(np.count_nonzero(scored))
        here = counts.astype(np.float64)
    else:
        domains = int(np.count_nonzero(np.bincount(domain[scored])))
        here = add_up(domain, counts * (complete & _included(each, shape, columns)))[domain]
    against: Sums = (here * math.log(domains + 2) + (each.max_skew - 1)) * (domain != NOWHERE)
    return against


def _included(constraint: Constraint, shape: Shape, columns: Columns) -> Mask:
    """The rows whose pods and domains count, by the constraint's two inclusion policies."""
    included = columns.real[: columns.size]
    if constraint.honor_affinity and (shape.selector or shape.required is not None):
        included = included & columns.judged((shape, "affinity"), shape.admits)
    if constraint.honor_taints:
        tolerations = shape.tolerations
        included = included & columns.judged((shape, "taints"), lambda node: admitted(node.spec.taints, tolerations))
    return included
