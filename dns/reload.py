"""The configuration file, looked at again and again: what changes in it holds without a restart.

Run by `component`. A file that cannot be is complained about once and changes nothing. Answers to CoreDNS
plugin/reload; the file may be one of a ConfigMap's, which the kubelet replaces as a whole.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from understudy.api.config import ConfigError
from understudy.dns.config import Config
from understudy.dns.settings import read_config

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks."""


class Reload:
    """`apply` gets every new configuration. `done` and `failed` count."""

    def __init__(self, file: str, root: tuple[str, ...], apply: Callable[[Config], None]) -> None:
        self._file, self._root, self._apply = file, root, apply
        self._seen = _content(file)
        self.done = 0
        self.failed = 0

    async def run(self) -> None:
        """Look for ever; at once if there is no file to look at."""
        while self._file:
            await asyncio.sleep(EVERY)
            self.look()

    def look(self) -> None:
        """Apply what is in the file if it is not what was in it before."""
        content = _content(self._file)
        if content == self._seen:
            return
        self._seen = content
        try:
            self._apply(read_config(self._file, self._root))
        except (ConfigError, OSError) as error:
            self.failed += 1
            log.error("the configuration stays as it was: %s", error)
            return
        self.done += 1
        log.info("the configuration in %s has changed and holds now", self._file)


def _content(file: str) -> bytes | None:
    try:
        return Path(file).read_bytes() if file else None
    except OSError:
        return None
