"""What the log looks like to people and machines, and what never gets into it."""

import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.obs.log import HIDDEN, Json, Text, configure, context, one_line, redact

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2ln-bmF0dXJl_x"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"

log = logging.getLogger("understudy.test")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def text(level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure("text", level, stream)
    return stream


def json_lines() -> io.StringIO:
    stream = io.StringIO()
    configure("json", "debug", stream)
    return stream


def parsed(stream: io.StringIO) -> dict[str, Any]:
    [line] = stream.getvalue().splitlines()
    decoded: dict[str, Any] = msgspec.json.decode(line)
    return decoded


def a_record(message: object, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "x", **fields})


def test_people_read_one_line() -> None:
    stream = text()
    log.warning("%s %s: away", "job", "default/a", extra={"controller": "job", "step": "create"})
    clock, _, rest = stream.getvalue().partition(" ")
    assert len(clock) == len("12:30:05")
    assert rest == "WARNING test: job default/a: away  step=create\n"


def test_a_traceback_stands_below_its_line() -> None:
    stream = text()
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("a bug")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR   test: a bug")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: boom"


def test_machines_read_one_object_a_line() -> None:
    stream = json_lines()
    log.info("created %s", "web", extra={"controller": "job", "key": "default/a", "step": 3, "why": "1 of 2"})
    line = parsed(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "understudy.test",
        "message": "created web",
        "controller": "job",
        "key": "default/a",
        "step": 3,
        "why": "1 of 2",
    }


def test_a_traceback_is_a_field() -> None:
    stream = json_lines()
    try:
        raise ValueError("boom\nbang")
    except ValueError:
        log.exception("a bug")
    assert parsed(stream)["error"].endswith("ValueError: boom\nbang")


def test_extra_fields_cannot_pose_as_ours() -> None:
    stream = json_lines()
    log.info("truth", extra={"level": "debug", "time": "never", "logger": "nobody"})
    line = parsed(stream)
    assert (line["level"], line["logger"]) == ("info", "understudy.test")


def test_context_adds_its_fields_and_the_call_s_win() -> None:
    stream = json_lines()
    about = context(log, controller="job", key="default/a")
    about.info("hello", extra={"key": "default/b", "step": 1})
    line = parsed(stream)
    assert (line["controller"], line["key"], line["step"]) == ("job", "default/b", 1)


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("ERROR", "e")],
)
def test_levels(level: str, expected: str) -> None:
    stream = text(level)
    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")
    assert "".join(line[-1] for line in stream.getvalue().splitlines()) == expected


def test_libraries_only_speak_when_it_matters() -> None:
    stream = text()
    logging.getLogger("kopf").info("chatter")
    logging.getLogger("kopf").warning("careful")
    assert stream.getvalue().splitlines()[0].endswith("kopf: careful")


def test_configuring_again_replaces_the_first_time() -> None:
    first, second = text(), text()
    log.info("hello")
    assert first.getvalue() == ""
    assert second.getvalue().count("hello") == 1


def test_warnings_are_logged() -> None:
    with warnings.catch_warnings():  # the catcher would take them before the log does
        stream = text()
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in stream.getvalue()


def test_what_cannot_be_configured_is_said_clearly() -> None:
    with pytest.raises(ValueError, match="unknown log level 'loud': take one of debug, info, warning, error"):
        configure("text", "loud")
    with pytest.raises(ValueError, match="unknown log format 'xml': take text or json"):
        configure("xml", "info")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (f"Authorization: Bearer {JWT}", f"Authorization: Bearer {HIDDEN}"),
        ("authorization: bearer abc.def/ghi+=", f"authorization: bearer {HIDDEN}"),
        (f"token {JWT} expired", f"token {HIDDEN} expired"),
        (f"key {KEY} and more", f"key {HIDDEN} and more"),
        ("cut -----BEGIN EC PRIVATE KEY-----\nMIIEow", f"cut {HIDDEN}"),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"),
        ("the bearer", "the bearer"),
        ("web-7f.17f1a2b3c4d5e6f7", "web-7f.17f1a2b3c4d5e6f7"),
    ],
)
def test_secrets_are_known_by_their_looks(said: str, written: str) -> None:
    assert redact(said) == written


@pytest.mark.parametrize("formatter", [Text(), Json()])
@pytest.mark.parametrize(
    "record",
    [
        a_record(f"got {JWT}"),
        a_record("x", object={"kind": "Secret", "data": {"password": JWT}, "stringData": {"a": JWT}}),
        a_record("x", token=JWT),
        a_record("x", headers={"Authorization": JWT}),
        a_record("x", tried=[("a", JWT)]),
        a_record("x", error=ValueError(JWT)),
        a_record("x", exc_info=(ValueError, ValueError(JWT), None)),
    ],
)
def test_secrets_get_into_no_log(formatter: logging.Formatter, record: logging.LogRecord) -> None:
    line = formatter.format(record)
    assert JWT not in line
    assert HIDDEN in line


def test_secret_data_is_hidden_whatever_it_looks_like() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {"name": "a"},
        "data": {"k": "aHVudGVyMg=="},
        "StringData": {"k": "hunter2"},
    }
    line = Json().format(a_record("x", object=secret))
    assert "hunter2" not in line
    assert "aHVudGVyMg" not in line
    assert '"name":"a"' in line


def test_names_of_others_cannot_forge_lines_or_move_the_cursor() -> None:
    assert one_line("a\nERROR b\x1b[2J\x9b\u2028") == r"a\x0aERROR b\x1b[2J\x9b\x2028"
    line = Text().format(a_record("a\nb", key="c\rd"))
    assert line.endswith(r"x: a\x0ab  key=c\x0dd")


@given(st.text(), st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_any_record_is_one_line_for_people_and_an_object_for_machines(message: str, field: str, more: object) -> None:
    record = a_record(message, field=field, more=more)
    assert len(Text().format(record).splitlines()) == 1
    assert isinstance(msgspec.json.decode(Json().format(record)), dict)
