"""kopf's session: it shows our token, renews it under way, and once when it was refused."""

import math

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from understudy.api.transport import Connection
from understudy.operators.custom.login import session


class Token:
    """A token that is renewed to the next of its kind."""

    def __init__(self, due: float = math.inf, last: int = 9) -> None:
        self.due, self.number, self.last = due, 1, last

    def header(self) -> bytes | None:
        return f"Bearer {self.number}".encode()

    async def refresh(self, used: bytes | None = None) -> bool:
        before = self.number
        self.number = min(self.number + 1, self.last)
        self.due = math.inf
        return self.number != before


async def asked(token: Token, accepted: str) -> tuple[int, list[str]]:
    """The status of the answer, and the Authorization headers the server saw."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(status=200 if seen[-1] == accepted else 401)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        async with session(Connection(url, None, token)) as client, client.get(url) as response:
            return response.status, seen


@pytest.mark.parametrize(
    ("token", "accepted", "status", "seen"),
    [
        (Token(), "Bearer 1", 200, ["Bearer 1"]),
        (Token(due=0.0), "Bearer 2", 200, ["Bearer 2"]),
        (Token(), "Bearer 2", 200, ["Bearer 1", "Bearer 2"]),
        (Token(), "Bearer 7", 401, ["Bearer 1", "Bearer 2"]),
        (Token(last=1), "Bearer 7", 401, ["Bearer 1"]),
    ],
)
async def test_the_token(token: Token, accepted: str, status: int, seen: list[str]) -> None:
    assert await asked(token, accepted) == (status, seen)
