"""From a Secret to a certificate that can be served, or to what is wrong with it. Pure. Called by `routes`.

A Secret that a proxy could not load must never reach it: one bad certificate would take the listener from all others.
"""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from understudy.proxy.ingress.kinds import Secret
from understudy.proxy.ingress.model import Certificate


class Unusable(ValueError):
    """Says what is wrong, so that it can follow the name of the Secret."""


def certificate(secret: Secret | None) -> Certificate:
    """Chain and key of a Secret of type kubernetes.io/tls. Raises Unusable."""
    if secret is None:
        raise Unusable("is not there")
    chain, key = (_part(secret, name) for name in ("tls.crt", "tls.key"))
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unusable("has no certificate and key in PEM that can be read") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if leaf.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise Unusable("has a key that is not its certificate's")
    return Certificate(chain, key)


def _part(secret: Secret, name: str) -> bytes:
    try:
        return base64.b64decode((secret.data or {})[name], validate=True)
    except KeyError:
        raise Unusable(f"has no {name}") from None
    except binascii.Error:
        raise Unusable(f"has a {name} that is not in base64") from None
