"""Asks a component over its health address: is it ready, what does a debug page say.

The other side of `obs.health`, for the command line, the embedded cluster and the pytest plugin. Components listen on
this machine or in the cluster, so `$http_proxy` is not for them.
"""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ready(address: str, timeout: float = 5.0) -> bool:
    """Whether `address` (host:port) answers /readyz with ok."""
    try:
        with _DIRECT.open(f"http://{address}/readyz", timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def page(address: str, which: str, query: Mapping[str, str], timeout: float = 10.0) -> Any:
    """What a debug page says, decoded. Raises OSError (no answer), ValueError (not what it should say)."""
    with _DIRECT.open(f"http://{address}/debug/{which}?{urlencode(query)}", timeout=timeout) as answer:
        return json.load(answer)
