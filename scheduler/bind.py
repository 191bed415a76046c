"""Tell the API server where a pod goes, exactly once, whatever happens to the answer.

A binding whose answer is lost is sent again, the same pod to the same node: it is either refused because the first one
arrived, or it is the first to arrive. Any refusal but 404 is checked against the pod itself before its room is given
back. Called by `loop`, many at a time. Answers to plugins/defaultbinder/default_binder.go.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum

from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound
from understudy.scheduler.kinds import PODS, Pod
from understudy.scheduler.plugins.default_binder import NAME, binding
from understudy.scheduler.status import ERROR

PAUSES = (0.1, 5.0)
"""Seconds between two attempts to learn what became of a binding: the first and the longest."""


class Outcome(Enum):
    BOUND = "bound"
    """The pod is on the node we chose."""
    TAKEN = "taken"
    """The pod is gone, or another put it elsewhere."""
    FAILED = "failed"
    """The pod is still without a node."""


@dataclass(frozen=True, slots=True)
class Result:
    """`error` says, in upstream's words, why a binding failed, `reason` which reason the pod's condition gets."""

    outcome: Outcome
    error: str = ""
    reason: str = ERROR


async def bind(client: Client, pod: Pod, node: str) -> Result:
    """Bind the pod; returns when the outcome is certain. Raises Fenced."""
    path, body = PODS.path(pod.namespace, pod.name, "binding"), binding(pod, node)
    pause = PAUSES[0]
    while True:
        try:
            await client.call("POST", path, body)
        except NotFound:
            return Result(Outcome.TAKEN)
        except ApiError as error:
            return await look(client, pod, node, f'running Bind plugin "{NAME}": {error}')
        except Lost:
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSES[1])
        else:
            return Result(Outcome.BOUND)


async def look(client: Client, pod: Pod, node: str, why: str) -> Result:
    """What became of a pod whose binding was refused: a refusal may follow a binding that had worked."""
    pause = PAUSES[0]
    while True:
        try:
            now = await client.ask("GET", PODS.path(pod.namespace, pod.name), Pod)
        except NotFound:
            return Result(Outcome.TAKEN)
        except (ApiError, Lost):
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSES[1])
            continue
        return _judge(pod, now, node, why)


def _judge(pod: Pod, now: Pod, node: str, why: str) -> Result:
    if now.uid != pod.uid:
        return Result(Outcome.TAKEN)
    if now.spec.nodeName:
        return Result(Outcome.BOUND if now.spec.nodeName == node else Outcome.TAKEN)
    return Result(Outcome.TAKEN if now.deleting else Outcome.FAILED, why)
