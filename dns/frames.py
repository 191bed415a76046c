"""What the process that watches tells those that only answer, and what they tell it: frames on pipes.

A frame is its length in four bytes and a message in MessagePack. Used by `workers` and `worker`.
"""

import asyncio

import msgspec
from msgspec import Struct

from understudy.dns.config import Config
from understudy.dns.metrics import Sample
from understudy.dns.own import Names as OwnNames
from understudy.dns.records import Names
from understudy.dns.settings import Settings

LARGEST = 256 * 1024 * 1024


class Begin(Struct, tag=True):
    """The first: what to be. The port is that of the others."""

    settings: Settings
    port: int


class Put(Struct, tag=True):
    """`names` are all there are because of the object."""

    namespace: str
    name: str
    names: Names


class PutNamespace(Struct, tag=True):
    name: str
    there: bool


class Declare(Struct, tag=True):
    """The users' own names are these."""

    names: OwnNames


class Configure(Struct, tag=True):
    """The configuration is this."""

    config: Config


class Synced(Struct, tag=True):
    """The zone is known whole."""


class Counted(Struct, tag=True):
    """From a worker: what it counted since it began."""

    sample: Sample


Frame = Begin | Put | PutNamespace | Declare | Configure | Synced | Counted

_encode = msgspec.msgpack.Encoder(enc_hook=dict).encode
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """With its length in front."""
    body = _encode(frame)
    return len(body).to_bytes(4, "big") + body


async def read(reader: asyncio.StreamReader) -> Frame:
    """The next. Raises EOFError at the end, ValueError for what is no frame."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > LARGEST:
        raise ValueError(f"a frame of {length} bytes")
    return _decoder.decode(await reader.readexactly(length))
