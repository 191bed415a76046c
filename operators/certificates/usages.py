"""Key usages: the words of the certificates API as the extensions of an X.509 certificate.

The authority calls this. Answers to keyUsagesFromStrings in pkg/controller/certificates/authority/policies.go, and to
RFC 5280, 4.2.1.3 and 4.2.1.12.
"""

from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

_KEY_USAGES: Mapping[str, str] = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED: Mapping[str, ObjectIdentifier] = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}
"""In the order in which they stand in a certificate."""


def key_usage(usages: Sequence[str]) -> x509.KeyUsage | None:
    """What the key may do; None if nothing is said about it.

    ValueError for "encipher only" or "decipher only" without "key agreement", which mean nothing then.
    """
    wanted = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    return x509.KeyUsage(**{name: name in wanted for name in _KEY_USAGES.values()}) if wanted else None


def extended_key_usage(usages: Sequence[str]) -> x509.ExtendedKeyUsage | None:
    """What the certificate is for; None if nothing is said about it."""
    wanted = list(dict.fromkeys(oid for usage, oid in _EXTENDED.items() if usage in usages))
    return x509.ExtendedKeyUsage(wanted) if wanted else None


def check_known(usages: Sequence[str]) -> None:
    """ValueError if there are words nobody knows."""
    unknown = [usage for usage in usages if usage not in _KEY_USAGES and usage not in _EXTENDED]
    if unknown:
        words = " ".join(f'"{usage}"' for usage in unknown)
        raise ValueError(f"unrecognized usage values: [{words}]")
