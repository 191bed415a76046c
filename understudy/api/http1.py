"""HTTP/1.1 answers read piece by piece, and requests put into bytes. Pure: bytes in, state out.

`wire.Link` feeds what the socket gave to a `Reader`; `wire` and `aio` feed bodies of streams to `Lines`. RFC 9112 is
the text: Content-Length, chunked with extensions and trailers, 1xx answers skipped, bodies up to the connection's end.
Every byte is looked at a constant number of times however the answer is cut up, so a list of 100 MB costs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from understudy.api.transport import MAX_HEAD, USER_AGENT

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?= |\Z|\r)")
_HEADERS = re.compile(rb"\r\n(content-length|transfer-encoding|connection|retry-after):[ \t]*([^\r\n]*)", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})\r\n")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_NUMBER = re.compile(rb"\d{1,15}")
_TARGET = re.compile(r"/[!-~]*")
_START = b"HTTP/1."
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_BODILESS = (204, 304)


class Malformed(Exception):
    """What came is not an HTTP/1.1 answer."""


class _Part(Enum):
    """What the next bytes belong to."""

    HEAD = auto()
    LENGTH = auto()
    UNTIL_END = auto()
    SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILER = auto()


class Lines:
    """Cuts a body that comes in pieces into lines and hands each complete one on, without its newline."""

    __slots__ = ("_on_line", "_tail")

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._tail: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take the next piece. An unfinished line at the end of the stream is never handed on."""
        *lines, tail = data.split(b"\n")
        if lines and self._tail:
            lines[0] = b"".join((*self._tail, lines[0]))
            self._tail.clear()
        if tail:
            self._tail.append(tail)
        on_line = self._on_line
        for line in lines:
            on_line(line)


class Reader:
    """One answer, read with `feed` until that returns True.

    Then `status`, `body()`, `retry_after` tell what was said, `keep` whether the connection can be used again, and
    `rest` what came after it. The body of a 200 goes to `sink`, if there is one, instead of being kept.
    """

    __slots__ = (
        "_buffer",
        "_left",
        "_part",
        "_pieces",
        "_sink",
        "keep",
        "rest",
        "retry_after",
        "started",
        "status",
    )

    def __init__(self, sink: Callable[[bytes], None] | None = None) -> None:
        self.status = 0
        self.keep = True
        self.retry_after: float | None = None
        self.rest = b""
        self.started = False
        self._sink = sink
        self._part = _Part.HEAD
        self._pieces: list[bytes] = []
        self._left = 0  # bytes missing of the body, or of the chunk
        self._buffer = bytearray()  # an unfinished head or line

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True once the answer is complete. Raises Malformed."""
        self.started = True
        if self._part is not _Part.HEAD:
            return self._body(data, 0)
        return self._head(data)

    def eof(self) -> bool:
        """The connection ended: True if that is how this answer ends."""
        return self._part is _Part.UNTIL_END

    def body(self) -> bytes:
        """The body as far as it came."""
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _head(self, data: bytes) -> bool:
        if self._buffer:
            seen = max(len(self._buffer) - len(_HEAD_END), 0)
            self._buffer += data
            if self._buffer.find(_HEAD_END, seen) < 0:
                return self._wait_for_head()
            data = bytes(self._buffer)
            self._buffer.clear()
        at, end = 0, data.find(_HEAD_END)
        while end >= 0:
            self._begin(data[at:end])
            at = end + len(_HEAD_END)
            if self.status >= 200:
                return self._body(data, at)
            end = data.find(_HEAD_END, at)  # that was a 1xx: the answer itself is still to come
        self._buffer += data[at:]
        return self._wait_for_head()

    def _wait_for_head(self) -> bool:
        """False, unless it can be seen already that this will never be an answer."""
        if not _START.startswith(self._buffer[: len(_START)]):
            raise Malformed("the server does not speak HTTP/1.1")
        if len(self._buffer) > MAX_HEAD:
            raise Malformed("the head of the answer is too long")
        return False

    def _begin(self, head: bytes) -> None:
        start = _STATUS.match(head)
        if start is None or len(head) > MAX_HEAD:
            raise Malformed("the head of the answer is not HTTP/1.1")
        self.status = int(start[2])
        if self.status == 101:
            raise Malformed("the server wants to change to another protocol")
        if self.status >= 200:
            self.keep = start[1] == b"1"
            self._frame(head)

    def _frame(self, head: bytes) -> None:
        """Find out from the headers how the body is delimited."""
        lengths: set[int] = set()
        chunked = False
        for name, value in _HEADERS.findall(head):
            match name.lower():
                case b"content-length":
                    lengths.add(_number(value))
                case b"transfer-encoding":
                    chunked = _is_chunked(value)
                case b"connection":
                    self.keep = self.keep and b"close" not in value.lower()
                case _:
                    self.retry_after = seconds(value)
        if len(lengths) > 1:
            raise Malformed("the answer has several lengths")
        self._delimit(lengths.pop() if lengths else None, chunked)

    def _delimit(self, length: int | None, chunked: bool) -> None:
        if self.status in _BODILESS:
            self._part = _Part.LENGTH
        elif chunked:
            self._part = _Part.SIZE
            self.keep = self.keep and length is None  # both: somebody on the way may see another end
        elif length is not None:
            self._part, self._left = _Part.LENGTH, length
        else:
            self._part, self.keep = _Part.UNTIL_END, False

    def _body(self, data: bytes, at: int) -> bool:
        if self._part is _Part.LENGTH:
            at = self._take(data, at)
            return self._left == 0 and self._end(data, at)
        if self._part is _Part.UNTIL_END:
            self._keep(data[at:])
            return False
        return self._chunked(data, at)

    def _chunked(self, data: bytes, at: int) -> bool:
        if self._part is _Part.SIZE and not self._buffer:
            at = self._whole_chunks(data, at)
            if data.startswith(_LAST_CHUNK, at):
                return self._end(data, at + len(_LAST_CHUNK))
        size = len(data)
        while at < size:
            if self._part is _Part.CHUNK:
                at = self._take(data, at)
                if self._left == 0:
                    self._part = _Part.CHUNK_END
                continue
            newline = data.find(b"\n", at)
            if newline < 0:
                self._keep_line(data[at:])
                return False
            line, at = data[at : newline + 1], newline + 1
            if self._line(bytes(self._buffer + line) if self._buffer else line):
                return self._end(data, at)
        return False

    def _whole_chunks(self, data: bytes, at: int) -> int:
        """Take the chunks that lie in `data` whole, as nearly all do; returns where the first other one begins."""
        while (head := _CHUNK.match(data, at)) is not None:
            start = head.end()
            end = start + int(head[1], 16)
            if end == start or not data.startswith(b"\r\n", end):
                break
            self._keep(data[start:end])
            at = end + 2
        return at

    def _keep_line(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_HEAD:
            raise Malformed("a chunk's head is too long")

    def _line(self, line: bytes) -> bool:
        """A line between the chunks; True if it is the last one of the answer."""
        self._buffer.clear()
        if not line.endswith(b"\r\n"):
            raise Malformed("a chunk's line does not end in CR LF")
        if self._part is _Part.TRAILER:
            return line == b"\r\n"
        if self._part is _Part.SIZE:
            match = _SIZE.fullmatch(line, 0, len(line) - 2)
            if match is None:
                raise Malformed("a chunk's size is not a number")
            self._left = int(match[1], 16)
            self._part = _Part.CHUNK if self._left else _Part.TRAILER
        elif line == b"\r\n":
            self._part = _Part.SIZE
        else:
            raise Malformed("a chunk is longer than it says")
        return False

    def _take(self, data: bytes, at: int) -> int:
        """Take what `data` has of the bytes missing; returns where they end."""
        end = at + self._left
        piece = data[at:end]
        self._left -= len(piece)
        self._keep(piece)
        return at + len(piece)

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        if self._sink is not None and self.status == 200:
            self._sink(piece)
        else:
            self._pieces.append(piece)

    def _end(self, data: bytes, at: int) -> bool:
        self.rest = data[at:]
        return True


def seconds(retry_after: bytes) -> float | None:
    """A Retry-After header in seconds; None for a date, which the API server never sends."""
    value = retry_after.strip()
    return float(value) if _NUMBER.fullmatch(value) else None


def _number(value: bytes) -> int:
    value = value.strip()
    if not _NUMBER.fullmatch(value):
        raise Malformed("the answer's length is not a number")
    return int(value)


def _is_chunked(value: bytes) -> bool:
    if value.strip().lower() != b"chunked":
        raise Malformed("the answer has a transfer coding other than chunked")
    return True


class Requests:
    """Puts requests for one server into bytes; `host` is the Host header, `prefix` comes before every path."""

    def __init__(self, host: str, prefix: str = "") -> None:
        self._host = host
        self._prefix = prefix
        self._fixed: dict[tuple[str, str | None], bytes] = {}

    def head(self, method: str, path: str, body: bytes | None, content_type: str, accept: str) -> bytes:
        """All of a request's head but the Authorization. Raises ValueError for a path that is not quoted."""
        key = (accept, None if body is None else content_type)
        fixed = self._fixed.get(key) or self._fix(*key)
        start = f"{method} {target(self._prefix + path)} HTTP/1.1\r\n"
        if body is None and method == "GET":
            return start.encode() + fixed
        return b"%b%bContent-Length: %d\r\n" % (start.encode(), fixed, len(body or b""))

    def _fix(self, accept: str, content_type: str | None) -> bytes:
        lines = [f"Host: {self._host}", f"User-Agent: {USER_AGENT}", f"Accept: {accept}"]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        fixed = "".join(f"{line}\r\n" for line in lines).encode()
        self._fixed[accept, content_type] = fixed
        return fixed


def message(head: bytes, token: bytes | None, body: bytes | None) -> bytes:
    """A whole request from its head, the Authorization header and the body."""
    if token is None:
        return b"%b\r\n%b" % (head, body or b"")
    return b"%bAuthorization: %b\r\n\r\n%b" % (head, token, body or b"")


def target(path: str) -> str:
    """`path` itself, if it can be put into a request line; otherwise raises ValueError."""
    if not _TARGET.fullmatch(path):
        raise ValueError(f"{path!r} cannot be requested: a path starts with / and is quoted")
    return path
