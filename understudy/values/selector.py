"""Label selectors: which objects a loop, a Service or a budget is about.

Every loop that owns or counts Pods calls this. It answers to `apimachinery/pkg/labels/selector.go` for
matching and spelling, and to `LabelSelectorAsSelector` in `apimachinery/pkg/apis/meta/v1/helpers.go` for
the API's own form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from understudy.values import requirement, selector_text
from understudy.values.requirement import TESTS, Operator, Requirement, Test

_OPERATORS: Mapping[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
_EXACT = ("=", "==", "in")


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold, sorted by key. `nothing` selectors match no labels at all.

    Equal selectors have the same hash, so that they can be keys of an index.
    """

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    _exact: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _others: tuple[tuple[str, Test, tuple[str, ...]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Most selectors are a few "key=value": those are compared without a call each.
        single = [each for each in self.requirements if _is_exact(each)]
        others = [each for each in self.requirements if not _is_exact(each)]
        object.__setattr__(self, "_exact", tuple((each.key, each.values[0]) for each in single))
        tests = tuple((each.key, TESTS[each.operator], each.values) for each in others)
        object.__setattr__(self, "_others", tests)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every requirement holds for these labels."""
        get = labels.get
        for key, value in self._exact:
            if get(key) != value:
                return False
        for key, test, values in self._others:
            if not test(get(key), values):
                return False
        return not self.nothing

    def is_everything(self) -> bool:
        """Whether it restricts nothing, as `Selector.Empty`."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        """As kubectl's --selector takes it; empty for everything and, as upstream's, for nothing too."""
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def of(requirements: Iterable[Requirement]) -> Selector:
    """A selector of these requirements, sorted by key."""
    return Selector(tuple(sorted(requirements, key=_key)))


def from_map(labels: Mapping[str, str] | None) -> Selector:
    """The selector of a Service, as `labels.SelectorFromSet`; an empty one matches everything."""
    return of(Requirement(key, "=", (value,)) for key, value in (labels or {}).items())


def from_spec(spec: Mapping[str, Any] | None) -> Selector:
    """A LabelSelector, as `LabelSelectorAsSelector`: None matches nothing, {} everything.

    ValueError if an expression is invalid.
    """
    if spec is None:
        return NOTHING
    labels = (spec.get("matchLabels") or {}).items()
    exact = [requirement.new(key, "=", (value,)) for key, value in labels]
    return of([*exact, *map(_from_expression, spec.get("matchExpressions") or ())])


def parse(text: str) -> Selector:
    """A selector as kubectl takes it: "a=b,c!=d,e in (x,y),!f,g". ValueError if it cannot be read."""
    return of(selector_text.parse(text))


def _from_expression(expression: Mapping[str, Any]) -> Requirement:
    operator = _OPERATORS.get(expression.get("operator", ""))
    if operator is None:
        raise ValueError(
            f"{expression.get('operator')!r} is not a valid label selector operator: use one of {', '.join(_OPERATORS)}"
        )
    return requirement.new(expression.get("key", ""), operator, expression.get("values") or ())


def _is_exact(each: Requirement) -> bool:
    return each.operator in _EXACT and len(each.values) == 1


def _key(each: Requirement) -> str:
    return each.key
