"""TLS settings for the connection to an API server, from PEM bytes.

`config` and `plugin` make them; both transports use them. The differences from Python's defaults are what Go's
crypto/tls does, so that a cluster kubectl can talk to can be talked to.
"""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from understudy.api.tokens import ConfigError


def check_expiry(certificates: bytes, where: str, now: datetime) -> None:
    """Raise ConfigError if the first of some PEM certificates, a client's, has expired."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificates(certificates)[0]
    except ValueError as error:
        raise ConfigError(f"the client certificate in {where} is not a PEM certificate") from error
    end = certificate.not_valid_after_utc
    if end < now:
        raise ConfigError(f"the client certificate in {where} expired on {end:%Y-%m-%d}")


def trust(authorities: bytes | None, where: str) -> ssl.SSLContext:
    """TLS settings that verify the server against PEM `authorities`, the system's for None. Raises ConfigError."""
    try:
        context = ssl.create_default_context(cadata=None if authorities is None else authorities.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the certificate authority in {where} is not a PEM certificate") from error
    # As Go does: any certificate given is an anchor, and authorities without key identifiers are common in clusters.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    return context


def present(context: ssl.SSLContext, certificates: bytes, key: bytes, where: str) -> None:
    """Make the client show a certificate: PEM bytes. Raises ConfigError."""
    with TemporaryDirectory() as folder:  # OpenSSL's binding reads them from files only
        certificate_file, key_file = Path(folder, "certificate"), Path(folder, "key")
        certificate_file.write_bytes(certificates)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        try:
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            why = getattr(error, "reason", None) or str(error)
            raise ConfigError(f"the client certificate and key in {where} cannot be used: {why}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one that is not")
