"""What each of Kubernetes' own signers demands of a request, word for word.

The signer refuses by these rules for good; the approver recognises kubelets by them. Answers to
pkg/apis/certificates/helpers.go and to the verification functions of pkg/controller/certificates/signer/signer.go.
"""

from collections.abc import Callable, Mapping, Sequence

from understudy.operators.certificates.request import Request

KUBELET_SERVING = "kubernetes.io/kubelet-serving"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
API_SERVER_CLIENT = "kubernetes.io/kube-apiserver-client"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"

_SIGNATURE, _ENCIPHERMENT = "digital signature", "key encipherment"
_CLIENT, _SERVER = "client auth", "server auth"
_NODES = ("system:nodes",)
_NODE_PREFIX = "system:node:"

Fault = Callable[[Request, Sequence[str]], str]


def kubelet_client_fault(request: Request, usages: Sequence[str]) -> str:
    """Why a kubelet may not be given this as its client certificate; "" if it may."""
    checks = (
        (request.organizations == _NODES, "subject organization is not system:nodes"),
        (not request.dns_names, "DNS subjectAltNames are not allowed"),
        (not request.emails, "Email subjectAltNames are not allowed"),
        (not request.addresses, "IP subjectAltNames are not allowed"),
        (not request.uris, "URI subjectAltNames are not allowed"),
        _named_as_node(request),
        _used_for(_CLIENT, usages),
    )
    return _first_fault(checks)


def kubelet_serving_fault(request: Request, usages: Sequence[str]) -> str:
    """Why a kubelet may not be given this as its serving certificate; "" if it may."""
    checks = (
        (request.organizations == _NODES, "subject organization is not system:nodes"),
        (bool(request.dns_names or request.addresses), "DNS or IP subjectAltName is required"),
        (not request.emails, "Email subjectAltNames are not allowed"),
        (not request.uris, "URI subjectAltNames are not allowed"),
        _used_for(_SERVER, usages),
        _named_as_node(request),
    )
    return _first_fault(checks)


def api_server_client_fault(_: Request, usages: Sequence[str]) -> str:
    """Why this cannot be a client certificate of a user; "" if it can."""
    for usage in usages:
        if usage not in (_SIGNATURE, _ENCIPHERMENT, _CLIENT):
            return f"invalid usage for client certificate: {usage}"
    return "" if _CLIENT in usages else f"missing required usage for client certificate: {_CLIENT}"


def no_fault(_: Request, __: Sequence[str]) -> str:
    """The old signer accepts whatever was approved."""
    return ""


FAULTS: Mapping[str, Fault] = {
    KUBELET_SERVING: kubelet_serving_fault,
    KUBELET_CLIENT: kubelet_client_fault,
    API_SERVER_CLIENT: api_server_client_fault,
    LEGACY_UNKNOWN: no_fault,
}
"""By the signer's name."""


def _named_as_node(request: Request) -> tuple[bool, str]:
    fault = f"subject common name does not begin with {_NODE_PREFIX}"
    return request.common_name.startswith(_NODE_PREFIX), fault


def _used_for(purpose: str, usages: Sequence[str]) -> tuple[bool, str]:
    """Exactly that, with or without key encipherment, which only RSA keys can do."""
    wanted = sorted({purpose, _SIGNATURE, _ENCIPHERMENT})
    fits = set(usages) in ({purpose, _SIGNATURE}, set(wanted))
    return fits, f"usages did not match [{' '.join(wanted)}]"


def _first_fault(checks: Sequence[tuple[bool, str]]) -> str:
    return next((fault for fits, fault in checks if not fits), "")
