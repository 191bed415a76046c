"""What becomes of a request in a certificate, what each signer demands, and which settings can be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.certificate_requests import Attributes, Key, ca, dns, ips, key, pem_request, settings
from tests.unit.operators.decisions import NOW
from understudy.operators.certificates.authority import BACKDATE, authority, sign, validity
from understudy.operators.certificates.request import read
from understudy.operators.certificates.rules import (
    API_SERVER_CLIENT,
    FAULTS,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LEGACY_UNKNOWN,
)
from understudy.operators.certificates.signers import authorities, lifetime, longest

YEAR = timedelta(days=365)
CLIENT = ("client auth", "digital signature", "key encipherment")
SERVER = ("server auth", "digital signature", "key encipherment")
MAIL = [x509.RFC822Name("a@example.com")]
URI = [x509.UniformResourceIdentifier("spiffe://a/b")]
USER: Attributes = ((NameOID.COMMON_NAME, "jane"), (NameOID.ORGANIZATION_NAME, "dev"))


def made(
    pem: bytes | None = None, usages: Sequence[str] = CLIENT, private: Key | None = None
) -> tuple[x509.Certificate, x509.Certificate]:
    """The authority's certificate and the one it signed."""
    by = authority(*ca(private=private))
    text = sign(by, read(pem or pem_request()), usages, YEAR, 7, NOW)
    return by.certificate, x509.load_pem_x509_certificate(text.encode())


# Certificates


@pytest.mark.parametrize(
    ("private", "digest"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), "sha384"),
        (ec.generate_private_key(ec.SECP521R1()), "sha512"),
        (rsa.generate_private_key(65537, 2048), "sha256"),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ],
    ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"],
)
def test_any_usual_key_signs_and_signs_the_same_twice(private: Key, digest: str | None) -> None:
    by, certificate = made(private=private)
    certificate.verify_directly_issued_by(by)
    algorithm = certificate.signature_hash_algorithm
    assert (algorithm.name if algorithm else None) == digest
    assert made(private=private)[1] == certificate


def test_extensions_are_those_of_the_usages_and_names_and_none_of_the_request_s_own() -> None:
    by, certificate = made(pem_request(names=[*ips("10.0.0.1"), *URI, *dns("b", "a"), *MAIL]), SERVER)
    assert [(each.oid._name, each.critical) for each in certificate.extensions] == [
        ("keyUsage", True),
        ("extendedKeyUsage", False),
        ("basicConstraints", True),
        ("authorityKeyIdentifier", False),
        ("subjectAltName", False),
    ]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [*dns("b", "a"), *MAIL, *ips("10.0.0.1"), *URI]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    own = by.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier.key_identifier == own.digest
    assert certificate.issuer.public_bytes() == by.subject.public_bytes()


def test_usages() -> None:
    _, certificate = made(usages=("signing", "key agreement", "encipher only", "s/mime", "any", "netscape sgc"))
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_agreement, usage.encipher_only) == (True, True, True)
    assert (usage.key_encipherment, usage.key_cert_sign, usage.decipher_only) == (False, False, False)
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each.dotted_string for each in extended] == [
        "2.5.29.37.0",
        "1.3.6.1.5.5.7.3.4",
        "2.16.840.1.113730.4.1",
    ]


def test_without_usages_there_are_no_such_extensions() -> None:
    _, certificate = made(usages=())
    assert [each.oid._name for each in certificate.extensions] == ["basicConstraints", "authorityKeyIdentifier"]


@pytest.mark.parametrize(
    ("usages", "fault"),
    [
        (("client auth", "x", "y"), r'^unrecognized usage values: \["x" "y"\]$'),
        (("encipher only",), "key_agreement"),
    ],
)
def test_usages_that_cannot_be(usages: Sequence[str], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        made(usages=usages)


def test_a_subject_is_put_in_order_and_what_go_does_not_know_is_dropped() -> None:
    asked: Attributes = (
        (NameOID.COMMON_NAME, "old"),
        (NameOID.ORGANIZATION_NAME, "b"),
        (NameOID.DOMAIN_COMPONENT, "com"),
        (NameOID.COMMON_NAME, "jane"),
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.ORGANIZATION_NAME, "a"),
        (NameOID.ORGANIZATION_NAME, "b"),
    )
    subject = made(pem_request(asked))[1].subject
    parts = [sorted((each.rfc4514_attribute_name, each.value) for each in rdn) for rdn in subject.rdns]
    assert parts == [[("C", "DE")], [("O", "a"), ("O", "b")], [("CN", "jane")]]


def test_names_are_critical_where_there_is_no_subject() -> None:
    _, certificate = made(pem_request((), dns("a")))
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


DURATIONS = st.timedeltas(min_value=timedelta(minutes=10), max_value=timedelta(days=4000))


@given(DURATIONS, st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=4000)))
def test_no_certificate_outlives_its_authority_or_begins_late(wanted: timedelta, left: timedelta) -> None:
    end_of_ca = NOW + left
    if left <= timedelta(0):
        with pytest.raises(ValueError, match="expired"):
            validity(wanted, end_of_ca, NOW)
        return
    begin, end = validity(wanted, end_of_ca, NOW)
    assert begin == NOW - BACKDATE
    assert begin < end <= end_of_ca
    assert end <= NOW + wanted
    assert end > NOW + min(wanted, left) - BACKDATE - timedelta(seconds=1)


def test_whole_seconds_only() -> None:
    now = datetime(2026, 1, 1, 0, 0, 0, 999999, tzinfo=UTC)
    begin, end = validity(timedelta(minutes=10), now + YEAR, now)
    assert begin.microsecond == end.microsecond == 0


# Requests


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + pem_request(),
        pem_request().replace(b" REQUEST", b" QUEST"),
    ],
    ids=["nothing", "garbage", "another block first", "another type"],
)
def test_what_is_no_request(pem: bytes) -> None:
    with pytest.raises(ValueError, match=r"PEM block type must be CERTIFICATE REQUEST|cannot be read"):
        read(pem)


@given(st.binary(max_size=80))
def test_no_bytes_are_more_than_unreadable(junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"must be|cannot be read"):
        read(b"-----BEGIN CERTIFICATE REQUEST-----\n" + junk + b"\n-----END CERTIFICATE REQUEST-----\n")


# Rules


NODE_ORG = (NameOID.ORGANIZATION_NAME, "system:nodes")
NODE_NAME = (NameOID.COMMON_NAME, "system:node:a")
NODE: Attributes = (NODE_ORG, NODE_NAME)
NO_ORG = "subject organization is not system:nodes"
NO_NAME = "subject common name does not begin with system:node:"
CLIENT_ONLY = "usages did not match [client auth digital signature key encipherment]"
SERVER_ONLY = "usages did not match [digital signature key encipherment server auth]"


@pytest.mark.parametrize(
    ("signer", "subject", "names", "usages", "fault"),
    [
        (KUBELET_CLIENT, NODE, [], CLIENT, ""),
        (KUBELET_CLIENT, NODE, [], CLIENT[:2], ""),
        (KUBELET_CLIENT, NODE, [], (*CLIENT, "client auth"), ""),
        (KUBELET_CLIENT, NODE, [], SERVER, CLIENT_ONLY),
        (KUBELET_CLIENT, NODE, [], (*CLIENT, "server auth"), CLIENT_ONLY),
        (KUBELET_CLIENT, [NODE_NAME], [], CLIENT, NO_ORG),
        (KUBELET_CLIENT, [*NODE, (NameOID.ORGANIZATION_NAME, "system:masters")], [], CLIENT, NO_ORG),
        (KUBELET_CLIENT, [NODE_ORG, (NameOID.COMMON_NAME, "a")], [], CLIENT, NO_NAME),
        (KUBELET_CLIENT, [*NODE, (NameOID.COMMON_NAME, "a")], [], CLIENT, NO_NAME),
        (KUBELET_CLIENT, NODE, dns("a"), CLIENT, "DNS subjectAltNames are not allowed"),
        (KUBELET_CLIENT, NODE, MAIL, CLIENT, "Email subjectAltNames are not allowed"),
        (KUBELET_CLIENT, NODE, ips("::1"), CLIENT, "IP subjectAltNames are not allowed"),
        (KUBELET_CLIENT, NODE, URI, CLIENT, "URI subjectAltNames are not allowed"),
        (KUBELET_SERVING, NODE, dns("a"), SERVER, ""),
        (KUBELET_SERVING, NODE, ips("10.0.0.1"), SERVER[:2], ""),
        (KUBELET_SERVING, NODE, [], SERVER, "DNS or IP subjectAltName is required"),
        (KUBELET_SERVING, NODE, [*dns("a"), *MAIL], SERVER, "Email subjectAltNames are not allowed"),
        (KUBELET_SERVING, NODE, [*dns("a"), *URI], SERVER, "URI subjectAltNames are not allowed"),
        (KUBELET_SERVING, [NODE_ORG], dns("a"), CLIENT, SERVER_ONLY),
        (KUBELET_SERVING, [NODE_ORG], dns("a"), SERVER, NO_NAME),
        (KUBELET_SERVING, USER, dns("a"), SERVER, NO_ORG),
        (API_SERVER_CLIENT, USER, dns("a"), CLIENT, ""),
        (API_SERVER_CLIENT, USER, [], CLIENT[:1], ""),
        (API_SERVER_CLIENT, USER, [], SERVER, "invalid usage for client certificate: server auth"),
        (API_SERVER_CLIENT, USER, [], CLIENT[1:], "missing required usage for client certificate: client auth"),
        (LEGACY_UNKNOWN, USER, MAIL, ("cert sign",), ""),
    ],
)
def test_what_each_signer_demands(
    signer: str, subject: Attributes, names: Sequence[x509.GeneralName], usages: Sequence[str], fault: str
) -> None:
    assert FAULTS[signer](read(pem_request(subject, names)), usages) == fault


# Settings


def test_one_authority_is_for_all_signers() -> None:
    found = authorities(settings())
    assert list(found) == [KUBELET_SERVING, KUBELET_CLIENT, API_SERVER_CLIENT, LEGACY_UNKNOWN]
    assert len({id(each) for each in found.values()}) == 1
    assert authorities({}) == {}


def test_lifetimes() -> None:
    assert longest({}) == YEAR
    assert longest({"cluster-signing-duration": "1h30m"}) == timedelta(minutes=90)
    assert lifetime(None, YEAR) == YEAR
    assert lifetime(1, YEAR) == timedelta(minutes=10)
    assert lifetime(10**9, YEAR) == YEAR


PAIR = settings()
CERT, KEY = PAIR["cluster-signing-cert"], PAIR["cluster-signing-key"]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"cluster-signing-cert": CERT}, "go together"),
        ({"cluster-signing-kubelet-client-key": KEY}, "kubelet-client-cert-file and .* go together"),
        (PAIR | settings("cluster-signing-kubelet-client"), "default and per controller certs at the same time"),
        (PAIR | {"cluster-signing-cert": CERT * 2}, "must have 1 certificate, found 2"),
        (PAIR | {"cluster-signing-cert": "x"}, "certificate of the authority cannot be read"),
        (PAIR | {"cluster-signing-key": "x"}, "key of the authority cannot be read"),
        (PAIR | {"cluster-signing-key": ca(private=key("other"))[1]}, "is not that of its certificate"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        authorities(given)
