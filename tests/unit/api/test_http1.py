"""Reading answers and writing requests, without a socket."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.api.http1 import Malformed, Reader, Requests, message, seconds, target
from understudy.api.transport import MAX_HEAD


@dataclass(frozen=True)
class Seen:
    """All that a reader tells about an answer."""

    status: int
    body: bytes
    keep: bool
    retry_after: float | None
    rest: bytes


def read(*pieces: bytes) -> Seen | None:
    """Feed the pieces; None if they are no whole answer."""
    reader = Reader()
    for number, piece in enumerate(pieces):
        if reader.feed(piece):
            rest = reader.rest + b"".join(pieces[number + 1 :])
            return Seen(reader.status, reader.body(), reader.keep, reader.retry_after, rest)
    return None


def lines(*text: str) -> bytes:
    """A head."""
    return "".join(f"{line}\r\n" for line in (*text, "")).encode()


def chunked(parts: list[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """A chunked body; empty parts are left out, since they would end it."""
    chunks = (b"%X%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
    return b"".join(chunks) + b"0%b\r\n%b\r\n" % (extension, trailer)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Seen]:
    """A valid answer and what is to be read from it."""
    status = draw(st.sampled_from([200, 201, 404, 409, 429, 503]))
    parts = draw(st.lists(st.binary(max_size=40), max_size=5))
    close = draw(st.booleans())
    wait = draw(st.none() | st.integers(0, 999))
    rest = draw(st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]))
    head = [f"HTTP/1.1 {status} Whatever", "X-Some: content-length: 7", "Content-Type: application/json"]
    head += ["Connection: close"] * close + [f"Retry-After: {wait}"] * (wait is not None)
    early = lines("HTTP/1.1 103 Early Hints", "Content-Length: 99") if draw(st.booleans()) else b""
    if draw(st.booleans()):
        extension = draw(st.sampled_from([b"", b";a=b", b' ; q="x y"']))
        trailer = draw(st.sampled_from([b"", b"Expires: 0\r\nContent-Length: 3\r\n"]))
        wire = lines(*head, "tRANSFER-eNCODING:chunked") + chunked(parts, extension, trailer)
    else:
        body = b"".join(parts)
        wire = lines(*head, f"content-LENGTH:  {len(body)} ") + body
    seen = Seen(status, b"".join(parts), not close, None if wait is None else float(wait), rest)
    return early + wire + rest, seen


@given(answers(), st.data())
def test_answer_however_it_is_cut(answer: tuple[bytes, Seen], data: st.DataObject) -> None:
    wire, expected = answer
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=30)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(*pieces) == expected


@given(answers())
def test_answer_byte_by_byte(answer: tuple[bytes, Seen]) -> None:
    wire, expected = answer
    assert read(*(wire[i : i + 1] for i in range(len(wire)))) == expected


@given(answers(), st.data())
def test_part_of_an_answer_is_never_an_answer(answer: tuple[bytes, Seen], data: st.DataObject) -> None:
    wire, expected = answer
    whole = len(wire) - len(expected.rest)
    assert read(wire[: data.draw(st.integers(0, whole - 1))]) is None


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_out_but_nothing_else(garbage: bytes) -> None:
    reader = Reader()
    try:
        done = reader.feed(garbage) or reader.feed(b"HTTP/1.1 2" + garbage)
    except Malformed:
        return
    assert not done or reader.status >= 200


@given(st.sampled_from([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]), st.binary(max_size=100))
def test_garbage_in_chunks(head: bytes, garbage: bytes) -> None:
    reader = Reader()
    assert not reader.feed(head)
    try:
        reader.feed(garbage)
    except Malformed:
        return
    assert len(reader.body()) <= len(garbage)


@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.1\r\n",
        b"\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        lines("HTTP/1.1 101 Switching Protocols", "Upgrade: h2c"),
        lines("HTTP/1.1 200 OK", "Content-Length: x"),
        lines("HTTP/1.1 200 OK", "Content-Length: +5"),
        lines("HTTP/1.1 200 OK", "Content-Length: 1_0"),
        lines("HTTP/1.1 200 OK", "Content-Length: " + "9" * 5000),
        lines("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6"),
        lines("HTTP/1.1 200 OK", "Content-Length: 5, 6"),
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked"),
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"0x5\r\n",
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"-5\r\n",
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"\r\n",
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"5\n",
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"1\r\nab\r\n",
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"f" * 16 + b"\r\n",
    ],
)
def test_malformed(wire: bytes) -> None:
    with pytest.raises(Malformed):
        read(wire)


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD,
        lines("HTTP/1.1 200 OK", "X: " + "x" * MAX_HEAD),
        lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"5;" + b"x" * MAX_HEAD * 2,
    ],
)
def test_head_without_an_end_is_not_collected_for_ever(endless: bytes) -> None:
    with pytest.raises(Malformed, match=r"head"):
        read(endless)


def test_same_length_twice_is_tolerated() -> None:
    seen = read(lines("HTTP/1.1 200 OK", "Content-Length: 2", "Content-Length: 2") + b"ok")
    assert seen == Seen(200, b"ok", True, None, b"")


def test_chunks_win_over_a_length_but_the_connection_is_not_trusted_again() -> None:
    seen = read(lines("HTTP/1.1 200 OK", "Content-Length: 2", "Transfer-Encoding: chunked") + chunked([b"body"]))
    assert seen == Seen(200, b"body", False, None, b"")


@pytest.mark.parametrize("status", [204, 304])
def test_answer_without_a_body_ends_with_its_head(status: int) -> None:
    seen = read(lines(f"HTTP/1.1 {status} Nothing", "Content-Length: 5") + b"next")
    assert seen == Seen(status, b"", True, None, b"next")


def test_body_until_the_end_of_the_connection() -> None:
    reader = Reader()
    assert not reader.feed(lines("HTTP/1.1 200 OK") + b"so")
    assert not reader.feed(b"me")
    assert reader.eof()
    assert (reader.body(), reader.keep) == (b"some", False)


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 2", lines("HTTP/1.1 200 OK", "Content-Length: 2") + b"x"])
def test_end_of_the_connection_is_the_end_of_no_other_answer(wire: bytes) -> None:
    reader = Reader()
    reader.feed(wire)
    assert not reader.eof()


def test_old_server_does_not_keep_the_connection() -> None:
    seen = read(lines("HTTP/1.0 200 OK", "Content-Length: 0"))
    assert seen is not None
    assert not seen.keep


@pytest.mark.parametrize(("status", "to_sink"), [(200, b"body"), (500, b"")])
def test_sink_gets_the_body_of_a_success_only(status: int, to_sink: bytes) -> None:
    pieces: list[bytes] = []
    reader = Reader(pieces.append)
    assert reader.feed(lines(f"HTTP/1.1 {status} X", "Transfer-Encoding: chunked") + chunked([b"bo", b"dy"]))
    assert (b"".join(pieces), reader.body()) == (to_sink, b"" if to_sink else b"body")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"3", 3.0), (b" 0 ", 0.0), (b"Fri, 21 Nov 2025 10:00:00 GMT", None), (b"-1", None), (b"", None)],
)
def test_retry_after(value: bytes, expected: float | None) -> None:
    assert seconds(value) == expected


def test_whole_request() -> None:
    requests = Requests("example:6443", "/prefix")
    for _ in range(2):  # the second time from the memory of fixed headers
        head = requests.head("PUT", "/api?x=1", b"{}", "application/json", "text/plain")
        first, *rest = message(head, b"Bearer t", b"{}").split(b"\r\n")
        assert first == b"PUT /prefix/api?x=1 HTTP/1.1"
        assert rest[-2:] == [b"", b"{}"]
        assert set(rest[:-2]) >= {
            b"Host: example:6443",
            b"Accept: text/plain",
            b"Content-Type: application/json",
            b"Content-Length: 2",
            b"Authorization: Bearer t",
        }


@pytest.mark.parametrize(("method", "length"), [("GET", False), ("DELETE", True), ("POST", True)])
def test_request_without_a_body(method: str, length: bool) -> None:
    whole = message(Requests("h").head(method, "/a", None, "application/json", "x/y"), None, None)
    assert whole.endswith(b"\r\n\r\n")
    assert (b"Content-Length: 0\r\n" in whole) is length
    assert b"Content-Type" not in whole
    assert b"Authorization" not in whole


@given(st.text(max_size=30))
def test_target_can_never_end_the_request_line(path: str) -> None:
    try:
        line = target(path)
    except ValueError:
        return
    assert line == path
    assert path.startswith("/")
    assert path.isascii()
    assert not any(character <= " " for character in path)
