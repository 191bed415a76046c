"""Writes whose failure does not say whether they were done: which those are, and how to find out.

A decision must never count on what was before such a write: it would create a second Pod, or choose a second victim.
Used by `plan.apply`. Upstream has no counterpart: its loops forget such writes when their expectations expire.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from understudy.api.client import METADATA, Client
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound, TooManyRequests
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

ATTEMPTS = 8
"""Times a write is sent whose answer is lost each time, over about six seconds."""
LONGEST = 5.0


def pauses() -> Iterator[float]:
    """Seconds to wait between tries, without end: they double up to `LONGEST`."""
    pause = 0.05
    while True:
        yield pause
        pause = min(2 * pause, LONGEST)


def is_doubtful(error: Exception) -> bool:
    """Whether it leaves open what was done: no answer, or an error of the server's own (etcd's timeouts are 500)."""
    return isinstance(error, Lost) or (isinstance(error, ApiError) and error.status >= 500)


async def look(client: Client, kind: Kind[Any], namespace: str, name: str) -> Obj | None:
    """The object as it is now, None if there is none.

    Asks until the server can tell, as long as it takes: without it nothing else could be done either. Raises ApiError
    if it refuses to tell.
    """
    accept = METADATA if kind.metadata_only else "application/json"
    for pause in pauses():
        try:
            found: Obj = await client.ask("GET", kind.path(namespace, name), kind.type, accept=accept)
        except (Lost, ApiError) as error:
            if isinstance(error, NotFound) and error.details:  # the object is not there, the whole resource is
                return None
            if not is_doubtful(error) and not isinstance(error, TooManyRequests):
                raise
            await asyncio.sleep(pause)
        else:
            return found
    raise AssertionError("there is always another pause")
