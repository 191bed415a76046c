"""`python -m understudy.dns.worker`: a process that only answers. Started by `workers`, told by frames on its stdin.

It has a copy of the zone and listens, beside its siblings, from the moment it knows all of it: before, it would only
say SERVFAIL where they know better. It ends when its stdin does, hence also when whoever started it is killed.
"""

import asyncio
import logging
import signal
import sys

import uvloop

from understudy.dns.answering import Answering
from understudy.dns.frames import Begin, Configure, Counted, Declare, Put, PutNamespace, Synced, encode, read
from understudy.kinds.meta import Key
from understudy.obs.log import configure

log = logging.getLogger(__name__)

REPORT = 1.0
"""Seconds between what it tells of its counts."""


async def work(reader: asyncio.StreamReader, tell: asyncio.WriteTransport) -> None:
    """Do as the frames say until they end. Raises OSError if it cannot listen, ValueError for what is no frame."""
    begin = await read(reader)
    if not isinstance(begin, Begin):
        raise ValueError(f"the first frame is {type(begin).__name__}")
    answering = Answering(begin.settings)
    reporting = asyncio.ensure_future(_report(answering, tell))
    try:
        while True:
            await _follow(answering, reader, begin.port)
    except EOFError:
        log.debug("nothing more to follow: ending")
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        await answering.stop()


async def _follow(answering: Answering, reader: asyncio.StreamReader, port: int) -> None:
    """One frame."""
    match await read(reader):
        case Put(namespace, name, names):
            answering.copy.put(Key(namespace, name), names)
        case PutNamespace(name, there):
            answering.copy.put_namespace(name, there=there)
        case Declare(names):
            answering.declare(names)
        case Configure(config):
            answering.configure(config)
        case Synced() if not answering.table.synced:
            answering.table.synced = True
            await answering.start(port)


async def _report(answering: Answering, tell: asyncio.WriteTransport) -> None:
    while True:
        await asyncio.sleep(REPORT)
        tell.write(encode(Counted(answering.sample())))


async def main() -> None:
    """On this process's stdin and stdout."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is for the one that watches; it ends us in good order
    loop.add_signal_handler(signal.SIGTERM, lambda: None)
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    tell, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout.buffer)
    await work(reader, tell)


if __name__ == "__main__":
    configure("text" if sys.stderr.isatty() else "json")
    uvloop.run(main())
