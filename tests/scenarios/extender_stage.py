"""A small HTTP extender for the scheduler's scenarios, on a port of its own; it takes note of what it is asked."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Answer = Callable[[Json], Any]


class Service:
    """`answers` by verb: what is said to a body. An int is an HTTP status."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Json]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        verb, body = request.match_info["verb"], await request.json()
        self.asked.append((verb, body))
        said = self.answers[verb](body)
        return web.Response(status=said) if isinstance(said, int) else web.json_response(said)


@asynccontextmanager
async def serving(**answers: Answer) -> AsyncIterator[Service]:
    service = Service()
    service.answers.update(answers)
    app = web.Application()
    app.router.add_post("/scheduler/{verb}", service.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/scheduler"
        yield service
    finally:
        await runner.cleanup()
