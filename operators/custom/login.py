"""kopf's way to the API server: an aiohttp session over our own `Connection`, so that both trust and log in alike.

`operators.custom.operator` gives it to kopf as the answer of its login handler. Tokens are renewed under way, request
by request: kopf would tear its watches down to log in anew.
"""

import time

import aiohttp

from understudy.api.transport import UNAUTHORIZED, USER_AGENT, Connection

HEADER = "Authorization"


def session(connection: Connection) -> aiohttp.ClientSession:
    """A session for `connection`; whoever gets it closes it."""
    token = connection.token

    async def authorize(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if connection.server_name is not None:
            request.server_hostname = connection.server_name
        if time.monotonic() >= token.due:
            await token.refresh()
        used = _show(request, token.header())
        answer = await handler(request)
        if answer.status != UNAUTHORIZED or not await token.refresh(used):
            return answer
        answer.release()
        _show(request, token.header())
        return await handler(request)

    connector = _Connector(ssl=connection.ssl if connection.ssl is not None else True)
    return aiohttp.ClientSession(connector=connector, middlewares=(authorize,), headers={"User-Agent": USER_AGENT})


class _Connector(aiohttp.TCPConnector):
    """Closed at once: kopf does not wait for the farewells of TLS, and its event loop may end before they have come."""

    async def close(self, *, abort_ssl: bool = True) -> None:  # noqa: ARG002 - the caller's wish is the other
        await super().close(abort_ssl=True)


def _show(request: aiohttp.ClientRequest, header: bytes | None) -> bytes | None:
    if header is not None:
        request.headers[HEADER] = header.decode()
    return header
