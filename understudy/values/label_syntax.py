"""What may be a label key and a label value.

Selectors call this before they trust a requirement. It answers to
`apimachinery/pkg/util/validation/validation.go` (`IsQualifiedName`, `IsValidLabelValue`).
"""

import re

_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DNS_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_NAME_LIMIT = 63
_SUBDOMAIN_LIMIT = 253


def is_key(text: str) -> bool:
    """Whether the text is a name of at most 63 characters, or a DNS subdomain, a slash and such a name."""
    prefix, slash, name = text.rpartition("/")
    return _is_name(name) and (not slash or _is_subdomain(prefix))


def is_value(text: str) -> bool:
    """Whether the text is empty or a name of at most 63 characters."""
    return not text or _is_name(text)


def _is_name(text: str) -> bool:
    return len(text) <= _NAME_LIMIT and _NAME.fullmatch(text) is not None


def _is_subdomain(text: str) -> bool:
    return len(text) <= _SUBDOMAIN_LIMIT and _SUBDOMAIN.fullmatch(text) is not None
