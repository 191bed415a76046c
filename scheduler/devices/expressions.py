"""Selectors of devices: CEL expressions over a device's driver, attributes and capacity.

The library is an extra (`cel`) and loaded at the first expression: without it, claims whose classes select devices wait
and say so. Quantities and versions, which the library has not, are strings here with a mark before them that no
attribute can begin with; a domain that a device has nothing of is an empty map, as upstream has it. Called by
`pools`. Answers to k8s.io/dynamic-resource-allocation cel/compile.go and to the quantity and semver libraries of
k8s.io/apiserver.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from understudy.scheduler.devices.kinds import Attribute, Device
from understudy.values import quantity

MISSING = "device selectors need the Python package cel-expr-python (the extra `cel`), which is not installed"
QUANTITY, VERSION = "\x01quantity:", "\x01version:"
_LITERAL = re.compile(r"""r?(["'])((?:\\.|(?!\1).)*)\1""")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")

Answer = bool | str
"""Whether a device matches; a text says why that cannot be told."""


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether expressions can be read at all."""
    try:
        from cel_expr_python import cel  # type: ignore[import-untyped] # noqa: F401 - an extra, and 30 MB
    except ImportError:
        return False
    return True


def matches(expression: str, driver: str, device: Device) -> Answer:
    """Whether the device is what the expression selects."""
    program = _compiled(expression)
    return program if isinstance(program, str) else program(driver, device)


Program = Callable[[str, Device], Answer]


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Program | str:
    """The expression, ready to be asked about devices; why it cannot be read, if so."""
    if not available():
        return MISSING
    try:
        compiled = _environment().compile(expression)
    except RuntimeError as error:
        return f"CEL compile error: {_first_line(error)}"
    returned = compiled.return_type().name()
    if returned not in ("BOOL", "bool", "DYN", "dyn"):
        return f"CEL compile error: must evaluate to bool or the unknown type, not {returned.lower()}"
    domains = frozenset(text for _, text in _LITERAL.findall(expression))

    def run(driver: str, device: Device) -> Answer:
        value = compiled.eval(data={"device": _input(driver, device, domains)})
        found = value.value()
        if isinstance(found, bool):
            return found
        if value.type().name() == "ERROR":
            return f"CEL runtime error: {_first_line(found)}"
        return f"CEL runtime error: a result of type {value.type().name().lower()} could not be converted to bool"

    return run


def _input(driver: str, device: Device, domains: frozenset[str]) -> Mapping[str, Any]:
    """The device as expressions see it, with an empty map for each domain they may ask for."""
    attributes: dict[str, dict[str, Any]] = {domain: {} for domain in domains}
    capacity: dict[str, dict[str, Any]] = {domain: {} for domain in domains}
    for name, attribute in device.attributes.items():
        domain, key = _split(name, driver)
        attributes.setdefault(domain, {})[key] = _value(attribute)
    for name, amount in device.capacity.items():
        domain, key = _split(name, driver)
        capacity.setdefault(domain, {})[key] = _quantity(amount.value)
    return {"driver": driver, "attributes": attributes, "capacity": capacity}


def _split(name: str, driver: str) -> tuple[str, str]:
    domain, separator, key = name.partition("/")
    return (domain, key) if separator else (driver, name)


def _value(attribute: Attribute) -> Any:
    if attribute.version is not None:
        return VERSION + attribute.version
    return next((each for each in (attribute.integer, attribute.boolean, attribute.string) if each is not None), None)


def _quantity(text: str) -> str:
    return f"{QUANTITY}{quantity.nanos(text)}"


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


# The functions of quantities and versions


@lru_cache(maxsize=1)
def _environment() -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import (  # type: ignore[import-untyped]
        ext_bindings,
        ext_math,
        ext_optional,
        ext_strings,
    )

    text, truth, number = cel.Type.STRING, cel.Type.BOOL, cel.Type.INT

    def member(name: str, returned: Any, impl: Callable[..., Any], *more: Any) -> Any:
        identity = f"understudy_{name}_{len(more)}_{'_'.join(each.name().lower() for each in more)}"
        return name, cel.Overload(identity, returned, [text, *more], is_member=True, impl=impl)

    def plain(name: str, returned: Any, impl: Callable[..., Any]) -> Any:
        return name, cel.Overload(f"understudy_{name}", returned, [text], is_member=False, impl=impl)

    overloads = [
        plain("quantity", text, _quantity),
        plain("isQuantity", truth, _is_quantity),
        plain("semver", text, _version),
        plain("isSemver", truth, _is_version),
        member("compareTo", number, _compare, text),
        member("isGreaterThan", truth, lambda one, other: _compare(one, other) > 0, text),
        member("isLessThan", truth, lambda one, other: _compare(one, other) < 0, text),
        member("sign", number, lambda one: (_nanos(one) > 0) - (_nanos(one) < 0)),
        member("isInteger", truth, lambda one: _nanos(one) % 10**9 == 0),
        member("asInteger", number, _whole),
        member("asApproximateFloat", cel.Type.DOUBLE, lambda one: _nanos(one) / 10**9),
        member("add", text, lambda one, other: f"{QUANTITY}{_nanos(one) + _nanos(other)}", text),
        member("sub", text, lambda one, other: f"{QUANTITY}{_nanos(one) - _nanos(other)}", text),
        member("add", text, lambda one, other: f"{QUANTITY}{_nanos(one) + other * 10**9}", number),
        member("sub", text, lambda one, other: f"{QUANTITY}{_nanos(one) - other * 10**9}", number),
        member("major", number, lambda one: _parts(one)[0]),
        member("minor", number, lambda one: _parts(one)[1]),
        member("patch", number, lambda one: _parts(one)[2]),
    ]
    names = dict.fromkeys(name for name, _ in overloads)
    functions = [cel.FunctionDecl(name, [each for named, each in overloads if named == name]) for name in names]
    extensions = [ext_strings.ExtStrings(), ext_bindings.ExtBindings(), ext_optional.ExtOptional(), ext_math.ExtMath()]
    variables = {"device": cel.Type.Map(text, cel.Type.DYN)}
    return cel.NewEnv(variables=variables, functions=functions, extensions=extensions)


def _is_quantity(text: str) -> bool:
    try:
        quantity.nanos(text)
    except ValueError:
        return False
    return True


def _nanos(marked: str) -> int:
    if not marked.startswith(QUANTITY):
        raise ValueError("no such overload")
    return int(marked.removeprefix(QUANTITY))


def _whole(marked: str) -> int:
    whole, rest = divmod(_nanos(marked), 10**9)
    if rest:
        raise ValueError("cannot convert value to integer")
    return whole


def _compare(one: str, other: str) -> int:
    if one.startswith(VERSION) and other.startswith(VERSION):
        return _compare_versions(_parts(one), _parts(other))
    left, right = _nanos(one), _nanos(other)
    return (left > right) - (left < right)


def _version(text: str) -> str:
    if not _is_version(text):
        raise ValueError(f"{text!r} is not a semantic version")
    return VERSION + text


def _is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None


Parts = tuple[int, int, int, str]


def _parts(marked: str) -> Parts:
    """Major, minor, patch and pre-release of a version."""
    found = _VERSION.fullmatch(marked.removeprefix(VERSION)) if marked.startswith(VERSION) else None
    if found is None:
        raise ValueError("no such overload")
    return int(found[1]), int(found[2]), int(found[3]), found[4] or ""


def _compare_versions(one: Parts, other: Parts) -> int:
    """A pre-release comes before its release; its parts are compared one by one, numbers before words."""
    left, right = (*one[:3], not one[3], _ranks(one[3])), (*other[:3], not other[3], _ranks(other[3]))
    return (left > right) - (left < right)


def _ranks(release: str) -> list[tuple[int, int, str]]:
    return [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in release.split(".")] if release else []
