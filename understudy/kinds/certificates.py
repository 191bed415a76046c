"""The certificates group's kinds, as far as the controllers read them (k8s.io/api certificates/v1/types.go)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class CertificateSigningRequestSpec(Struct, gc=False):
    """`request` is PEM; who asked (`username`, `uid`, `groups`, `extra`) was filled in by the server."""

    request: bytes = b""
    signerName: str = ""
    expirationSeconds: int | None = None
    usages: list[str] = []
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class CertificateSigningRequestStatus(Struct, gc=False):
    """`certificate` is PEM, empty until it is issued."""

    conditions: list[Condition] = []
    certificate: bytes = b""


class CertificateSigningRequest(Obj, gc=False):
    spec: CertificateSigningRequestSpec = field(default_factory=CertificateSigningRequestSpec)
    status: CertificateSigningRequestStatus = field(default_factory=CertificateSigningRequestStatus)


CERTIFICATE_SIGNING_REQUESTS = Kind(
    "certificates.k8s.io/v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    CertificateSigningRequest,
    namespaced=False,
)
