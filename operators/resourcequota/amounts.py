"""Sums of quantities by resource name: exact, and written like the first of their parts that is not zero.

Used by everything of this controller that counts. Answers to apiserver/pkg/quota/v1/resources.go (Add, Max, Equals) and
to how apimachinery/pkg/api/resource/quantity.go picks the suffixes of a sum.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from understudy.values import quantity


class Amount(NamedTuple):
    """So many billionths, written with one family of suffixes."""

    nanos: int
    form: quantity.Form

    def __str__(self) -> str:
        return quantity.render(self.nanos, self.form)


Amounts = dict[str, Amount]

ZERO = Amount(0, "DecimalSI")
ONE = Amount(10**9, "DecimalSI")


def whole(number: int) -> Amount:
    """A count of things."""
    return Amount(number * ONE.nanos, "DecimalSI")


@lru_cache(maxsize=16384)
def parse(text: str) -> Amount:
    """The amount the quantity says. ValueError if it is none."""
    return Amount(quantity.nanos(text), quantity.form(text))


def read(quantities: Mapping[str, str]) -> Amounts:
    """The amounts of a list of resources as it came."""
    return {name: parse(text) for name, text in quantities.items()}


def rounded_up(amount: Amount) -> Amount:
    """The next whole number, away from zero."""
    return Amount(-(-amount.nanos // ONE.nanos) * ONE.nanos, amount.form)


def put(total: Amounts, name: str, amount: Amount) -> None:
    """Add one amount in place."""
    held = total.get(name)
    if held is None or not held.nanos:
        total[name] = amount
    elif amount.nanos:
        total[name] = Amount(held.nanos + amount.nanos, held.form)


def add(total: Amounts, more: Mapping[str, Amount]) -> None:
    """Add all of `more` in place."""
    for name, amount in more.items():
        put(total, name, amount)


def raise_to(total: Amounts, floor: Mapping[str, Amount]) -> None:
    """Make no amount of `total` less than that of `floor`, in place."""
    for name, amount in floor.items():
        held = total.get(name)
        if held is None or amount.nanos > held.nanos:
            total[name] = amount


def same(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    """Whether both name the same resources with equal quantities, however they are written."""
    return left == right or (
        left.keys() == right.keys() and all(quantity.compare(text, right[name]) == 0 for name, text in left.items())
    )
