"""A certificate authority: turns an X.509 request into a certificate, as it is asked for and no further.

The signing controller calls `sign`. It is pure: the time and the serial number are arguments, and no signature of RSA,
Ed25519 or (RFC 6979) ECDSA keys needs randomness. Of the request it takes the key, the subject and the other names,
none of the extensions. Answers to pkg/controller/certificates/authority/{authority,policies}.go and RFC 5280.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from understudy.operators.certificates.request import Request
from understudy.operators.certificates.usages import check_known, extended_key_usage, key_usage

BACKDATE = timedelta(minutes=5)
"""How much earlier than now a certificate begins: clocks differ."""
SHORT = timedelta(hours=8)
"""Certificates shorter than this are not shortened by what they are backdated."""

_SUBJECT = (
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.STREET_ADDRESS,
    NameOID.POSTAL_CODE,
    NameOID.COMMON_NAME,
    NameOID.SERIAL_NUMBER,
)
"""The attributes of a subject that are passed on, in Go's order (crypto/x509/pkix)."""
_ONCE = (NameOID.COMMON_NAME, NameOID.SERIAL_NUMBER)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate of the authority and its private key."""

    certificate: x509.Certificate
    key: Key


@lru_cache(maxsize=16)
def authority(certificate: str, key: str) -> Authority:
    """The authority of these PEM texts. ValueError if they are not one certificate and its key."""
    try:
        certificates = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError as error:
        raise ValueError(f"the certificate of the authority cannot be read: {error}") from None
    if len(certificates) != 1:
        raise ValueError(f"the authority must have 1 certificate, found {len(certificates)}")
    private = _private_key(key)
    if private.public_key() != certificates[0].public_key():
        raise ValueError("the key of the authority is not that of its certificate")
    return Authority(certificates[0], private)


def _private_key(pem: str) -> Key:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the key of the authority cannot be read: {error}") from None
    if not isinstance(key, Key):
        raise ValueError("the key of the authority must be an RSA, ECDSA or Ed25519 key")
    return key


def sign(
    ca: Authority, request: Request, usages: Sequence[str], lifetime: timedelta, serial: int, now: datetime
) -> str:
    """The certificate, PEM. ValueError if the request is not signed by its key, the usages cannot be, or `ca` is over.

    `serial`: positive, below 2**159, never used by this authority before.
    """
    parsed = request.parsed
    if not _is_signed(parsed):
        raise ValueError("unable to verify certificate request signature")
    check_known(usages)
    begin, end = validity(lifetime, ca.certificate.not_valid_after_utc, now)
    builder = x509.CertificateBuilder(ca.certificate.subject, _subject(parsed.subject), request.key, serial, begin, end)
    for extension, critical in _extensions(ca, request, usages):
        builder = builder.add_extension(extension, critical)
    deterministic = True if isinstance(ca.key, ec.EllipticCurvePrivateKey) else None
    return builder.sign(ca.key, _hash(ca.key), ecdsa_deterministic=deterministic).public_bytes(Encoding.PEM).decode()


def validity(lifetime: timedelta, ca_end: datetime, now: datetime) -> tuple[datetime, datetime]:
    """From when until when, in whole seconds; never longer than the authority. ValueError if that is over."""
    begin = now - BACKDATE
    end = min(now + lifetime if lifetime < SHORT else now + lifetime - BACKDATE, ca_end)
    if begin >= ca_end:
        raise ValueError(f"the signer has expired: NotAfter={ca_end}")
    if now >= ca_end:
        raise ValueError(f"refusing to sign a certificate that expired in the past: NotAfter={ca_end}")
    return begin.replace(microsecond=0), end.replace(microsecond=0)


def _is_signed(parsed: x509.CertificateSigningRequest) -> bool:
    try:
        return parsed.is_signature_valid
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return False


def _subject(asked: x509.Name) -> x509.Name:
    """The well-known attributes, all of one type together; other attributes are dropped."""
    parts = []
    for kind in _SUBJECT:
        values = [each for each in dict.fromkeys(asked.get_attributes_for_oid(kind)) if each.value]
        if values:
            parts.append(x509.RelativeDistinguishedName(values[-1:] if kind in _ONCE else values))
    return x509.Name(parts)


def _extensions(ca: Authority, request: Request, usages: Sequence[str]) -> list[tuple[x509.ExtensionType, bool]]:
    """Each with whether it is critical, in the order of Go's certificates."""
    found: list[tuple[x509.ExtensionType | None, bool]] = [
        (key_usage(usages), True),
        (extended_key_usage(usages), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_authority_key(ca.certificate, request), False),
        (_names(request), not len(_subject(request.parsed.subject).rdns)),
    ]
    return [(extension, critical) for extension, critical in found if extension is not None]


def _authority_key(certificate: x509.Certificate, request: Request) -> x509.AuthorityKeyIdentifier | None:
    """Which of the authority's keys has signed; not told of one that has no identifier, or of a namesake."""
    if _subject(request.parsed.subject) == certificate.subject:
        return None
    try:
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _names(request: Request) -> x509.SubjectAlternativeName | None:
    names: list[x509.GeneralName] = [
        *(x509.DNSName(each) for each in request.dns_names),
        *(x509.RFC822Name(each) for each in request.emails),
        *(x509.IPAddress(each) for each in request.addresses),
        *(x509.UniformResourceIdentifier(each) for each in request.uris),
    ]
    return x509.SubjectAlternativeName(names) if names else None


def _hash(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """As strong as the key; Ed25519 has its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384() if key.curve.key_size <= 384 else hashes.SHA512()
    return hashes.SHA256()
