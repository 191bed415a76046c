"""Types of expressions, checked by Google's CEL: what its checker says, in the words of Kubernetes' own.

Called by the controller with shapes and expressions. The library is the optional part `understudy[cel]`, loaded when
the first policy is checked: it is large, and clusters without policies never need it. It answers to CheckExpression in
apiserver pkg/admission/plugin/policy/validating/typechecking.go and to checker/errors.go of cel-go.
"""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from understudy.kinds.admission import Variable
from understudy.operators.policystatus import library
from understudy.operators.policystatus.descriptors import PACKAGE, Messages
from understudy.operators.policystatus.shapes import NAMESPACE, REQUEST, ListOf, MapOf, Shape, Struct

PACKAGES = ("cel_expr_python", "google.protobuf")
_STATUS = re.compile(r"\A[A-Z_]+: |\s*\[[A-Z_]+\]\Z")
_UNKNOWN = "undeclared reference to '"
_FOLLOWS = "'*error*'"
"""In an issue that is there only because of one before it; cel-go keeps those to itself."""
_CALL = re.compile(
    r"(?P<before>found no matching overload for '(?P<name>\w+)' applied to ')\((?P<arguments>.*)\)"
    r"(?P<after>'\n \| (?P<source>.*)\n \| (?P<dots>\.*)\^)"
)
_WORDS = (
    (re.compile(r"undefined field '([^']*)' not found in struct '[^']*'"), r"undefined field '\1'"),
    (
        re.compile(r"expression of type '([^']*)' cannot be the operand of a select operation"),
        r"type '\1' does not support field selection",
    ),
    (re.compile(r"cannot be the range of a comprehension"), "cannot be range of a comprehension"),
    (re.compile(r"\bgoogle\.protobuf\.Timestamp\b"), "timestamp"),
    (re.compile(r"\bgoogle\.protobuf\.Duration\b"), "duration"),
    (re.compile(r"\bnull_type\b"), "null"),
    (re.compile(r"optional_type<[^()]*>\("), "optional_type("),
)
"""C++'s words, and Go's."""


def is_available() -> bool:
    """Whether the library is installed."""
    try:
        return all(find_spec(name) is not None for name in PACKAGES)
    except ModuleNotFoundError:
        return False


class Checker:
    """For expressions about one kind of object, with one kind of parameters (None: none, or not known)."""

    def __init__(self, subject: Shape, params: Shape | None, variables: Sequence[Variable]) -> None:
        from cel_expr_python import cel  # type: ignore[import-untyped]

        self._cel = cel
        messages = Messages()
        shapes = {"object": subject, "oldObject": subject, "request": REQUEST, "namespaceObject": NAMESPACE}
        if params is not None:
            shapes["params"] = params
        declared = {id(shape): self._type(shape, messages) for shape in shapes.values()}
        self._declared = {name: declared[id(shape)] for name, shape in shapes.items()}
        self._declared["authorizer"] = _opaque(cel, "Authorizer")
        self._declared["authorizer.requestResource"] = _opaque(cel, "ResourceCheck")
        self._names, self._pool = messages.names, messages.pool()
        self._config = cel.NewEnvConfigFromYaml(json.dumps(library.config()))
        self._env = self._environment()
        for variable in variables:
            self._declared[f"variables.{variable.name}"] = self._answers(variable.expression)
            self._env = self._environment()

    def issues(self, expression: str) -> str:
        """What is wrong with the types in `expression`; "" if nothing is, or if this library cannot tell."""
        try:
            self._env.compile(expression)
        except RuntimeError as error:
            return _in_gos_words(str(error), self._names)
        return ""

    def _environment(self) -> Any:
        return self._cel.NewEnv(self._pool, config=self._config, variables=self._declared)

    def _answers(self, expression: str) -> Any:
        """The type of a variable; dynamic if it cannot be told."""
        try:
            found = self._env.compile(expression).return_type()
        except RuntimeError:
            return self._cel.Type.DYN
        return self._cel.Type.DYN if "optional_type" in found.name() else found

    def _type(self, shape: Shape, messages: Messages) -> Any:
        of = self._cel.Type
        if isinstance(shape, Struct):
            return of(messages.declare(shape))
        if isinstance(shape, ListOf):
            return of.List(self._type(shape.of, messages))
        if isinstance(shape, MapOf):
            return of.Map(of.STRING, self._type(shape.of, messages))
        return getattr(of, shape.upper())


def _opaque(cel: Any, name: str) -> Any:
    return cel.Type.AbstractType(library.SHORT[name])


def _in_gos_words(said: str, names: Mapping[str, str]) -> str:
    """The issues as cel-go writes them; "" if a name is unknown here, which the API server has let pass."""
    text = _STATUS.sub("", said)
    if not text.startswith("ERROR: ") or _UNKNOWN in text:
        return ""
    text = "\n".join(each for each in re.split(r"\n(?=ERROR: )", text) if _FOLLOWS not in each)
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    text = _CALL.sub(_as_method, text)
    return re.sub(rf"\b{PACKAGE}\.T\d+\b", lambda found: names.get(found[0], found[0]), text)


def _as_method(found: "re.Match[str]") -> str:
    """A call of a method names what it is called on before the arguments: `string.(int)`."""
    called = found["source"][: len(found["dots"])].rstrip()
    if not called.removesuffix(found["name"]).endswith("."):
        return found[0]
    first = _first_of(found["arguments"])
    rest = found["arguments"][len(first) :].removeprefix(", ")
    return f"{found['before']}{first}.({rest}){found['after']}"


def _first_of(arguments: str) -> str:
    """The first of some types, which may have types in brackets themselves."""
    depth = 0
    for position, letter in enumerate(arguments):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            return arguments[:position]
    return arguments
