"""The pods beyond the wanted number: their claims are given away first, then they go, highest first.

Called by `decide` when all wanted pods are as they should be (or all at once, if the set is parallel). Answers to
`processCondemned` and the fixing of claims before it in pkg/controller/statefulset/stateful_set_control.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.core import Pod
from understudy.operators.statefulset.claims import is_retained, retain
from understudy.operators.statefulset.pods import delete_pods
from understudy.operators.statefulset.round import Round
from understudy.plan.steps import Step


def scale_down(round_: Round) -> Generator[Step, Any, bool]:
    """Delete the condemned, one or all; answers whether there is nothing more to wait for before an update."""
    condemned = round_.condemned
    if not condemned:
        return True
    strays = [(ordinal, pod) for ordinal, pod in condemned if not is_retained(round_, ordinal, pod)]
    yield from retain(round_, strays)
    why = f"more than {round_.ss.spec.replicas}"
    if not round_.in_order:
        yield from delete_pods(round_, [pod for _, pod in condemned if not pod.deleting], why)
        return True
    highest = condemned[0][1]
    if not highest.deleting and (round_.is_up(highest) or highest is _first_unsettled(round_)):
        yield from delete_pods(round_, [highest], why)
    return False


def _first_unsettled(round_: Round) -> Pod | None:
    """The lowest of all pods that is not available: the only one that may go without having been."""
    unsettled = (pod for _, pod in sorted(round_.pods.items()) if not round_.is_settled(pod))
    return next(unsettled, None)
