"""One object of the API as it is, or that it is not there. Used by all that look before they decide."""

from typing import Any

import msgspec

from understudy.api.client import Client
from understudy.errors import NotFound


async def found(client: Client, path: str) -> dict[str, Any] | None:
    """None if it, or even its kind, is not there. Raises ApiError, Lost."""
    try:
        answer: dict[str, Any] = msgspec.json.decode(await client.call("GET", path))
    except NotFound:
        return None
    return answer
