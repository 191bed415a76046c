"""Signatures that upstream's libraries make and verify."""

import hashlib
import json
from base64 import urlsafe_b64decode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from understudy.values import jws

CURVES: list[tuple[ec.EllipticCurve, str, hashes.HashAlgorithm]] = [
    (ec.SECP256R1(), "ES256", hashes.SHA256()),
    (ec.SECP384R1(), "ES384", hashes.SHA384()),
    (ec.SECP521R1(), "ES512", hashes.SHA512()),
]


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def raw(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_detached_signatures_are_those_of_upstreams_own_test() -> None:
    content = "Hello from the other side. I must have called a thousand times."
    head = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9.."
    secret = "my voice is my passcode"
    assert jws.detached(content, "joshua", secret) == head + "VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"
    assert jws.detached("", "joshua", secret) == head + "7Ui1ALizW4jXphVUB7xUqC9vLYLL9RZeOFfVLoB7Tgk"
    assert jws.detached(content, "joshua", "") == head + "UfkqvDGiIFxrMnFseDj9LYJOLNrvjW8aHhF71mvvAs8"


def test_an_rsa_token() -> None:
    key = rsa.generate_private_key(65537, 2048)
    token = jws.token({"sub": "me", "iss": "i"}, pem(key))
    head, body, signature = token.split(".")
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    header = json.loads(raw(head))
    assert header["alg"] == "RS256"
    assert raw(header["kid"]) == hashlib.sha256(der).digest()
    assert raw(body) == b'{"iss":"i","sub":"me"}'
    key.public_key().verify(raw(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(("curve", "name", "algorithm"), CURVES)
def test_an_ecdsa_token(curve: ec.EllipticCurve, name: str, algorithm: hashes.HashAlgorithm) -> None:
    key = ec.generate_private_key(curve)
    token = jws.token({"sub": "me"}, pem(key))
    assert token == jws.token({"sub": "me"}, pem(key))
    head, body, signature = token.split(".")
    assert json.loads(raw(head))["alg"] == name
    both = raw(signature)
    half = (curve.key_size + 7) // 8
    assert len(both) == 2 * half
    dss = encode_dss_signature(int.from_bytes(both[:half], "big"), int.from_bytes(both[half:], "big"))
    key.public_key().verify(dss, f"{head}.{body}".encode(), ec.ECDSA(algorithm))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "cannot be read"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "must be of RSA"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "P-256"),
    ],
)
def test_what_is_no_key_to_sign_by(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        jws.private_key(text)
