"""Requests for certificates and an authority, for the tests of the certificates controllers."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.unit.operators.decisions import NOW, make
from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS, CertificateSigningRequest
from understudy.operators.certificates.rules import KUBELET_CLIENT

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Attributes = Sequence[tuple[ObjectIdentifier, str]]

CLIENT_USAGES = ("digital signature", "key encipherment", "client auth")
NODE: Attributes = ((NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:one"))
APPROVED = {"type": "Approved", "status": "True", "reason": "AutoApproved", "lastUpdateTime": "2026-01-02T11:59:00Z"}
DENIED = {**APPROVED, "type": "Denied"}
FAILED = {**APPROVED, "type": "Failed"}


@cache
def key(name: str = "asker") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def dns(*names: str) -> list[x509.GeneralName]:
    return [x509.DNSName(each) for each in names]


def ips(*addresses: str) -> list[x509.GeneralName]:
    return [x509.IPAddress(ip_address(each)) for each in addresses]


def pem_request(
    subject: Attributes = NODE, names: Sequence[x509.GeneralName] = (), signed_by: Key | None = None
) -> bytes:
    """The X.509 request, PEM."""
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in subject])
    builder = x509.CertificateSigningRequestBuilder(name)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def text_of(private: Key) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def ca(days: int = 3650, private: Key | None = None) -> tuple[str, str]:
    """Certificate and key of an authority that is over so many days after NOW, PEM."""
    private = private or key("authority")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    begin = NOW - timedelta(days=100)
    end = NOW + timedelta(days=days)
    builder = x509.CertificateBuilder(name, name, private.public_key(), 1, begin, end)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, algorithm).public_bytes(Encoding.PEM).decode(), text_of(private)


def settings(prefix: str = "cluster-signing", days: int = 3650) -> dict[str, str]:
    certificate, private = ca(days)
    return {f"{prefix}-cert": certificate, f"{prefix}-key": private}


def request(
    *conditions: dict[str, str],
    pem: bytes | None = None,
    signer: str = KUBELET_CLIENT,
    usages: Sequence[str] = CLIENT_USAGES,
    username: str = "system:bootstrap:abcdef",
    certificate: bytes = b"",
    **parts: Any,
) -> CertificateSigningRequest:
    """A CertificateSigningRequest; of a kubelet for its client certificate unless told otherwise."""
    metadata = {name: parts.pop(name) for name in ("created", "uid", "deleting") if name in parts}
    spec = {
        "request": base64(pem_request() if pem is None else pem),
        "signerName": signer,
        "usages": list(usages),
        "username": username,
        "groups": ["system:bootstrappers", "system:authenticated"],
        **parts,
    }
    status = {"conditions": list(conditions), "certificate": base64(certificate)}
    return make(CERTIFICATE_SIGNING_REQUESTS, "csr-1", spec=spec, status=status, **metadata)


def base64(data: bytes) -> str:
    """As bytes stand in JSON."""
    return b64encode(data).decode()


def certificate_until(end: datetime) -> bytes:
    """Any certificate that is over then, PEM."""
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key().public_key(), 1, NOW - timedelta(days=9), end)
    return builder.sign(key("authority"), hashes.SHA256()).public_bytes(Encoding.PEM)
