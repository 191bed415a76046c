"""InterPodAffinity: pods that must or would rather be near others, or far from them, and what those there want.

Answers to plugins/interpodaffinity (filtering.go, scoring.go).
"""

from dataclasses import dataclass

import numpy as np

from understudy.scheduler.columns import Columns, Mask, Numbers
from understudy.scheduler.framework import MAX_SCORE, Rejection
from understudy.scheduler.shape import Shape
from understudy.scheduler.terms import REQUIRED, Bond, Social, Tie
from understudy.scheduler.topology import NOWHERE, add_up

TOGETHER = "node(s) didn't match pod affinity rules"
APART = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"


@dataclass(frozen=True, slots=True)
class InterPodAffinity:
    """`hard_weight`: how much a required affinity of a pod that is there attracts the pods it is about.

    `own_only`: what pods that are there prefer does not count for pods that prefer nothing themselves.
    """

    hard_weight: int = 1
    own_only: bool = False
    NAME = "InterPodAffinity"

    def applies(self, shape: Shape) -> bool:
        """Pods with terms about others, or that terms of pods on nodes are about."""
        social = shape.social
        return social is not None and bool(social.together or social.apart or social.liked or social.ties)

    def rejections(self, shape: Shape, columns: Columns) -> list[Rejection]:
        """The rows its affinity, its anti-affinity, or the anti-affinity of pods that are there rules out."""
        social = shape.social or Social()
        none = np.zeros(columns.size, np.bool_)
        unmet = _unmet(social, columns) if social.together else none
        apart = none
        for bond in social.apart:
            apart = apart | _has(bond, columns)
        existing = none
        for tie in social.ties:
            if tie.hard:
                existing = existing | (_tied(tie, columns) > 0)
        apart = apart & ~unmet
        return [
            Rejection(TOGETHER, unmet, unmet),
            Rejection(APART, apart, none),
            Rejection(EXISTING, existing & ~unmet & ~apart, none),
        ]

    def points(self, shape: Shape, columns: Columns, feasible: Mask) -> Numbers:
        """The weights of all preferences by domain, stretched from the least to the most liked feasible row."""
        social = shape.social or Social()
        liked, found = np.zeros(columns.size), np.zeros(columns.size, np.int64)
        if self.own_only and not social.liked:
            return found
        for bond in social.liked:
            liked += bond.weight * _near(bond, columns)
        for tie in social.ties:
            if not tie.hard and (weight := self.hard_weight if tie.weight == REQUIRED else tie.weight):
                liked += weight * _tied(tie, columns)
        among = liked[feasible]
        if len(among) and (spread := among.max() - among.min()) > 0:
            found[feasible] = (MAX_SCORE * ((among - among.min()) / spread)).astype(np.int64)
        return found


def _unmet(social: Social, columns: Columns) -> Mask:
    """The rows without a label, or without pods that meet all terms; the first of its kind needs the labels only."""
    lacking, alone = np.zeros(columns.size, np.bool_), np.zeros(columns.size, np.bool_)
    for bond in social.together:
        lacking |= columns.domains(bond.key) == NOWHERE
        alone |= ~_has(bond, columns)
    if social.first and not any(_has(bond, columns).any() for bond in social.together):
        return lacking
    return lacking | alone


def _has(bond: Bond, columns: Columns) -> Mask:
    """The rows in whose domain is a pod of the group."""
    some: Mask = _near(bond, columns) > 0
    return some


def _near(bond: Bond, columns: Columns) -> Numbers:
    """How many pods of the group are in the domain of each row."""
    domain = columns.domains(bond.key)
    return add_up(domain, columns.crowd.count(bond.group)[: columns.size])[domain].astype(np.int64)


def _tied(tie: Tie, columns: Columns) -> Numbers:
    """How often the pods in the domain of each row have that tie."""
    counts = columns.crowd.tied(tie)
    if counts is None:
        return np.zeros(columns.size, np.int64)
    domain = columns.domains(tie.key)
    return add_up(domain, counts[: columns.size])[domain].astype(np.int64)
