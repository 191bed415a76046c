"""The client: what is sent, what a Status becomes, and how long a 429 is waited for. In virtual time."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import Script
from understudy.api.client import ATTEMPTS, MERGE, METADATA, METADATA_LIST, Client, decoder, error_of
from understudy.api.transport import Answer, Fenced, Lost
from understudy.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    PartlyDone,
    TooManyRequests,
    Unauthorized,
    api_error,
)
from understudy.obs.metrics import REQUESTS

PATH = "/api/v1/pods"
BUSY = b"Too many requests, please try again later.\n"


class Point(Struct):
    x: int
    y: int = 0


def answer(code: int, body: Any = None, retry_after: float | None = None) -> Answer:
    return Answer(code, b"" if body is None else json.dumps(body).encode(), retry_after)


def counted(method: str, code: str) -> float:
    return float(REQUESTS.labels(method, code)._value.get())


@pytest.mark.parametrize("accept", [METADATA, METADATA_LIST])
def test_metadata_is_asked_for_first_and_everything_taken_from_who_cannot_leave_it_out(accept: str) -> None:
    first, last = accept.split(",")
    assert first.startswith("application/json;as=PartialObjectMetadata")
    assert last == "application/json"


@VIRTUAL_TIME
class TestRequests:
    async def test_call_answers_bytes_and_ask_a_struct(self) -> None:
        client = Client(Script(answers=[answer(200, {"x": 1}), answer(201, {"x": 2, "more": 3})]))
        assert json.loads(await client.call("GET", PATH)) == {"x": 1}
        assert await client.ask("POST", PATH, Point, {"x": 2}) == Point(2)

    async def test_what_is_sent(self) -> None:
        script = Script(answers=[answer(200), answer(200), answer(200)])
        client = Client(script)
        await client.call("GET", PATH)
        await client.call("POST", PATH, Point(1, 2))
        await client.call("PATCH", PATH, {"a": None}, content_type=MERGE, accept="application/x")
        assert script.bodies == [
            ("GET", "application/json", None),
            ("POST", "application/json", {"x": 1, "y": 2}),
            ("PATCH", MERGE, {"a": None}),
        ]
        assert script.accepts == ["application/json", "application/json", "application/x"]
        assert [path for _, path in script.calls] == [PATH] * 3

    async def test_every_answer_is_counted(self) -> None:
        before = counted("DELETE", "200"), counted("DELETE", "404")
        client = Client(Script(answers=[answer(200), answer(404)]))
        await client.call("DELETE", PATH)
        with pytest.raises(NotFound):
            await client.call("DELETE", PATH)
        assert (counted("DELETE", "200"), counted("DELETE", "404")) == (before[0] + 1, before[1] + 1)

    @pytest.mark.parametrize("error", [Lost("cut"), Fenced("too late")])
    async def test_what_the_transport_raises_passes_and_nothing_is_repeated(self, error: Exception) -> None:
        script = Script(answers=[error])
        with pytest.raises(type(error)):
            await Client(script).call("POST", PATH, {})
        assert len(script.calls) == 1

    async def test_closing_closes_the_transport(self) -> None:
        closed: list[bool] = []

        class Closing(Script):
            async def close(self) -> None:
                closed.append(True)

        await Client(Closing()).close()
        assert closed == [True]


@VIRTUAL_TIME
class TestPutOff:
    async def test_as_long_as_the_server_asks_for(self) -> None:
        script = Script(answers=[Answer(429, BUSY, 3.0), Answer(429, BUSY, 2.0), answer(200, {"x": 1})])
        assert await Client(script).ask("GET", PATH, Point) == Point(1)
        assert [time for time, _ in script.calls] == [0, 3, 5]

    async def test_not_for_ever(self) -> None:
        script = Script(answers=[Answer(429, BUSY, 1.0)] * 100)
        with pytest.raises(TooManyRequests, match="Too many requests"):
            await Client(script).call("GET", PATH)
        assert len(script.calls) == ATTEMPTS

    async def test_not_if_it_does_not_say_how_long(self) -> None:
        script = Script(answers=[Answer(429, BUSY), answer(200)])
        with pytest.raises(TooManyRequests):
            await Client(script).call("GET", PATH)

    async def test_an_eviction_that_a_budget_forbids_is_a_429_too(self) -> None:
        body = {"code": 429, "reason": "TooManyRequests", "message": "Cannot evict pod"}
        with pytest.raises(TooManyRequests, match="Cannot evict pod"):
            await Client(Script(answers=[answer(429, body)])).call("POST", PATH, {})

    async def test_one_who_waits_can_be_cancelled(self) -> None:
        task = asyncio.ensure_future(Client(Script(answers=[Answer(429, BUSY, 100.0)])).call("GET", PATH))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "reason", "kind"),
        [
            (404, "NotFound", NotFound),
            (409, "AlreadyExists", AlreadyExists),
            (409, "Conflict", Conflict),
            (410, "Expired", Expired),
            (410, "Gone", Expired),
            (422, "Invalid", Invalid),
            (403, "Forbidden", Forbidden),
            (401, "Unauthorized", Unauthorized),
            (429, "TooManyRequests", TooManyRequests),
            (404, "", NotFound),
            (409, "", Conflict),
            (410, "", Expired),
            (500, "InternalError", ApiError),
            (504, "Timeout", ApiError),
        ],
    )
    def test_the_reason_decides_or_else_the_code(self, code: int, reason: str, kind: type[ApiError]) -> None:
        met = error_of(answer(code, {"kind": "Status", "code": code, "reason": reason, "message": "so it is"}))
        assert type(met) is kind
        assert (met.status, met.reason, met.message, str(met)) == (code, reason, "so it is", "so it is")

    def test_details_and_the_wish_for_a_pause_come_along(self) -> None:
        met = error_of(answer(429, {"code": 429, "details": {"name": "x"}}, retry_after=2.0))
        assert (met.details, met.retry_after) == ({"name": "x"}, 2.0)
        assert str(met) == "the server answered 429"

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"upstream went away\n", "upstream went away"),
            (b"", "the server answered 502"),
            (b"\xff\xfe", "\ufffd\ufffd"),
        ],
    )
    def test_a_body_that_is_no_status_is_shown_as_it_is(self, body: bytes, text: str) -> None:
        met = error_of(Answer(502, body))
        assert (met.status, str(met)) == (502, text)

    def test_of_a_long_one_only_the_beginning(self) -> None:
        assert len(str(error_of(Answer(502, b"x" * 10_000)))) == 300

    def test_a_namespace_on_its_way_out_can_be_told_from_a_lack_of_rights(self) -> None:
        terminating = {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
        going = api_error(403, "Forbidden", "", terminating)
        assert isinstance(going, Forbidden)
        assert going.namespace_terminating
        lacking = api_error(403, "Forbidden", "", {"causes": None})
        assert isinstance(lacking, Forbidden)
        assert not lacking.namespace_terminating

    def test_partly_done_speaks_with_the_words_of_its_cause(self) -> None:
        cause = Forbidden(403, "Forbidden", "exceeded quota")
        partly = PartlyDone([1], 2, cause)
        assert (str(partly), partly.done, partly.failed, partly.cause) == ("exceeded quota", [1], 2, cause)


def test_one_decoder_a_type() -> None:
    assert decoder(Point) is decoder(Point)
    with pytest.raises(msgspec.ValidationError):
        decoder(Point).decode(b'{"x":"one"}')
