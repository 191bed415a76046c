"""certificatesigningrequest-signing-controller: what is approved is signed, or told why it never will be.

For the four signers of Kubernetes' own, each with the authority the process' settings give it; the others belong to
somebody else. Answers to pkg/controller/certificates/signer/signer.go.
"""

from base64 import b64encode
from datetime import datetime
from hashlib import sha256

from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS, CertificateSigningRequest
from understudy.loop.controller import Right, controller, may
from understudy.operators.certificates.authority import Authority, sign
from understudy.operators.certificates.conditions import FAILED, is_approved, is_failed, with_another
from understudy.operators.certificates.request import Request, read
from understudy.operators.certificates.retry import again
from understudy.operators.certificates.rules import FAULTS
from understudy.operators.certificates.signers import authorities, lifetime, longest
from understudy.plan.steps import Decision, Patch
from understudy.state.view import View
from understudy.values import timestamp


@controller(
    "certificatesigningrequest-signing-controller",
    of=CERTIFICATE_SIGNING_REQUESTS,
    rights=(
        may("patch", CERTIFICATE_SIGNING_REQUESTS, "status"),
        Right(("sign",), "certificates.k8s.io", "signers"),
    ),
    source="certificate-controller",
    upstream="pkg/controller/certificates/signer",
    workers=5,
)
def decide(csr: CertificateSigningRequest, view: View, now: datetime) -> Decision:
    """An approved request is answered with a certificate, or with why there will be none."""
    if csr.status.certificate or not is_approved(csr) or is_failed(csr):
        return
    ca = authorities(view.settings).get(csr.spec.signerName)
    if ca is None:
        return
    try:
        request = read(csr.spec.request)
    except ValueError as error:
        yield again(csr, now, why=f'unable to parse csr "{csr.name}": {error}')
        return
    fault = FAULTS[csr.spec.signerName](request, csr.spec.usages)
    if fault:
        yield _refusal(csr, fault, now)
    else:
        yield from _issue(csr, request, ca, view, now)


def serial_of(csr: CertificateSigningRequest) -> int:
    """The serial number of the certificate for this very revision of the request: 128 bits.

    One number, one certificate: a certificate gets out only by a write that is guarded by this revision, and that ends
    the revision, so of all that were ever signed under one number at most one is stored. Nobody can choose it either:
    the uid is drawn at random by the server after the request has been handed in.
    """
    state = f"{csr.uid}/{csr.metadata.resourceVersion}"
    return int.from_bytes(sha256(state.encode()).digest()[:16])


def _issue(csr: CertificateSigningRequest, request: Request, ca: Authority, view: View, now: datetime) -> Decision:
    wanted = lifetime(csr.spec.expirationSeconds, longest(view.settings))
    try:
        certificate = sign(ca, request, csr.spec.usages, wanted, serial_of(csr), now)
    except ValueError as error:
        yield again(csr, now, why=f"error auto signing csr: {error}")
        return
    body = {"status": {"certificate": b64encode(certificate.encode()).decode()}}
    yield Patch(
        CERTIFICATE_SIGNING_REQUESTS, csr, body, why=f"approved for {csr.spec.signerName}", subresource="status"
    )


def _refusal(csr: CertificateSigningRequest, fault: str, now: datetime) -> Patch:
    condition = {
        "type": FAILED,
        "status": "True",
        "reason": "SignerValidationFailure",
        "message": fault,
        "lastUpdateTime": timestamp.format(now),
    }
    body = {"status": {"conditions": with_another(csr, condition)}}
    return Patch(CERTIFICATE_SIGNING_REQUESTS, csr, body, why=fault, subresource="status")
