"""Node selectors: the terms of node affinity and of a volume's node affinity.

The scheduler, the DaemonSet loop and the volume loops call this. It answers to
`component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go`: terms are ORed, the parts of a term
ANDed, an empty term matches no node, and a term that cannot be read matches none and spoils no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.values import requirement, selector
from understudy.values.requirement import Operator, Requirement
from understudy.values.selector import Selector

_OPERATORS: Mapping[str, Operator] = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
    "Gt": "gt",
    "Lt": "lt",
}
_NAME_FIELD = "metadata.name"


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """A field that must, or must not, have a value."""

    key: str
    value: str
    equal: bool

    def matches(self, name: str) -> bool:
        """Whether a node of this name satisfies it; `metadata.name` is the only field a node has."""
        return ((name if self.key == _NAME_FIELD else "") == self.value) is self.equal


@dataclass(frozen=True, slots=True)
class Term:
    """Labels and fields that must all match; a term without either matches nothing."""

    labels: Selector
    fields: tuple[FieldRequirement, ...]

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        """Whether a node with these labels and this name matches."""
        return self.labels.matches(labels) and all(each.matches(name) for each in self.fields)


@dataclass(frozen=True, slots=True)
class NodeSelector:
    """Terms of which one must match; `errors` tells of those that could not be read."""

    terms: tuple[Term, ...]
    errors: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        """Whether a node with these labels and this name matches any term."""
        return any(term.matches(labels, name) for term in self.terms)


def from_spec(spec: Mapping[str, Any]) -> NodeSelector:
    """A NodeSelector (`nodeSelectorTerms`), as `NewLazyErrorNodeSelector`. Raises nothing: see `errors`."""
    terms, errors = [], []
    for position, each in enumerate(spec.get("nodeSelectorTerms") or ()):
        try:
            terms.append(term(each))
        except ValueError as error:
            errors.append(f"nodeSelectorTerms[{position}]: {error}")
    return NodeSelector(tuple(terms), tuple(errors))


def term(spec: Mapping[str, Any]) -> Term:
    """A NodeSelectorTerm, also that of a preferred scheduling term. ValueError if it is invalid."""
    expressions, fields = spec.get("matchExpressions") or (), spec.get("matchFields") or ()
    if not expressions and not fields:
        return Term(selector.NOTHING, ())
    return Term(selector.of(map(_label, expressions)), tuple(map(_field, fields)))


def _label(expression: Mapping[str, Any]) -> Requirement:
    return requirement.new(expression.get("key", ""), _operator(expression), expression.get("values") or ())


def _operator(expression: Mapping[str, Any]) -> Operator:
    operator = _OPERATORS.get(expression.get("operator", ""))
    if operator is None:
        raise ValueError(
            f"{expression.get('operator')!r} is not a valid node selector operator: use one of {', '.join(_OPERATORS)}"
        )
    return operator


def _field(expression: Mapping[str, Any]) -> FieldRequirement:
    key, operator = expression.get("key", ""), expression.get("operator")
    values: Sequence[str] = expression.get("values") or ()
    if operator not in ("In", "NotIn"):
        raise ValueError(f"field {key!r}: {operator!r} is not a valid field operator: use In or NotIn")
    if len(values) != 1:
        raise ValueError(f"field {key!r}: values must have one element")
    return FieldRequirement(key, values[0], operator == "In")
