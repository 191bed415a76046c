"""ReplicationController: the ReplicaSet's elder, with a plain map for a selector.

Run by `loop.runner`; the work is done in `common.replicas`. It answers to `pkg/controller/replication`.
"""

from datetime import datetime

from understudy.kinds.core import PODS, REPLICATION_CONTROLLERS, ReplicationController
from understudy.loop.controller import controller, may, owned
from understudy.operators.common.adoption import adopters
from understudy.operators.common.replicas import keep
from understudy.plan.steps import Decision
from understudy.state.view import View
from understudy.values import selector as selectors
from understudy.values.selector import Selector


def selector_of(rc: ReplicationController) -> Selector:
    """Which Pods it is about."""
    return selectors.from_map(rc.spec.selector)


@controller(
    "replicationcontroller-controller",
    of=REPLICATION_CONTROLLERS,
    watches=(owned(PODS, REPLICATION_CONTROLLERS), adopters(PODS, REPLICATION_CONTROLLERS, selector_of)),
    rights=(
        may("create delete patch", PODS),
        may("get", REPLICATION_CONTROLLERS),
        may("patch", REPLICATION_CONTROLLERS, "status"),
        may("update", REPLICATION_CONTROLLERS, "finalizers"),  # asked for by admission, as for ReplicaSets
    ),
    source="replication-controller",
    upstream="pkg/controller/replication",
    workers=5,
)
def decide(rc: ReplicationController, view: View, now: datetime) -> Decision:
    """As many active Pods of its template as `spec.replicas` says; adopts what it selects, releases the rest."""
    yield from keep(rc, REPLICATION_CONTROLLERS, selector_of(rc), view, now)
