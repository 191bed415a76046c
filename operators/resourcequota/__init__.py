"""resourcequota-controller: the status of every ResourceQuota says what it limits and what is used of that.

The API server's admission charges what it lets in; here is counted what is there, and given back what has gone.
`ledger` knows whom a change concerns, `names` what a quota counts, `usage` counts it (`pods`, `objects`, `scopes`,
`amounts`), `status` writes it down. Answers to pkg/controller/resourcequota and pkg/quota/v1.
"""

from datetime import datetime

from understudy.errors import NotFound
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES, ResourceQuota
from understudy.loop.controller import controller, may
from understudy.operators.resourcequota.ledger import Ledger
from understudy.operators.resourcequota.status import report
from understudy.operators.resourcequota.usage import Usage, count
from understudy.plan.steps import Decision, Requeue
from understudy.state.view import View

RESYNC = 300.0
"""Seconds after which everything is counted anew, whatever happened (--resource-quota-sync-period)."""
REDISCOVERED = 35.0
"""Seconds after which the process has read discovery again."""
SETTLED = 5.0
"""Seconds after which what was charged before a count is there to be counted."""
SOON = 0.5


@controller(
    "resourcequota-controller",
    of=RESOURCE_QUOTAS,
    reads=(RESOURCE_QUOTAS, PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS),
    rights=(may("patch", RESOURCE_QUOTAS, "status"),),
    source="resourcequota-controller",
    upstream="pkg/controller/resourcequota",
    workers=5,
    discovers=True,
    tracker=Ledger,
)
def decide(quota: ResourceQuota, view: View, now: datetime) -> Decision:
    """The status of a ResourceQuota says what is used of it; what is gone is given back."""
    usage = yield from count(quota, view, now)
    patch = report(quota, usage.used)
    if patch is not None:
        try:
            yield patch
        except NotFound:
            return
    yield _again(usage, patch is not None, now)
    if usage.failure is not None:
        raise usage.failure


def _again(usage: Usage, written: bool, now: datetime) -> Requeue:
    """When to count next, if nothing happens before.

    Admission charges an object before it is stored: a count in between misses it, and is put right by the next one.
    """
    wishes = [(RESYNC, "everything is counted anew from time to time")]
    if usage.due is not None:
        late = (usage.due - now).total_seconds() + 1
        wishes.append((late, "a pod that is being deleted stops to count by then"))
    if usage.unserved:
        wishes.append((REDISCOVERED, f"{', '.join(usage.unserved)} may be served by then"))
    if written:
        wishes.append((SETTLED, "what was being admitted meanwhile is there by then"))
    if usage.unseen:
        wishes.append((SOON, f"not all of {', '.join(usage.unseen)} is known yet"))
    return Requeue(*min(wishes))
