"""The certificates and keys of one cluster: three authorities, ECDSA P-256 throughout, files named as kubeadm
names them.

Called by `understudy.cluster.embedded` on every `up`: what is missing, damaged or ends within 30 days is made
anew. Answers to "PKI certificates and requirements" of the Kubernetes documentation. etcd has an authority of
its own: a client certificate of the cluster, even an administrator's, opens the API server and never etcd.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from understudy.cluster.files import write_private

SERVICE_IP = "10.96.0.1"
RENEW_BEFORE = timedelta(days=30)
_AUTHORITY_LIFE = timedelta(days=3650)
_LIFE = timedelta(days=365)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_APISERVER = (
    *_LOOPBACK,
    SERVICE_IP,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate says: who (`name`, `group`), for which addresses (`hosts`: a server), by which
    authority.
    """

    authority: str
    name: str
    group: str = ""
    hosts: Sequence[str] = ()
    client: bool = True


AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")
LEAVES = {
    "apiserver": Leaf("ca", "kube-apiserver", hosts=_APISERVER, client=False),
    "admin": Leaf("ca", "understudy-admin", group="system:masters"),
    "controller-manager": Leaf("ca", "system:kube-controller-manager"),
    "scheduler": Leaf("ca", "system:kube-scheduler"),
    "proxy": Leaf("ca", "system:kube-proxy"),
    "kwok": Leaf("ca", "understudy:kwok"),
    "front-proxy-client": Leaf("front-proxy-ca", "front-proxy-client"),
    "etcd": Leaf("etcd-ca", "etcd", hosts=_LOOPBACK),
    "apiserver-etcd-client": Leaf("etcd-ca", "kube-apiserver-etcd-client"),
}
_SERVICE_ACCOUNT = "sa"


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure(folder: Path, now: datetime) -> bool:
    """Make all pairs of `folder` present and valid for 30 days from `now` (aware); return whether any file
    was written.

    A new authority makes the certificates under it new too. The service accounts' key never ends: it is made
    only where missing.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authorities = {name: _authority(folder, name, now) for name in AUTHORITIES}
    written = any(fresh for _, fresh in authorities.values())
    for name, leaf in LEAVES.items():
        authority, fresh = authorities[leaf.authority]
        if fresh or not _usable(folder, name, now, authority):
            _save(folder, name, _issue(leaf, authority, now))
            written = True
    return _service_account(folder) or written


def _authority(folder: Path, name: str, now: datetime) -> tuple[_Pair, bool]:
    pair = _load(folder, name)
    if pair and _fits(pair, now, pair.certificate):
        return pair, False
    fresh = _self_signed(f"understudy-{name}", now)
    _save(folder, name, fresh)
    return fresh, True


def _usable(folder: Path, name: str, now: datetime, authority: _Pair) -> bool:
    pair = _load(folder, name)
    return pair is not None and _fits(pair, now, authority.certificate)


def _fits(pair: _Pair, now: datetime, issuer: x509.Certificate) -> bool:
    """Whether it is valid long enough, belongs to its key and was signed by `issuer` (whose name may outlive
    its key).
    """
    certificate = pair.certificate
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 (cryptography documents three kinds; any of them means: make it anew)
        return False
    return certificate.public_key() == pair.key.public_key()


def _load(folder: Path, name: str) -> _Pair | None:
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    return _Pair(certificate, key) if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _save(folder: Path, name: str, pair: _Pair) -> None:
    write_private(folder / f"{name}.key", _pem(pair.key))
    write_private(folder / f"{name}.crt", pair.certificate.public_bytes(serialization.Encoding.PEM))


def _service_account(folder: Path) -> bool:
    private, public = folder / f"{_SERVICE_ACCOUNT}.key", folder / f"{_SERVICE_ACCOUNT}.pub"
    if private.exists() and public.exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(private, _pem(key))
    encoded = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(public, encoded)
    return True


def _self_signed(name: str, now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = (
        _builder(subject, subject, key, now, _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _issue(leaf: Leaf, authority: _Pair, now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    builder = (
        _builder(_subject(leaf.name, leaf.group), issuer.subject, key, now, _LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_purposes(leaf)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if leaf.hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in leaf.hosts])
        builder = builder.add_extension(names, critical=False)
    return _Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back: containers and virtual machines that look at it may have clocks that are behind.
        .not_valid_before(now.astimezone(UTC) - timedelta(hours=1))
        .not_valid_after(now.astimezone(UTC) + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(name: str, group: str = "") -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(leaf: Leaf) -> list[x509.ObjectIdentifier]:
    server = [ExtendedKeyUsageOID.SERVER_AUTH] if leaf.hosts else []
    return [*server, ExtendedKeyUsageOID.CLIENT_AUTH] if leaf.client else server


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
