"""TCP through a door: bytes go both ways until both sides have ended. Used by `forwarder`."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from understudy.proxy.userspace.choice import Address

CONNECT = 10.0
"""Seconds an endpoint may take to answer."""
PIECE = 1 << 16
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a reset."""

Choose = Callable[[str], Address | None]
"""From the client's address to the endpoint."""


Tasks = set[asyncio.Task[None]]
"""One for each connection, for who wants to end them: they outlive their server."""


async def listen(ip: str, port: int, choose: Choose, tasks: Tasks) -> asyncio.Server:
    """Raises OSError."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, task = writer.get_extra_info("peername"), asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            to = choose(peer[0]) if peer else None
            await _carry(reader, writer, to)
        except asyncio.CancelledError:
            return  # the streams of Python 3.11 take a cancelled task for a failure
        finally:
            writer.close()

    return await asyncio.start_server(connected, ip, port, limit=PIECE)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Address | None) -> None:
    try:
        async with asyncio.timeout(CONNECT):
            answers, there = await asyncio.open_connection(*to, limit=PIECE) if to else (None, None)
    except OSError:
        answers, there = None, None
    if answers is None or there is None:
        _reset(writer)
        return
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pour(reader, there))
            group.create_task(_pour(answers, writer))
    except* OSError:
        _reset(writer)
        _reset(there)
    finally:
        there.close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(PIECE):
        sink.write(piece)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """As the kernel does where nobody listens."""
    made = writer.get_extra_info("socket")
    with suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
