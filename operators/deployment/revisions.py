"""Revision numbers: each rollout, and each roll back, makes its ReplicaSet the one with the highest number.

The decision asks here which number the new ReplicaSet must carry and what to write on it. Answers to `Revision`,
`MaxRevision`, `LastRevision` and `SetNewReplicaSetAnnotations` in pkg/controller/deployment/util/deployment_util.go.
Numbers are int64, and kept as text wherever nothing is computed.
"""

from collections.abc import Iterable, Mapping

from understudy.kinds.apps import ReplicaSet
from understudy.operators.deployment.annotations import REVISION, REVISION_HISTORY, changed, int64, shared

HISTORY_CHARACTERS = 2000
"""How long the list of a ReplicaSet's earlier revisions may grow: about 100 of them."""


def revision_of(replica_set: ReplicaSet) -> int | None:
    """Its revision, 0 if it has none yet, None if what stands there is no number."""
    text = replica_set.metadata.annotations.get(REVISION)
    return 0 if text is None else int64(text)


def highest(replica_sets: Iterable[ReplicaSet]) -> int:
    """The highest revision, at least 0."""
    return max([0, *(revision_of(each) or 0 for each in replica_sets)])


def last_but_one(replica_sets: Iterable[ReplicaSet]) -> int:
    """The revision before the highest: where an unnumbered roll back leads. 0 if there is none."""
    return sorted([0, 0, *(revision_of(each) or 0 for each in replica_sets)])[-2]


def annotations_of_new(deployment: Mapping[str, str], replica_set: Mapping[str, str], revision: int) -> dict[str, str]:
    """What must change in the new ReplicaSet's annotations: the Deployment's own are copied, the revision only grows.

    Nothing changes on a ReplicaSet whose revision is not a number: somebody else's hand is on it.
    """
    text = replica_set.get(REVISION, "")
    present = int64(text) if text else 0
    if present is None:
        return {}
    changes = changed(shared(deployment), replica_set)
    if present < revision:
        changes[REVISION] = str(revision)
        if REVISION in replica_set:
            changes |= changed(
                {REVISION_HISTORY: _remembered(replica_set.get(REVISION_HISTORY, ""), text)}, replica_set
            )
    return changes


def _remembered(history: str, revision: str) -> str:
    """`history` and one more, the oldest forgotten where it would grow too long."""
    if not history:
        return revision
    length = len(history) + 1 + len(revision)
    earlier = history.split(",")
    start = 0
    while length > HISTORY_CHARACTERS and start < len(earlier):
        length -= len(earlier[start]) + 1
        start += 1
    return ",".join([*earlier[start:], revision]) if length <= HISTORY_CHARACTERS else history
