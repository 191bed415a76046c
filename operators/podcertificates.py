"""podcertificaterequest-cleaner-controller: what a kubelet asked for on a pod's behalf is not kept for long.

Runs only by name, where the API server offers certificates.k8s.io/v1alpha1 (feature gate PodCertificateRequest).
Answers to pkg/controller/certificates/cleaner/pcrcleaner.go.
"""

from datetime import datetime, timedelta

from understudy.kinds.gated import POD_CERTIFICATE_REQUESTS
from understudy.kinds.meta import Obj
from understudy.loop.controller import controller, may
from understudy.plan.steps import Decision, Delete, Requeue
from understudy.state.view import View
from understudy.values import timestamp

KEPT = timedelta(minutes=15)
"""Longer than any such request takes."""


@controller(
    "podcertificaterequest-cleaner-controller",
    of=POD_CERTIFICATE_REQUESTS,
    rights=(may("delete", POD_CERTIFICATE_REQUESTS),),
    upstream="pkg/controller/certificates/cleaner",
    workers=1,
    by_default=False,
)
def decide(request: Obj, _: View, now: datetime) -> Decision:
    """A PodCertificateRequest is deleted a quarter of an hour after it was made."""
    if request.deleting:
        return
    left = timestamp.parse(request.metadata.creationTimestamp or "") + KEPT - now
    if left > timedelta():
        yield Requeue(left.total_seconds(), why="its time is over then")
    else:
        yield Delete(POD_CERTIFICATE_REQUESTS, request, why="its time is over")
