"""Reads the text form of label selectors, as in `kubectl get --selector` and in the API's query parameters.

Called by `selector.parse` only. It answers to the lexer and parser in
`apimachinery/pkg/labels/selector.go`.
"""

import re
from collections.abc import Mapping

from understudy.values import requirement
from understudy.values.requirement import Operator, Requirement

_TOKEN = re.compile(r"==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+")
_END = ""
_COMMA = ","
_SYMBOLS = frozenset(["==", "!=", *"=!(),<>", _END])
_SETS: Mapping[str, Operator] = {"in": "in", "notin": "notin"}
_SINGLES: Mapping[str, Operator] = {"=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}


def parse(text: str) -> list[Requirement]:
    """The requirements in the order written; none for a blank text. ValueError says where reading stopped."""
    try:
        return _Parser(text).requirements()
    except ValueError as error:
        raise ValueError(f"unable to parse label selector {text!r}: {error}") from None


class _Parser:
    """A cursor over the tokens; the last one is the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = [*_TOKEN.findall(text), _END]
        self._at = 0

    def requirements(self) -> list[Requirement]:
        if self._next() == _END:
            return []
        found = [self._requirement()]
        while (token := self._take()) != _END:
            if token != _COMMA:
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            found.append(self._requirement())
        return found

    def _requirement(self) -> Requirement:
        if self._next() == "!":
            self._take()
            return requirement.new(self._identifier(), "!")
        key = self._identifier()
        if self._next() in (_END, _COMMA):
            return requirement.new(key, "exists")
        token = self._take()
        if token in _SETS:
            return requirement.new(key, _SETS[token], self._set())
        if token in _SINGLES:
            return requirement.new(key, _SINGLES[token], [self._value(_END, _COMMA)])
        raise ValueError(f"found '{token}', expected: in, notin, =, ==, !=, gt, lt")

    def _set(self) -> list[str]:
        if (token := self._take()) != "(":
            raise ValueError(f"found '{token}', expected: '('")
        values = [self._value(_COMMA, ")")]
        while (token := self._take()) != ")":
            if token != _COMMA:
                raise ValueError(f"found '{token}', expected: ',' or ')'")
            values.append(self._value(_COMMA, ")"))
        return values

    def _value(self, *ends: str) -> str:
        """An identifier, or the empty value if one of the ends comes at once."""
        return "" if self._next() in ends else self._identifier()

    def _identifier(self) -> str:
        token = self._take()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: identifier")
        return token

    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]
