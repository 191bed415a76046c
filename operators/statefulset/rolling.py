"""The rolling update: the highest pod of another revision goes, one at a time, down to the partition.

Called by `decide` when nothing is left to create or to scale down. The pod comes back of the wanted revision, by
`replicas`. Answers to the end of `updateStatefulSet` in pkg/controller/statefulset/stateful_set_control.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.operators.statefulset.identity import revision_of
from understudy.operators.statefulset.pods import delete_pods
from understudy.operators.statefulset.round import Round
from understudy.plan.steps import Step


def roll(round_: Round) -> Generator[Step, Any, None]:
    """Delete at most one pod, and none while a higher one is not available."""
    for ordinal in reversed(_range(round_)):
        pod = round_.pods.get(ordinal)
        if pod is not None and not pod.deleting and revision_of(pod) != round_.update.name:
            yield from delete_pods(round_, [pod], f"to be of {round_.update.name}")
            return
        if not round_.is_settled(pod):
            return


def _range(round_: Round) -> range:
    """The pods that are to be of the wanted revision; none if they are updated when somebody deletes them."""
    strategy, wanted = round_.ss.spec.updateStrategy, round_.wanted
    if strategy.type == "OnDelete":
        return range(0)
    partition = strategy.rollingUpdate.partition or 0 if strategy.rollingUpdate is not None else 0
    return range(wanted.start + partition, wanted.stop)
