"""ReplicaSet: so many Pods of one template, no more and no fewer.

Run by `loop.runner`; the work is done in `common.replicas`. It answers to `pkg/controller/replicaset`.
"""

from datetime import datetime

from understudy.kinds.apps import REPLICA_SETS, ReplicaSet
from understudy.kinds.core import PODS
from understudy.loop.controller import controller, may, owned
from understudy.operators.common.adoption import adopters
from understudy.operators.common.replicas import keep
from understudy.plan.steps import Decision
from understudy.state.view import View
from understudy.values import selector as selectors
from understudy.values.selector import Selector


def selector_of(rs: ReplicaSet) -> Selector | None:
    """Which Pods it is about; None if its selector cannot be read, and then nothing is done about it."""
    try:
        return selectors.from_spec(rs.spec.selector)
    except ValueError:
        return None


@controller(
    "replicaset-controller",
    of=REPLICA_SETS,
    watches=(owned(PODS, REPLICA_SETS), adopters(PODS, REPLICA_SETS, selector_of)),
    rights=(
        may("create delete patch", PODS),
        may("get", REPLICA_SETS),
        may("patch", REPLICA_SETS, "status"),
        may("update", REPLICA_SETS, "finalizers"),  # asked for by admission when pods block the owner's deletion
    ),
    source="replicaset-controller",
    upstream="pkg/controller/replicaset",
    workers=5,
)
def decide(rs: ReplicaSet, view: View, now: datetime) -> Decision:
    """As many active Pods of its template as `spec.replicas` says; adopts what it selects, releases the rest."""
    selector = selector_of(rs)
    if selector is not None:
        yield from keep(rs, REPLICA_SETS, selector, view, now)
