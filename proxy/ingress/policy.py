"""What annotations of an Ingress ask for, read once: a Policy, and what of them cannot be. Pure.

Under our own prefix, and, where that is switched on, under ingress-nginx's, with the names ingress-nginx gave them. No
snippets: configuration that is pasted into a proxy is a hole. Called by `routes`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from typing import Any

PREFIX = "ingress.understudy.dev/"
NGINX = "nginx.ingress.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Policy:
    """Each field is the annotation of its name, with hyphens; times in seconds, sizes in bytes; None: not said.

    `closed` is no annotation: why nobody may be let in, since what was to say who may cannot be followed.
    """

    rewrite_target: str | None = None
    use_regex: bool = False
    app_root: str | None = None
    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    permanent_redirect: str | None = None
    temporal_redirect: str | None = None
    hsts_max_age: int | None = None
    hsts_include_subdomains: bool = False
    proxy_connect_timeout: float | None = None
    proxy_read_timeout: float | None = None
    proxy_body_size: int | None = None
    proxy_next_upstream_tries: int | None = None
    backend_protocol: str = "HTTP"
    enable_cors: bool = False
    cors_allow_origin: tuple[str, ...] = ("*",)
    cors_allow_methods: tuple[str, ...] = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")
    cors_allow_headers: tuple[str, ...] = (
        "DNT",
        "Keep-Alive",
        "User-Agent",
        "X-Requested-With",
        "If-Modified-Since",
        "Cache-Control",
        "Content-Type",
        "Range",
        "Authorization",
    )
    cors_expose_headers: tuple[str, ...] = ()
    cors_allow_credentials: bool = True
    cors_max_age: int = 1_728_000
    canary: bool = False
    canary_weight: int = 0
    canary_by_header: str | None = None
    canary_by_header_value: str | None = None
    canary_by_cookie: str | None = None
    affinity: str | None = None
    session_cookie_name: str = "INGRESSCOOKIE"
    session_cookie_path: str = "/"
    session_cookie_max_age: int | None = None
    upstream_hash_by: str | None = None
    limit_rps: int | None = None
    whitelist_source_range: tuple[str, ...] = ()
    denylist_source_range: tuple[str, ...] = ()
    auth_type: str | None = None
    auth_secret: str | None = None
    auth_realm: str = ""
    auth_url: str | None = None
    auth_response_headers: tuple[str, ...] = ()
    closed: str = ""


NO_POLICY = Policy()
UNSERVED = frozenset(
    {"auth_type", "auth_secret", "auth_realm", "auth_url", "auth_response_headers"}
    | {"proxy_body_size", "proxy_connect_timeout"}
)
"""Read, and not served yet."""
GUARDS = frozenset({"auth_type", "auth_url", "whitelist_source_range", "denylist_source_range"})
"""They say who may come in: one that cannot be followed lets nobody in."""


class Wrong(ValueError):
    """A value that cannot be; says what would be right."""


def read(annotations: Mapping[str, str], *, nginx: bool = False) -> tuple[Policy, list[str]]:
    """What is asked for, and a sentence for each annotation of ours that cannot be followed."""
    given: dict[str, Any] = {}
    wrong: list[str] = []
    for prefix in (NGINX, PREFIX) if nginx else (PREFIX,):
        for annotation, text in sorted(annotations.items()):
            if annotation.startswith(prefix):
                name = annotation.removeprefix(prefix).replace("-", "_")
                try:
                    given[name] = _READERS[name](text.strip())
                except KeyError:
                    wrong.append(f"{annotation} is not known here")
                except Wrong as error:
                    wrong.append(f"{annotation}: {error}")
                if name in UNSERVED:
                    wrong.append(f"{annotation} is not served yet")
                if name in GUARDS and (name not in given or name in UNSERVED):
                    given["closed"] = f"{wrong[-1]}: nobody is let in"
    return (Policy(**given) if given else NO_POLICY), wrong


def _text(text: str) -> str:
    if not text:
        raise Wrong("it is empty")
    return text


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise Wrong(f"{text!r} is neither true nor false")
    return text == "true"


def _between(low: int, high: int) -> Callable[[str], int]:
    def read_number(text: str) -> int:
        if not re.fullmatch(r"\d{1,12}", text) or not low <= int(text) <= high:
            raise Wrong(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return read_number


def _seconds(text: str) -> float:
    """As ingress-nginx: seconds, with or without an s."""
    found = re.fullmatch(r"(\d{1,6})(s?)", text)
    if not found:
        raise Wrong(f"{text!r} is not a number of seconds")
    return float(found[1])


def _bytes(text: str) -> int:
    """As nginx: 8m, 512k, 1g; 0 is without limit."""
    found = re.fullmatch(r"(\d{1,9})([kmg]?)", text.lower())
    if not found:
        raise Wrong(f"{text!r} is no size such as 8m")
    return int(found[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[found[2]]


def _list(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(each, strict=False)) for each in _list(text))
    except ValueError as error:
        raise Wrong(str(error)) from None


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read_choice(text: str) -> str:
        if text not in allowed:
            raise Wrong(f"{text!r} is none of {', '.join(allowed)}")
        return text

    return read_choice


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", text):
        raise Wrong(f"{text!r} is no URL of http or https")
    return text


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise Wrong(f"{text!r} does not begin with a slash")
    return text


_PORTION = _between(0, 100)
_COUNT = _between(0, 2**31)

_READERS: Mapping[str, Callable[[str], Any]] = {
    "rewrite_target": _path,
    "use_regex": _flag,
    "app_root": _path,
    "ssl_redirect": _flag,
    "force_ssl_redirect": _flag,
    "permanent_redirect": _url,
    "temporal_redirect": _url,
    "hsts_max_age": _COUNT,
    "hsts_include_subdomains": _flag,
    "proxy_connect_timeout": _seconds,
    "proxy_read_timeout": _seconds,
    "proxy_body_size": _bytes,
    "proxy_next_upstream_tries": _COUNT,
    "backend_protocol": _one_of("HTTP", "HTTPS", "GRPC", "GRPCS"),
    "enable_cors": _flag,
    "cors_allow_origin": _list,
    "cors_allow_methods": _list,
    "cors_allow_headers": _list,
    "cors_expose_headers": _list,
    "cors_allow_credentials": _flag,
    "cors_max_age": _COUNT,
    "canary": _flag,
    "canary_weight": _PORTION,
    "canary_by_header": _text,
    "canary_by_header_value": _text,
    "canary_by_cookie": _text,
    "affinity": _one_of("cookie"),
    "session_cookie_name": _text,
    "session_cookie_path": _path,
    "session_cookie_max_age": _COUNT,
    "upstream_hash_by": _text,
    "limit_rps": _between(1, 10**6),
    "whitelist_source_range": _networks,
    "denylist_source_range": _networks,
    "auth_type": _one_of("basic"),
    "auth_secret": _text,
    "auth_realm": _text,
    "auth_url": _url,
    "auth_response_headers": _list,
}
assert {each.name for each in fields(Policy)} - {"closed"} == _READERS.keys(), "each field has its reader"
