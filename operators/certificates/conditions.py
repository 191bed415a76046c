"""What has been decided about a CertificateSigningRequest, by its conditions.

Every controller of the folder asks this. Answers to pkg/controller/certificates/certificate_controller_utils.go.
"""

from collections.abc import Mapping
from typing import Any

from understudy.kinds.certificates import CertificateSigningRequest
from understudy.operators.common import conditions as bodies

APPROVED = "Approved"
DENIED = "Denied"
FAILED = "Failed"


def is_decided(csr: CertificateSigningRequest) -> bool:
    """Whether somebody has approved or denied it, whatever the condition's status says."""
    return any(each.type in (APPROVED, DENIED) for each in csr.status.conditions)


def is_approved(csr: CertificateSigningRequest) -> bool:
    """Approved, and not denied as well."""
    types = {each.type for each in csr.status.conditions}
    return APPROVED in types and DENIED not in types


def is_failed(csr: CertificateSigningRequest) -> bool:
    return any(each.type == FAILED and each.status in ("", "True") for each in csr.status.conditions)


def with_another(csr: CertificateSigningRequest, condition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All its conditions and one more, as they are written."""
    return [*(bodies.body(each) for each in csr.status.conditions), dict(condition)]
