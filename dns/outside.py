"""The external view: a second address where zones that are external are answered, and nothing else is.

Started by `component` if `--dns-external-address` names one: it can be shown to those who must not see the cluster's
names, nor have anything asked of others. It has the sockets and the table of any other.
"""

import logging
from dataclasses import replace

from understudy.dns.answering import Answering
from understudy.dns.config import Config, Forward, completed
from understudy.dns.own import Names
from understudy.dns.settings import Settings

log = logging.getLogger(__name__)

NOBODY = completed(Config(), Forward(to=()))


class Outside:
    """Between `start` and `stop` it answers; without an address to answer at it does nothing."""

    def __init__(self, settings: Settings) -> None:
        self.answering: Answering | None = None
        self.port = 0
        if settings.outside is not None:
            host, port = settings.outside
            self.answering = Answering(replace(settings, host=host, port=port, config=NOBODY), cache_only=True)

    def declare(self, names: Names) -> None:
        """From now on these are answered."""
        if self.answering is not None:
            self.answering.declare(names)

    async def start(self) -> None:
        """Listen. Raises OSError."""
        if self.answering is not None:
            self.port = await self.answering.start()
            log.info("external zones are answered at port %d", self.port)

    async def stop(self) -> None:
        """End at once."""
        if self.answering is not None:
            await self.answering.stop()
