"""The X.509 request inside a CertificateSigningRequest, read as Go reads it.

The approver and the signer call this; nothing else looks into the PEM. Answers to ParseCSR in
pkg/apis/certificates/helpers.go and to crypto/x509 ParseCertificateRequest. RFC 2986.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: `parsed` as a whole, and of it the key, the parts of the subject that matter, other names."""

    parsed: x509.CertificateSigningRequest
    key: CertificatePublicKeyTypes
    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    addresses: tuple[IPv4Address | IPv6Address, ...]
    uris: tuple[str, ...]


@lru_cache(maxsize=1024)
def read(pem: bytes) -> Request:
    """The request in the first PEM block. ValueError if there is none."""
    block = _BLOCK.search(pem)
    if block is None or block[1] != b"CERTIFICATE REQUEST":
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    try:
        parsed = x509.load_pem_x509_csr(block[0])
        return _request(parsed, _other_names(parsed))
    except UNREADABLE as error:
        raise ValueError(f"the request cannot be read: {error}") from None


def _request(parsed: x509.CertificateSigningRequest, names: Iterable[x509.GeneralName]) -> Request:
    names = list(names)
    common_names = _texts(parsed.subject, NameOID.COMMON_NAME)
    addresses = [each.value for each in names if isinstance(each, x509.IPAddress)]
    if not all(isinstance(each, IPv4Address | IPv6Address) for each in addresses):
        raise ValueError("cannot parse IP address")
    return Request(
        parsed,
        parsed.public_key(),
        common_names[-1] if common_names else "",
        _texts(parsed.subject, NameOID.ORGANIZATION_NAME),
        tuple(each.value for each in names if isinstance(each, x509.DNSName)),
        tuple(each.value for each in names if isinstance(each, x509.RFC822Name)),
        tuple(each for each in addresses if isinstance(each, IPv4Address | IPv6Address)),
        tuple(each.value for each in names if isinstance(each, x509.UniformResourceIdentifier)),
    )


def _other_names(parsed: x509.CertificateSigningRequest) -> Iterable[x509.GeneralName]:
    try:
        return parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()


def _texts(name: x509.Name, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(each.value) for each in name.get_attributes_for_oid(kind))
