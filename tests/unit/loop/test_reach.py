"""The first thing a process does: see whether anybody answers. In virtual time."""

import asyncio
import math
from collections.abc import Callable

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from understudy.api.client import Client
from understudy.api.transport import Answer, Lost
from understudy.errors import Unauthorized
from understudy.loop.process import PATIENCE, reach

pytestmark = VIRTUAL_TIME


class Door:
    """Nobody answers for the first `closed` seconds; then everybody gets `answer`."""

    fence = math.inf

    def __init__(self, closed: float, answer: Answer) -> None:
        self._closed, self._answer = closed, answer
        self.knocks: list[str] = []

    async def stream(self, path: str, on_line: Callable[[bytes], None], **options: object) -> Answer:
        raise AssertionError("nothing is watched yet")

    async def close(self) -> None:
        pass

    async def request(self, method: str, path: str, *args: object, **options: object) -> Answer:
        self.knocks.append(f"{method} {path}")
        if now() < self._closed:
            raise Lost("cannot connect to it: connection refused")
        return self._answer


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_any_answer_will_do(status: int) -> None:
    door = Door(0, Answer(status, b"{}"))
    await reach(Client(door))
    assert (now(), door.knocks) == (0, ["GET /version"])


async def test_a_server_that_is_starting_is_waited_for() -> None:
    await reach(Client(Door(PATIENCE - 2, Answer(200, b"{}"))))
    assert PATIENCE - 2 <= now() < PATIENCE


async def test_a_server_that_is_not_there_is_told_after_a_while() -> None:
    with pytest.raises(Lost, match=r"no API server answers within 10 s: cannot connect to it: connection refused"):
        await reach(Client(Door(1000, Answer(200, b"{}"))))
    assert PATIENCE <= now() < PATIENCE + 2


async def test_credentials_that_nobody_knows_are_told_at_once() -> None:
    refusal = Answer(401, b'{"status": "Failure", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}')
    with pytest.raises(Unauthorized):
        await reach(Client(Door(0, refusal)))
