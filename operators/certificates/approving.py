"""certificatesigningrequest-approving-controller: kubelets that may have a client certificate are let have it.

Whether one may is the server's to say: it is asked by a SubjectAccessReview whether who wrote the request may create
the subresource `selfnodeclient` (a node renews its own) or `nodeclient` (a bootstrap token). Everything else waits for
people. Answers to pkg/controller/certificates/approver/sarapprove.go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from understudy.kinds.authorization import SUBJECT_ACCESS_REVIEWS
from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS, CertificateSigningRequest
from understudy.loop.controller import Right, controller, may
from understudy.operators.certificates.conditions import APPROVED, is_decided, with_another
from understudy.operators.certificates.request import Request, read
from understudy.operators.certificates.retry import again
from understudy.operators.certificates.rules import KUBELET_CLIENT, kubelet_client_fault
from understudy.plan.steps import Create, Decision, Patch
from understudy.state.view import View
from understudy.values import timestamp


def _is_for_node(csr: CertificateSigningRequest, request: Request) -> bool:
    return csr.spec.signerName == KUBELET_CLIENT and not kubelet_client_fault(request, csr.spec.usages)


def _is_for_itself(csr: CertificateSigningRequest, request: Request) -> bool:
    return csr.spec.username == request.common_name and _is_for_node(csr, request)


@dataclass(frozen=True, slots=True)
class Recognized:
    """A sort of request: who may create `subresource` is let have it, with `message`."""

    fits: Callable[[CertificateSigningRequest, Request], bool]
    subresource: str
    message: str


SORTS = (
    Recognized(
        _is_for_itself,
        "selfnodeclient",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ),
    Recognized(_is_for_node, "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
)


@controller(
    "certificatesigningrequest-approving-controller",
    of=CERTIFICATE_SIGNING_REQUESTS,
    rights=(
        may("create", SUBJECT_ACCESS_REVIEWS),
        may("patch", CERTIFICATE_SIGNING_REQUESTS, "approval"),
        Right(("approve",), "certificates.k8s.io", "signers"),
    ),
    source="certificate-controller",
    upstream="pkg/controller/certificates/approver",
    workers=5,
)
def decide(csr: CertificateSigningRequest, _: View, now: datetime) -> Decision:
    """A kubelet's request for a client certificate is approved if who wrote it may have one."""
    if csr.status.certificate or is_decided(csr):
        return
    try:
        request = read(csr.spec.request)
    except ValueError as error:
        yield again(csr, now, why=f'unable to parse csr "{csr.name}": {error}')
        return
    sorts = [sort for sort in SORTS if sort.fits(csr, request)]
    for sort in sorts:
        review = yield Create(SUBJECT_ACCESS_REVIEWS, "", _review(csr, sort), why=f"may it be {sort.subresource}?")
        if review.status.allowed:
            yield _approval(csr, sort, now)
            return
    if sorts:
        tried = " ".join(sort.subresource for sort in sorts)
        why = f'recognized csr "{csr.name}" as [{tried}] but subject access review was not approved'
        yield again(csr, now, why=why)


def _review(csr: CertificateSigningRequest, sort: Recognized) -> dict[str, Any]:
    """The question whether the writer of the request may have such a certificate."""
    resource = {
        "group": "certificates.k8s.io",
        "resource": "certificatesigningrequests",
        "subresource": sort.subresource,
        "verb": "create",
        "version": "*",
    }
    asker = {"user": csr.spec.username, "uid": csr.spec.uid, "groups": csr.spec.groups, "extra": csr.spec.extra}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {**asker, "resourceAttributes": resource},
    }


def _approval(csr: CertificateSigningRequest, sort: Recognized, now: datetime) -> Patch:
    condition = {
        "type": APPROVED,
        "status": "True",
        "reason": "AutoApproved",
        "message": sort.message,
        "lastUpdateTime": timestamp.format(now),
    }
    body = {"status": {"conditions": with_another(csr, condition)}}
    return Patch(CERTIFICATE_SIGNING_REQUESTS, csr, body, why=sort.message, subresource="approval")
