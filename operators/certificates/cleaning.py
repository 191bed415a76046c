"""certificatesigningrequest-cleaner-controller: requests that nobody needs any more are deleted.

An hour after they were issued, denied or failed, a day after they were made if nobody has decided, and in any case
when the certificate is over. Answers to pkg/controller/certificates/cleaner/cleaner.go.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509

from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS, CertificateSigningRequest
from understudy.loop.controller import controller, may
from understudy.operators.certificates.conditions import APPROVED, DENIED, FAILED
from understudy.plan.steps import Decision, Delete, Requeue
from understudy.state.view import View
from understudy.values import timestamp

DECIDED = timedelta(hours=1)
PENDING = timedelta(hours=24)


@controller(
    "certificatesigningrequest-cleaner-controller",
    of=CERTIFICATE_SIGNING_REQUESTS,
    rights=(may("delete", CERTIFICATE_SIGNING_REQUESTS),),
    source="certificate-controller",
    upstream="pkg/controller/certificates/cleaner",
    workers=1,
)
def decide(csr: CertificateSigningRequest, _: View, now: datetime) -> Decision:
    """A request is deleted when its time is over."""
    end = min(_ends(csr), default=None)
    if end is None or csr.deleting:
        return
    left = (end - now).total_seconds()
    if left > 0:
        yield Requeue(left, why="its time is over then")
    else:
        yield Delete(CERTIFICATE_SIGNING_REQUESTS, csr, why="its time is over", unchanged=True)


def _ends(csr: CertificateSigningRequest) -> Iterator[datetime]:
    """The moments at which it may be deleted; none while an approved request waits for its certificate."""
    if not csr.status.conditions and csr.metadata.creationTimestamp:
        yield timestamp.parse(csr.metadata.creationTimestamp) + PENDING
    for condition in csr.status.conditions:
        issued = condition.type == APPROVED and bool(csr.status.certificate)
        if (issued or condition.type in (DENIED, FAILED)) and condition.lastUpdateTime:
            yield timestamp.parse(condition.lastUpdateTime) + DECIDED
        if issued:
            yield from _expiry(csr.status.certificate)


def _expiry(pem: bytes) -> Iterator[datetime]:
    """When the certificate is over; nothing if it cannot be read."""
    try:
        yield x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return
