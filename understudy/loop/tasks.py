"""Tasks that go on as long as the component that began them: one that ends by itself is a bug, and said to be one.

Called by the components that are no `Manager`: the node agents, cluster DNS, the ingress proxy.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


def spawn(name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Begin `work` on the running loop; whoever keeps the task cancels it."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_complain)
    return task


def _complain(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("%s ended: this is a bug", task.get_name(), exc_info=error)
