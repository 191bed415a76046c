"""CertificateSigningRequests: who is let have a certificate, what is signed, refused and forgotten."""

from base64 import b64decode, encodebytes
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.operators.certificate_requests import (
    APPROVED,
    DENIED,
    FAILED,
    certificate_until,
    dns,
    key,
    pem_request,
    request,
    settings,
)
from tests.unit.operators.decisions import NOW, only, run, view_of, writes
from understudy.kinds.authorization import SUBJECT_ACCESS_REVIEWS, SubjectAccessReview, SubjectAccessReviewStatus
from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS, CertificateSigningRequest
from understudy.kinds.meta import ObjectMeta
from understudy.operators.certificates import approving, cleaning, signing
from understudy.operators.certificates.rules import API_SERVER_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN
from understudy.plan.steps import Create, Delete, Patch, Requeue, Step
from understudy.values import timestamp

SELF = "Auto approving self kubelet client certificate after SubjectAccessReview."
OTHER = "Auto approving kubelet client certificate after SubjectAccessReview."


# Approving


def approved(csr: CertificateSigningRequest, *allowed: str) -> tuple[list[str], list[Step]]:
    """Which subresources were asked about, and all steps; `allowed` are those the server says yes to."""
    asked: list[str] = []

    def answer(step: Step) -> Any:
        if not isinstance(step, Create):
            return None
        assert step.kind is SUBJECT_ACCESS_REVIEWS
        asked.append(step.body["spec"]["resourceAttributes"]["subresource"])
        status = SubjectAccessReviewStatus(allowed=asked[-1] in allowed)
        return SubjectAccessReview(metadata=ObjectMeta(), status=status)

    view = view_of({CERTIFICATE_SIGNING_REQUESTS: [csr]})
    return asked, run(approving.decide(csr, view, NOW), view, answer)


def test_a_bootstrapping_kubelet_is_approved_if_it_may_create_nodeclient() -> None:
    asked, steps = approved(request(), "nodeclient")
    patch = only(steps, Patch)
    assert asked == ["nodeclient"]
    assert patch.subresource == "approval"
    (condition,) = patch.body["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Approved", "True")
    assert (condition["reason"], condition["message"]) == ("AutoApproved", OTHER)


def test_a_node_that_renews_its_own_needs_the_right_for_itself_only() -> None:
    asked, steps = approved(request(username="system:node:one"), "selfnodeclient", "nodeclient")
    assert asked == ["selfnodeclient"]
    assert only(steps, Patch).body["status"]["conditions"][0]["message"] == SELF


def test_a_node_may_also_be_let_have_any_node_s() -> None:
    asked, steps = approved(request(username="system:node:one"), "nodeclient")
    assert asked == ["selfnodeclient", "nodeclient"]
    assert only(steps, Patch).body["status"]["conditions"][0]["message"] == OTHER


def test_the_question_is_about_who_wrote_the_request() -> None:
    csr = request(uid="u1", extra={"authentication.kubernetes.io/pod-name": ["x"]})
    csr.spec.uid = "who"
    create = only(approved(csr)[1], Create)
    spec = create.body["spec"]
    assert (spec["user"], spec["uid"]) == ("system:bootstrap:abcdef", "who")
    assert spec["groups"] == ["system:bootstrappers", "system:authenticated"]
    assert spec["extra"] == {"authentication.kubernetes.io/pod-name": ["x"]}
    assert spec["resourceAttributes"] == {
        "group": "certificates.k8s.io",
        "resource": "certificatesigningrequests",
        "subresource": "nodeclient",
        "verb": "create",
        "version": "*",
    }
    assert create.body["metadata"] == {}, "the server refuses a review with a name"


@pytest.mark.parametrize(("age", "pause"), [(0, 0.2), (3, 3.0), (99999, 1000.0)])
def test_who_may_not_is_asked_about_again_in_pauses_that_grow(age: int, pause: float) -> None:
    csr = request(created=timestamp.format(NOW - timedelta(seconds=age)))
    requeue = only(approved(csr)[1], Requeue)
    assert requeue.after == pause
    assert requeue.why == 'recognized csr "csr-1" as [nodeclient] but subject access review was not approved'


@pytest.mark.parametrize(
    "csr",
    [
        request(APPROVED),
        request(DENIED),
        request(certificate=b"x"),
        request(signer=API_SERVER_CLIENT),
        request(signer=KUBELET_SERVING, usages=["digital signature", "server auth"], pem=pem_request(names=dns("a"))),
        request(pem=pem_request(names=dns("a"))),
        request(usages=["client auth"]),
    ],
    ids=["approved", "denied", "issued", "a user's", "a kubelet's serving", "no client's", "other usages"],
)
def test_of_others_nothing_is_asked(csr: CertificateSigningRequest) -> None:
    assert approved(csr, "nodeclient", "selfnodeclient") == ([], [])


def test_what_cannot_be_read_is_looked_at_again() -> None:
    requeue = only(approved(request(pem=b"hello"))[1], Requeue)
    assert requeue.why == 'unable to parse csr "csr-1": PEM block type must be CERTIFICATE REQUEST'


# Signing


def signed(csr: CertificateSigningRequest, given: dict[str, str] | None = None) -> list[Step]:
    view = view_of({CERTIFICATE_SIGNING_REQUESTS: [csr]})
    view.settings = settings() if given is None else given
    return run(signing.decide(csr, view, NOW), view)


def issued(csr: CertificateSigningRequest, given: dict[str, str] | None = None) -> x509.Certificate:
    patch = only(signed(csr, given), Patch)
    assert (patch.subresource, patch.guard) == ("status", "revision"), "the serial number counts on it"
    return x509.load_pem_x509_certificate(b64decode(patch.body["status"]["certificate"]))


def test_an_approved_request_is_answered_with_a_certificate_of_its_key() -> None:
    certificate = issued(request(APPROVED))
    assert certificate.public_key() == key().public_key()
    assert certificate.subject.rfc4514_string() == "CN=system:node:one,O=system:nodes"
    authority = x509.load_pem_x509_certificate(settings()["cluster-signing-cert"].encode())
    certificate.verify_directly_issued_by(authority)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365, minutes=-5)


@pytest.mark.parametrize(
    ("asked", "minutes"),
    [(None, 24 * 60 - 5), (600, 10), (3600, 60), (60, 10), (86400 * 2, 24 * 60 - 5), (8 * 3600, 8 * 60 - 5)],
)
def test_shorter_is_given_if_asked_for_longer_is_not(asked: int | None, minutes: int) -> None:
    given = settings() | {"cluster-signing-duration": "24h"}
    certificate = issued(request(APPROVED, expirationSeconds=asked), given)
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOW + timedelta(minutes=minutes)


def test_the_serial_number_is_of_this_revision_and_no_other() -> None:
    first, same, other = request(APPROVED, uid="a"), request(APPROVED, uid="a"), request(APPROVED, uid="b")
    assert signing.serial_of(first) != signing.serial_of(same), "another revision"
    same.metadata.resourceVersion = other.metadata.resourceVersion = first.metadata.resourceVersion
    assert signing.serial_of(first) == signing.serial_of(same) != signing.serial_of(other)
    assert issued(first).serial_number == signing.serial_of(first)
    assert 0 < signing.serial_of(first) < 2**128


def test_the_same_decision_signs_the_same_bytes() -> None:
    csr = request(APPROVED)
    assert signed(csr) == signed(csr)


@pytest.mark.parametrize(
    "csr",
    [
        request(),
        request(DENIED),
        request(APPROVED, DENIED),
        request(APPROVED, FAILED),
        request(APPROVED, certificate=b"x"),
        request(APPROVED, signer="example.com/own"),
    ],
    ids=["pending", "denied", "approved and denied", "failed", "issued", "another's"],
)
def test_others_are_left_alone(csr: CertificateSigningRequest) -> None:
    assert signed(csr) == []


def test_a_request_against_the_rules_fails_for_good() -> None:
    patch = only(signed(request(APPROVED, usages=["client auth"])), Patch)
    kept, failed = patch.body["status"]["conditions"]
    assert kept == APPROVED
    assert (failed["type"], failed["status"]) == ("Failed", "True")
    assert failed["reason"] == "SignerValidationFailure"
    assert failed["message"] == "usages did not match [client auth digital signature key encipherment]"
    assert failed["lastUpdateTime"] == timestamp.format(NOW)


def test_without_an_authority_nothing_is_signed() -> None:
    assert signed(request(APPROVED), {}) == []


def test_authorities_of_single_signers_are_for_them_alone() -> None:
    given = settings("cluster-signing-legacy-unknown")
    assert signed(request(APPROVED), given) == []
    assert issued(request(APPROVED, signer=LEGACY_UNKNOWN), given).public_key() == key().public_key()


def test_an_authority_that_is_over_signs_nothing_and_is_asked_again() -> None:
    requeue = only(signed(request(APPROVED), settings(days=-1)), Requeue)
    assert requeue.why.startswith("error auto signing csr: the signer has expired: NotAfter=2026-01-01")


def test_a_request_that_was_tampered_with_is_not_signed() -> None:
    # the subject changed after the signature was made
    sound = x509.load_pem_x509_csr(pem_request()).public_bytes(Encoding.DER)
    forged = _pem(sound.replace(b"system:node:one", b"system:node:two"))
    requeue = only(signed(request(APPROVED, pem=forged)), Requeue)
    assert requeue.why == "error auto signing csr: unable to verify certificate request signature"


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"


# Cleaning


def cleaned(csr: CertificateSigningRequest) -> list[Step]:
    view = view_of({CERTIFICATE_SIGNING_REQUESTS: [csr]})
    return run(cleaning.decide(csr, view, NOW), view)


def ago(**time: float) -> str:
    return timestamp.format(NOW - timedelta(**time))


def since(condition: dict[str, str], **time: float) -> dict[str, str]:
    return {**condition, "lastUpdateTime": ago(**time)}


LATER = certificate_until(NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "csr",
    [
        request(created=ago(hours=24)),
        request(since(DENIED, hours=1)),
        request(since(FAILED, hours=1)),
        request(since(APPROVED, minutes=1), since(FAILED, hours=1)),
        request(since(APPROVED, hours=1), certificate=LATER),
        request(since(APPROVED, hours=1), certificate=b"unreadable"),
        request(since(APPROVED, minutes=1), certificate=certificate_until(NOW - timedelta(seconds=1))),
    ],
    ids=["pending", "denied", "failed", "approved and failed", "issued", "unreadable", "over"],
)
def test_old_requests_are_deleted(csr: CertificateSigningRequest) -> None:
    delete = only(cleaned(csr), Delete)
    assert delete.unchanged, "it may just have been decided otherwise"


@pytest.mark.parametrize(
    ("csr", "left"),
    [
        (request(created=ago(hours=23)), 3600),
        (request(since(DENIED, minutes=59)), 60),
        (request(since(FAILED, minutes=59)), 60),
        (request(since(APPROVED, minutes=59), certificate=LATER), 60),
        (request(since(APPROVED, minutes=1), certificate=certificate_until(NOW + timedelta(seconds=7))), 7),
    ],
    ids=["pending", "denied", "failed", "issued", "over soon"],
)
def test_younger_ones_are_looked_at_when_their_time_is_over(csr: CertificateSigningRequest, left: float) -> None:
    steps = cleaned(csr)
    assert not writes(steps)
    assert only(steps, Requeue).after == left


def test_an_approved_request_waits_for_its_certificate_for_ever() -> None:
    assert cleaned(request(since(APPROVED, days=99), created=ago(days=99))) == []


def test_what_goes_anyway_is_left() -> None:
    assert cleaned(request(created=ago(days=9), deleting=True)) == []
