"""Signed JSON: the tokens of ServiceAccounts, and the signatures by which a joining node knows its cluster.

The token controllers call this. Deterministic throughout (ECDSA as in RFC 6979), so a decision may sign. Answers to
RFC 7515 and 7518, to pkg/serviceaccount/jwt.go for key ids, and to cluster-bootstrap/token/jws for detached signatures.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_CURVES: Mapping[str, tuple[str, hashes.HashAlgorithm, int]] = {
    "secp256r1": ("ES256", hashes.SHA256(), 32),
    "secp384r1": ("ES384", hashes.SHA384(), 48),
    "secp521r1": ("ES512", hashes.SHA512(), 66),
}
"""By curve: the algorithm's name, its hash, and the bytes of half a signature."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def token(claims: Mapping[str, str], pem: str) -> str:
    """A compact JWT of these claims, signed by the key. ValueError if it is no RSA or ECDSA key of a known curve."""
    key = private_key(pem)
    head = _part(json.dumps({"alg": _algorithm(key), "kid": _key_id(key)}, separators=(",", ":")).encode())
    body = _part(json.dumps(dict(sorted(claims.items())), separators=(",", ":")).encode())
    return f"{head}.{body}.{_part(_sign(key, f'{head}.{body}'.encode()))}"


def detached(content: str, key_id: str, secret: str) -> str:
    """An HS256 signature of `content`, without it: "header..signature"."""
    head = _part(json.dumps({"alg": "HS256", "kid": key_id}, separators=(",", ":")).encode())
    signed = f"{head}.{_part(content.encode())}".encode()
    return f"{head}..{_part(hmac.digest(secret.encode(), signed, hashlib.sha256))}"


@lru_cache(maxsize=4)
def private_key(pem: str) -> PrivateKey:
    """The key to sign by. ValueError says what is wrong with it."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(
            f"the key that signs tokens cannot be read: it must be PEM, without a password ({error})"
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES
    ):
        return key
    raise ValueError("the key that signs tokens must be of RSA, or of ECDSA on P-256, P-384 or P-521")


def _algorithm(key: PrivateKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else _CURVES[key.curve.name][0]


def _key_id(key: PrivateKey) -> str:
    """The hash of its public half: how the API server finds the key that verifies."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _part(hashlib.sha256(der).digest())


def _sign(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    _, algorithm, size = _CURVES[key.curve.name]
    halves = decode_dss_signature(key.sign(signed, ec.ECDSA(algorithm, deterministic_signing=True)))
    return b"".join(half.to_bytes(size, "big") for half in halves)


def _part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
