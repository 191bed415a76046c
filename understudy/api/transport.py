"""The face of an HTTP client, and the words it is described in.

The API client and the watches are written against `Transport`; `wire.Wire` and `aio.Aio` are the two that exist, and
`config.connect` picks one. What is promised here follows from the traps of a real API server: an answer that never came
is `Lost` (the write may or may not have happened), a leader that slept too long is `Fenced` at the socket, and nothing
is repeated behind the caller's back. The counterpart upstream is client-go's rest/request.go and transport/.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from understudy import __version__

TIMEOUT = 30.0
"""Seconds a request may take from call to answer, unless the caller says otherwise."""
KEEP = 60.0
"""Seconds an unused connection is kept: less than the 90 s after which the API server drops it."""
MAX_HEAD = 64 * 1024
"""Bytes the head of an answer may have."""
USER_AGENT = f"understudy/{__version__}"
UNAUTHORIZED = HTTPStatus.UNAUTHORIZED.value
REQUEST_TIMEOUT = HTTPStatus.REQUEST_TIMEOUT.value


class Lost(Exception):
    """The outcome of a request is unknown: connection gone or no answer in time."""


class Fenced(Exception):
    """A write was refused at the socket because the Lease may no longer be ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `retry_after`: seconds, from the Retry-After header."""

    status: int
    body: bytes
    retry_after: float | None = None


class TokenSource(Protocol):
    """Where the Authorization header comes from.

    `due` is the time.monotonic() after which `refresh` should be awaited before the next request.
    """

    due: float

    def header(self) -> bytes | None:
        """The value of the Authorization header, None for none. Cheap: called for each request."""

    async def refresh(self, used: bytes | None = None) -> bool:
        """Get a newer token; `used` is the header that was refused. True if `header()` now differs from it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an API server: its URL, TLS settings (None for http) and where the token comes from."""

    server: str
    ssl: ssl.SSLContext | None
    token: TokenSource
    server_name: str | None = None
    """The name the server's certificate must bear, if not that in the URL (tls-server-name)."""


class Transport(Protocol):
    """An HTTP client for one server. Paths are absolute and already quoted; bodies are bytes."""

    fence: float
    """time.monotonic() after which nothing but GET and Lease writes may be sent; math.inf: no fence."""

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Raises Lost (outcome unknown) and Fenced (nothing was sent). `timeout` in seconds, 30 unless given,
        covers everything: the wait for a connection, dialling and the answer.
        """

    async def stream(
        self,
        path: str,
        on_line: Callable[[bytes], None],
        *,
        accept: str = "application/json",
        idle: float = 90.0,
    ) -> Answer:
        r"""GET `path` and feed each complete line (without its \n) of a 200 answer to `on_line` as it arrives.

        Returns when the server ends the stream, at once with the body for any other status. Raises Lost when
        the stream is cut or silent for `idle` seconds, and whatever `on_line` raises.
        """

    async def close(self) -> None:
        """Close every connection; callers still waiting get Lost."""


def fenced(fence: float, method: str, path: str) -> bool:
    """Whether a request may not be written any more. Leases pass: the renewal itself must."""
    if method == "GET" or time.monotonic() < fence:
        return False
    resource = path.partition("?")[0]
    is_lease = "/leases/" in resource or resource.endswith("/leases")
    return not (is_lease and resource.startswith("/apis/coordination.k8s.io/"))


def refusal(method: str, path: str) -> Fenced:
    """The error for a request that `fenced` forbids."""
    return Fenced(f"{method} {path} was not sent: the Lease may no longer be ours")


def unreachable(server: str, error: BaseException) -> Lost:
    """The error for a connection that could not be made, with the operating system's reason."""
    return Lost(f"cannot connect to {server}: {reason(error)}")


def reason(error: BaseException) -> str:
    """An exception of a socket or of TLS in the words of the operating system, such as `connection refused`."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case TimeoutError():
            return "timed out"
        case socket.gaierror():
            return str(error.strerror)
        case OSError() if error.errno:
            return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
