"""A connection to another server, for many questions at once, kept a while for the next ones (RFC 7766, RFC 7858).

Made by `upstream` for servers of the form tls://ADDRESS%NAME, and for those that are asked over TCP only. Over TLS the
server has to show a certificate for the name (or the address) signed by one of those trusted: whoever listens between
learns and changes nothing.
"""

import asyncio
import secrets
import ssl
from functools import cache

LARGEST_ID = 0x10000


@cache
def context(ca: str) -> ssl.SSLContext:
    """Who is trusted: the certificates in the file `ca`, else those of the machine. Raises OSError, ssl.SSLError."""
    made = ssl.create_default_context(cafile=ca or None)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


class Link:
    """`ask` connects when it must; a connection nobody asked anything for `expire` seconds is closed."""

    def __init__(self, host: str, port: int, name: str, trusted: ssl.SSLContext | None, expire: float) -> None:
        self._to = host, port
        self._trusted, self._name = trusted, (name or host) if trusted is not None else None
        self._expire = expire
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._heard = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, asked: bytes) -> bytes:
        """The answer, with the id of the question. Raises OSError, EOFError; the caller sets a time.

        The other end may just have closed the connection, and need not answer everything before: one more is tried.
        """
        try:
            return await self._ask(asked)
        except (ConnectionResetError, BrokenPipeError, EOFError):
            return await self._ask(asked)

    async def _ask(self, asked: bytes) -> bytes:
        writer = await self._connected()
        number = self._free(asked[:2])
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiter
        heard = self._heard
        try:
            self._wind()
            writer.write(len(asked).to_bytes(2, "big") + number + asked[2:])
            return asked[:2] + (await waiter)[2:]
        except asyncio.CancelledError:
            if self._heard == heard and self._reading is not None:  # not one answer in all that time: it is dead
                self._reading.cancel()
            raise
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """End at once; whoever waits is told EOFError."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _free(self, wanted: bytes) -> bytes:
        """An id that no other question on the connection has."""
        while wanted in self._waiting:
            wanted = secrets.randbelow(LARGEST_ID).to_bytes(2, "big")
        return wanted

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                reader, writer = await asyncio.open_connection(*self._to, ssl=self._trusted, server_hostname=self._name)
                self._writer = writer
                self._reading = asyncio.get_running_loop().create_task(self._read(reader, writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Give every answer to who asked; at the end nobody waits any more."""
        try:
            while True:
                answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                self._heard += 1
                waiter = self._waiting.get(answer[:2])
                if waiter is not None and not waiter.done():
                    waiter.set_result(answer)
        except (OSError, EOFError):
            pass
        finally:
            self._ended(writer)

    def _ended(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        self._writer = None
        if self._timer is not None:
            self._timer.cancel()
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(EOFError("the connection ended"))

    def _wind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._expire, self._idle)

    def _idle(self) -> None:
        """Nobody asked anything for a while."""
        if self._waiting:
            self._wind()
        elif self._reading is not None:
            self._reading.cancel()
