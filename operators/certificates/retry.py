"""When to look again at a request for which nothing can be done now, but may be later.

The approver waits for rights, the signer for another authority. The wait is as long as the request is old: pauses that
double, without a memory. Answers to the rate limiter in pkg/controller/certificates/certificate_controller.go.
"""

from datetime import datetime

from understudy.kinds.certificates import CertificateSigningRequest
from understudy.plan.steps import Requeue
from understudy.values import timestamp

FIRST = 0.2
MOST = 1000.0


def again(csr: CertificateSigningRequest, now: datetime, why: str) -> Requeue:
    """The step that has it looked at again."""
    created = csr.metadata.creationTimestamp
    age = (now - timestamp.parse(created)).total_seconds() if created else 0.0
    return Requeue(min(max(age, FIRST), MOST), why=why)
