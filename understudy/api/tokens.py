"""Where the Authorization header comes from: nowhere, a fixed value, a file that is rotated, an exec plugin.

`config.load` picks one of these `transport.TokenSource`s; the transports ask `header()` for every request and await
`refresh()` when one is due or was refused with 401. A source that cannot refresh goes on with what it has: the server's
401 then tells the story. Upstream: client-go's transport/token_source.go and plugin/pkg/client/auth/exec.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

REREAD = 60.0
"""Seconds after which a token file is read again: the kubelet rewrites it well before the old token expires."""
RETRY = 10.0
"""Seconds after a failed or fruitless refresh before it is tried again."""
EARLY = 60.0
"""Seconds before its expiry at which a credential is replaced."""

_TOKEN = re.compile(r"[!-~]+(?: [!-~]+)*")


class ConfigError(Exception):
    """The configuration of the connection cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What an exec plugin gave: a token (None if it gave a certificate) and the seconds it will last."""

    token: str | None
    lasts: float = math.inf


class Fixed:
    """A header that never changes; None for no authorization."""

    due = math.inf

    def __init__(self, header: bytes | None = None) -> None:
        self._header = header

    def header(self) -> bytes | None:
        """The value of the Authorization header."""
        return self._header

    async def refresh(self, used: bytes | None = None) -> bool:  # noqa: ARG002 part of the interface
        """There is nothing newer."""
        return False


class FromFile:
    """A token in a file that somebody rewrites, as the kubelet does for service accounts."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises ConfigError."""
        self._path = path
        self._header = self._read()
        self.due = time.monotonic() + REREAD

    def header(self) -> bytes | None:
        """The value of the Authorization header."""
        return self._header

    async def refresh(self, used: bytes | None = None) -> bool:
        """Read the file again."""
        self.due = time.monotonic() + REREAD
        try:
            self._header = self._read()
        except ConfigError as error:
            self.due = time.monotonic() + RETRY
            log.warning("%s; going on with the token read before", error)
        return used is not None and self._header != used

    def _read(self) -> bytes:
        try:
            return bearer(self._path.read_text("utf-8"), str(self._path))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(f"cannot read the token file {self._path}: {why}") from error


class FromPlugin:
    """Tokens of an exec plugin; `run` blocks while the plugin works, so refreshing happens in a thread."""

    def __init__(self, run: Callable[[], Credential]) -> None:
        """Runs the plugin. Raises ConfigError."""
        self._run = run
        self._lock = asyncio.Lock()
        self._header: bytes | None = None
        self.due = math.inf
        self._take(run())

    def header(self) -> bytes | None:
        """The value of the Authorization header."""
        return self._header

    async def refresh(self, used: bytes | None = None) -> bool:
        """Run the plugin again, unless another caller just did."""
        async with self._lock:
            if used is None and time.monotonic() < self.due:
                return False
            if used is None or used == self._header:
                await self._rerun()
            return used is not None and self._header != used

    async def _rerun(self) -> None:
        self.due = time.monotonic() + RETRY  # whatever happens, cancellation too, not at once again
        try:
            self._take(await asyncio.to_thread(self._run))
        except ConfigError as error:
            log.warning("%s; going on with the credential got before", error)

    def _take(self, credential: Credential) -> None:
        if credential.token is not None:
            self._header = bearer(credential.token, "the exec plugin's answer")
        lead = min(EARLY, credential.lasts / 10)
        self.due = time.monotonic() + max(credential.lasts - lead, RETRY)


def bearer(token: str, where: str) -> bytes:
    """The header for a token. Raises ConfigError, naming `where`, if it cannot be put into one."""
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"the token in {where} is {'broken' if token else 'empty'}")
    return f"Bearer {token}".encode("ascii")
