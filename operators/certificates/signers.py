"""Which authority signs for which signer, and for how long at most: from the process' settings.

The signing controller reads them at each decision (what is read is cached), the process once at its start, to refuse
what cannot be. Answers to startCertificateSigningRequestSigningController in
cmd/kube-controller-manager/app/certificates.go, and to `duration` in pkg/controller/certificates/signer/signer.go.
"""

from collections.abc import Mapping
from datetime import timedelta

from understudy.operators.certificates.authority import Authority, authority
from understudy.operators.certificates.rules import API_SERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN
from understudy.values import duration

DEFAULT = "cluster-signing"
SETTINGS: Mapping[str, str] = {
    KUBELET_SERVING: "cluster-signing-kubelet-serving",
    KUBELET_CLIENT: "cluster-signing-kubelet-client",
    API_SERVER_CLIENT: "cluster-signing-kube-apiserver-client",
    LEGACY_UNKNOWN: "cluster-signing-legacy-unknown",
}
"""The settings of one signer: this with `-cert` and `-key`, PEM. Without any, those of `DEFAULT` are for all."""
DURATION = "cluster-signing-duration"
DEFAULT_DURATION = "8760h0m0s"
SHORTEST = timedelta(minutes=10)


def authorities(settings: Mapping[str, str]) -> dict[str, Authority]:
    """The authority of each signer that has one. ValueError for settings that cannot be."""
    own = {signer: found for signer, prefix in SETTINGS.items() if (found := _of(settings, prefix)) is not None}
    common = _of(settings, DEFAULT)
    if own and common is not None:
        raise ValueError("cannot specify default and per controller certs at the same time")
    return own if common is None else dict.fromkeys(SETTINGS, common)


def longest(settings: Mapping[str, str]) -> timedelta:
    """How long a certificate is valid that asks for nothing else. ValueError if the setting is no duration."""
    return timedelta(seconds=duration.parse(settings.get(DURATION) or DEFAULT_DURATION))


def lifetime(asked: int | None, most: timedelta) -> timedelta:
    """How long a certificate is valid of which `asked` seconds are asked for."""
    if asked is None:
        return most
    wanted = timedelta(seconds=asked)
    return most if wanted > most else max(wanted, SHORTEST)


def _of(settings: Mapping[str, str], prefix: str) -> Authority | None:
    certificate, key = (settings.get(f"{prefix}-{part}") or "" for part in ("cert", "key"))
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise ValueError(f"--{prefix}-cert-file and --{prefix}-key-file go together: give both or none")
    try:
        return authority(certificate, key)
    except ValueError as error:
        raise ValueError(f"--{prefix}-cert-file, --{prefix}-key-file: {error}") from None
