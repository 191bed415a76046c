"""Logging: one line for people on a terminal, one JSON object a line for machines, and no secrets in either.

`cli` calls `configure` once; every module logs through the standard library and hangs what a machine wants to filter by
on the record: `log.warning("…", extra={"controller": name, "key": str(key)})`, or `context(log, controller=name)`.
Upstream's counterpart is component-base/logs with --logging-format.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

Format = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")
HIDDEN = "<hidden>"

_SECRET_NAMES = frozenset({"data", "stringdata", "token", "password", "authorization", "secret", "credentials"})
_SECRETS = re.compile(
    r"(?P<bearer>\bBearer\s+)[\w.~+/=-]+"  # an Authorization header
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JSON Web Token: "eyJ" is how '{"' begins in base64
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOISY = ("asyncio", "aiohttp", "kopf", "urllib3", "kubernetes")


class Context(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds its fields to each record; those given with a call win."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}


def context(logger: logging.Logger, **fields: object) -> Context:
    """`logger`, saying with each record what it is about: `context(log, controller="job", key=str(key))`."""
    return Context(logger, fields)


def configure(format: Format = "text", level: str = "info", stream: TextIO | None = None) -> None:  # noqa: A002
    """Send all logging to `stream` (stderr), replacing what was set up before. Raises ValueError."""
    if level.lower() not in LEVELS:
        raise ValueError(f"unknown log level {level!r}: take one of {', '.join(LEVELS)}")
    if format not in ("text", "json"):
        raise ValueError(f"unknown log format {format!r}: take text or json")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if format == "json" else Text())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if level.lower() == "debug" else logging.WARNING)
    logging.captureWarnings(True)


class Text(logging.Formatter):
    """`12:30:05 WARNING loop.runner: job default/a: the server is away  step=create`, and a traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        message = one_line(redact(record.getMessage()))
        logger = record.name.removeprefix("understudy.")
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{clock} {record.levelname:<7} {logger}: {message}"
        for name, value in _extras(record).items():
            shown = one_line(str(value))
            if shown not in message:  # most messages name their object themselves
                line += f"  {name}={shown}"
        trace = _trace(record, self)
        return f"{line}\n{trace}" if trace else line


class Json(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `message`, the extra fields, and `error` with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **_extras(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if trace := _trace(record, self):
            line["error"] = trace
        return msgspec.json.encode(_encodable(line), enc_hook=str).decode()


def redact(text: str) -> str:
    """`text` without bearer tokens, JSON Web Tokens and private keys."""
    return _SECRETS.sub(lambda match: (match["bearer"] or "") + HIDDEN, text)


def one_line(text: str) -> str:
    r"""Line breaks and terminal escapes, which names and messages of others may hold, as \x0a and the like."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: _safe(name, value) for name, value in vars(record).items() if name not in _STANDARD}


def _safe(name: str, value: Any) -> Any:
    """`value` with everything secret hidden: by its name, at any depth, or by its looks."""
    if name.lower() in _SECRET_NAMES and value:
        return HIDDEN
    match value:
        case str():
            return redact(value)
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {str(key): _safe(str(key), item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe("", item) for item in value]
        case _:
            return redact(str(value))


def _encodable(value: Any) -> Any:
    """`value` with half characters (lone surrogates) replaced: they are no UTF-8."""
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case dict():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list():
            return [_encodable(item) for item in value]
        case _:
            return value


def _trace(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    return redact(formatter.formatException(record.exc_info)) if record.exc_info else ""
