"""Resource quantities ("250m", "1.5Gi", "12e6"), computed on integers.

Whoever reads requests, limits, capacities or quotas calls this: the scheduler, the quota and volume loops,
the pod template hash. It answers to `apimachinery/pkg/api/resource/quantity.go`: every quantity is a whole
number of nano-units (finer ones round away from zero), so that one integer holds it and nothing is ever a
float.

Three deliberate differences from upstream. A number needs a digit (upstream reads "+" and "Ki" as zero).
`value` and `milli` stop at the int64 limits, where upstream's turn to 0 or wrap: a pod that asks for "10E"
of memory must not count for nothing. And `canonical` also tidies the odd spellings that upstream hands back
as it got them ("+1", "1.500").
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Literal

Form = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_INT64_MAX = 2**63 - 1
_NANO = 10**9
_GRAMMAR = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)\.?(?P<fraction>[0-9]*)"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]+))?"
)
_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIX = ["", *_BINARY]
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
# Far beyond any int64, near enough to keep 10**exponent cheap: the text may come from anyone.
_EXPONENT_LIMIT = 9999


def nanos(text: str | float) -> int:
    """The quantity in billionths, rounded away from zero. ValueError if it is not a quantity."""
    return _parse(text)[0]


def form(text: str | float) -> Form:
    """The family of suffixes the quantity was written in, as `Quantity.Format`. ValueError as in `nanos`."""
    return _parse(text)[1]


def exact(text: str | float) -> Fraction:
    """The quantity as an exact fraction, as `Quantity.AsDec`. ValueError as in `nanos`."""
    return Fraction(nanos(text), _NANO)


def value(text: str | float) -> int:
    """The quantity in whole units (bytes, pods), rounded away from zero, as `Quantity.Value`."""
    return _saturated(_divide_away(nanos(text), _NANO))


def milli(text: str | float) -> int:
    """The quantity in thousandths (cpu), rounded away from zero, as `Quantity.MilliValue`."""
    return _saturated(_divide_away(nanos(text), 10**6))


def compare(left: str | float, right: str | float) -> int:
    """-1, 0 or 1 as left is less than, equal to or greater than right, as `Quantity.Cmp`."""
    a, b = nanos(left), nanos(right)
    return (a > b) - (a < b)


def canonical(text: str | float) -> str:
    """The shortest whole number with the largest suffix of the same family, as `Quantity.String`."""
    return render(nanos(text), form(text))


def render(amount: int, form: Form) -> str:
    """Write an amount of nano-units in canonical form, as `Quantity.CanonicalizeBytes`.

    Binary suffixes are for whole numbers of at least 1024; anything else is written with decimal ones.
    """
    if amount == 0:
        return "0"
    if form == "BinarySI" and abs(amount) >= 1024 * _NANO and amount % _NANO == 0:
        number, power = _strip(amount // _NANO, 1024, len(_BINARY))
        return f"{number}{_BINARY_SUFFIX[power]}"
    if form == "DecimalExponent":
        number, power = _strip(amount, 1000, None)
        return f"{number}e{3 * power - 9}" if power != 3 else str(number)
    number, power = _strip(amount, 1000, len(_DECIMAL) - 1)
    return f"{number}{_DECIMAL_SUFFIX[3 * power - 9]}"


@lru_cache(maxsize=16384)
def _parse(text: str | float) -> tuple[int, Form]:
    match = _GRAMMAR.fullmatch(str(text))
    if match is None or not (match["whole"] or match["fraction"]):
        raise ValueError(
            f"{text!r} is not a quantity: write a number with an optional suffix, such as 250m, 1.5, 10k, 512Mi or 2e3"
        )
    digits = int(match["whole"] + match["fraction"])
    power = 9 - len(match["fraction"])
    if match["binary"]:
        size = _scaled(digits * _BINARY[match["binary"]], power)
        return _signed(match["sign"], min(size, _INT64_MAX * _NANO)), "BinarySI"
    if match["exponent"]:
        size = _scaled(digits, power + _bounded(int(match["exponent"])))
        return _signed(match["sign"], size), "DecimalExponent"
    return _signed(match["sign"], _scaled(digits, power + _DECIMAL[match["decimal"] or ""])), "DecimalSI"


def _scaled(number: int, power: int) -> int:
    return number * 10**power if power >= 0 else _divide_away(number, 10**-power)


def _divide_away(number: int, divisor: int) -> int:
    return -(-number // divisor) if number >= 0 else number // divisor


def _bounded(exponent: int) -> int:
    return max(-_EXPONENT_LIMIT, min(exponent, _EXPONENT_LIMIT))


def _signed(sign: str, size: int) -> int:
    return -size if sign == "-" else size


def _saturated(number: int) -> int:
    return max(-_INT64_MAX, min(number, _INT64_MAX))


def _strip(number: int, base: int, limit: int | None) -> tuple[int, int]:
    """Move factors of the base, at most `limit` of them, out of a number other than zero."""
    power = 0
    while power != limit and number % base == 0:
        number //= base
        power += 1
    return number, power
