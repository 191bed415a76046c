"""nf_tables' netlink: messages, one transaction of them, and dumps. No dependency; knows nothing of Services.

`nft` cannot write all of it (1.0.6 aborts on dynamic maps whose keys are longer than 16 bytes) and takes 15 ms where
this takes 0.1. Used by `encode` and `kernel`. Answers to linux/netfilter/nf_tables.h and nfnetlink.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from understudy.proxy.network.host import HostError

NEWTABLE, DELTABLE, NEWCHAIN, GETCHAIN, DELCHAIN, NEWRULE, GETRULE, DELRULE = 0, 2, 3, 4, 5, 6, 7, 8
NEWSET, NEWSETELEM, GETSETELEM, DELSETELEM, GETGEN = 9, 12, 13, 14, 16
REQUEST, ACK, DUMP, CREATE, APPEND = 1, 4, 0x300, 0x400, 0x800
INTERRUPTED = 0x10
ERROR, DONE = 2, 3
BATCH_BEGIN, BATCH_END, SUBSYSTEM = 0x10, 0x11, 10
NETFILTER = 12
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
SEND_ROOM, RECEIVE_ROOM = 1 << 28, 1 << 24
PIECE = 1 << 20
PATIENCE = 20.0
"""Seconds the kernel may take to answer."""

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_ERRNO = struct.Struct("=i")
_KINDS = {
    NEWTABLE: "table",
    NEWCHAIN: "chain",
    NEWRULE: "a rule of chain",
    NEWSET: "set",
    NEWSETELEM: "elements of",
    DELSETELEM: "the removal of elements of",
    DELCHAIN: "the removal of chain",
    DELRULE: "the removal of rules",
}
_BODY = _HEADER.size + _GENERIC.size


class Message(NamedTuple):
    kind: int
    flags: int
    body: bytes


class Interrupted(Exception):
    """Somebody changed what was being listed."""


class Refused(HostError):
    """The kernel would not; `number` is its errno."""

    def __init__(self, number: int, where: str) -> None:
        self.number = number
        if number in (errno.EPERM, errno.EACCES):
            super().__init__("nftables cannot be changed: the service proxy needs the capability NET_ADMIN")
        else:
            super().__init__(f"the kernel refused {where}: {os.strerror(number)}")


def attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | 0x8000, b"".join(parts))


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each."""
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += max((length + 3) & ~3, 4)


class Netlink:
    """A socket in the network namespace of the process, for one conversation at a time. Raises HostError."""

    def __init__(self, family: int, subsystem: int = SUBSYSTEM) -> None:
        self._family = family
        self._subsystem = subsystem << 8
        self._serial = 1
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)
            self._socket.bind((0, 0))
            self._socket.settimeout(PATIENCE)
            with suppress(PermissionError):
                self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_ROOM)
                self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_ROOM)
        except OSError as error:
            raise HostError(f"the kernel has no nftables: {error.strerror}") from error

    def close(self) -> None:
        self._socket.close()

    def commit(self, messages: Sequence[Message]) -> None:
        """All of them or none. Raises Refused."""
        if not messages:
            return
        first = self._serial + 2
        out = [self._pack(BATCH_BEGIN, REQUEST, b"", batch=True)]
        out += [self._pack(self._subsystem | each.kind, each.flags | REQUEST, each.body) for each in messages[:-1]]
        last = messages[-1]
        out.append(self._pack(self._subsystem | last.kind, last.flags | REQUEST | ACK, last.body))
        acknowledged = self._serial
        out.append(self._pack(BATCH_END, REQUEST, b"", batch=True))
        failed = self._send(b"".join(out), acknowledged)
        if failed is not None:
            serial, error = failed
            raise Refused(error, _named(messages, serial - first))

    def ask(self, kind: int, body: bytes = b"", *, dump: bool = True) -> list[bytes]:
        """The bodies of what it answers. Raises Refused; Interrupted if a list is not of one moment."""
        request = self._pack(self._subsystem | kind, REQUEST | (DUMP if dump else 0), body)
        asked = self._serial
        self._flush(request)
        found: list[bytes] = []
        while True:
            for kind_, flags, serial, content in self._receive():
                if serial != asked:
                    continue
                if flags & INTERRUPTED:
                    self._drain()
                    raise Interrupted
                if kind_ == ERROR:
                    raise Refused(-_ERRNO.unpack_from(content)[0], "to list its rules")
                if kind_ == DONE:
                    return found
                found.append(content[_GENERIC.size :])
            if found and not dump:
                return found

    def tell(self, message: Message) -> bool:
        """One request outside a transaction; whether what it is about was there. Raises Refused."""
        data = self._pack(self._subsystem | message.kind, message.flags | REQUEST | ACK, message.body)
        failed = self._send(data, self._serial)
        if failed is not None and failed[1] != errno.ENOENT:
            raise Refused(failed[1], "to end a connection")
        return failed is None

    def _send(self, data: bytes, acknowledged: int) -> tuple[int, int] | None:
        """The first refused message's serial and errno, None if all is done."""
        self._flush(data)
        while True:
            for kind, _, serial, content in self._receive():
                error = -_ERRNO.unpack_from(content)[0] if kind == ERROR else 0
                if error:
                    self._drain()
                    return serial, error
                if kind == ERROR and serial >= acknowledged:
                    return None

    def _flush(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise HostError(f"nftables takes no messages: {error.strerror}") from error

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, serial and content of each message that has come."""
        try:
            data = self._socket.recv(PIECE)
        except OSError as error:
            raise HostError(f"nftables does not answer: {error}") from error
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, flags, serial, _ = _HEADER.unpack_from(data, at)
            yield kind, flags, serial, data[at + _HEADER.size : at + length]
            at += max((length + 3) & ~3, _HEADER.size)

    def _drain(self) -> None:
        """What else was said about a failed request is of no use."""
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while self._socket.recv(PIECE):
                pass
        self._socket.settimeout(PATIENCE)

    def _pack(self, kind: int, flags: int, body: bytes, *, batch: bool = False) -> bytes:
        self._serial += 1
        generic = _GENERIC.pack(0, 0, SUBSYSTEM) if batch else _GENERIC.pack(self._family, 0, 0)
        return _HEADER.pack(_BODY + len(body), kind, flags, self._serial, 0) + generic + body


def _named(messages: Sequence[Message], index: int) -> str:
    """Which message it was, as far as its attributes tell."""
    if not 0 <= index < len(messages):
        return "a transaction"
    message = messages[index]
    names = [value.rstrip(b"\0").decode(errors="replace") for kind, value in attributes(message.body) if kind in (2, 3)]
    return f"{_KINDS.get(message.kind, 'a change of')} {names[0][:64] if names else ''}".strip()
