"""The wanted pods: each is there, in its order, with its identity.

Called by `decide` before anything is scaled down or updated. Answers to `processReplica` in
pkg/controller/statefulset/stateful_set_control.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.errors import ApiError, PartlyDone
from understudy.kinds.core import Pod
from understudy.operators.common.pods import is_terminal
from understudy.operators.statefulset.claims import is_stale, make_claims, retain
from understudy.operators.statefulset.pods import correct, create_pods, delete_pods
from understudy.operators.statefulset.round import Round
from understudy.plan.steps import Step

ENDED = "it has ended, a new one of its name comes"


def keep_in_order(round_: Round) -> Generator[Step, Any, bool]:
    """One step for the lowest pod that needs one; answers whether all are as they should be."""
    for ordinal, pod in round_.replicas():
        if pod is None:
            if not is_stale(round_, ordinal):
                yield from create_pods(round_, [ordinal])
            return False
        if is_terminal(pod):
            yield from delete_pods(round_, [] if pod.deleting else [pod], ENDED)
            return False
        if pod.status.phase == "Pending":
            yield from _equip(round_, [(ordinal, pod)])
        if pod.deleting or not round_.is_up(pod):
            return False
        yield from correct(round_, ordinal, pod)
    return True


def keep_together(round_: Round) -> Generator[Step, Any, bool]:
    """A step for every pod that needs one, whatever the others do; raises the first error after all were tried."""
    replicas = list(round_.replicas())
    held = [(ordinal, pod) for ordinal, pod in replicas if pod is not None]
    ended = [pod for _, pod in held if is_terminal(pod) and not pod.deleting]
    missing = [ordinal for ordinal, pod in replicas if pod is None and not is_stale(round_, ordinal)]
    tasks = [delete_pods(round_, ended, ENDED)]
    tasks.append(_equip(round_, [(ordinal, pod) for ordinal, pod in held if pod.status.phase == "Pending"]))
    tasks += [correct(round_, ordinal, pod) for ordinal, pod in held if not is_terminal(pod)]
    tasks += [create_pods(round_, missing)] if missing else []
    yield from _each(tasks)
    round_.refresh()
    return True


def _each(tasks: list[Generator[Step, Any, None]]) -> Generator[Step, Any, None]:
    errors: list[ApiError | PartlyDone] = []
    for task in tasks:
        try:
            yield from task
        except (ApiError, PartlyDone) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _equip(round_: Round, pods: list[tuple[int, Pod]]) -> Generator[Step, Any, None]:
    """A pod that is pending may wait for a claim that somebody deleted."""
    error = yield from make_claims(round_, [ordinal for ordinal, _ in pods])
    if error is not None:
        raise error
    yield from retain(round_, pods)
