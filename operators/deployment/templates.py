"""Which ReplicaSet carries the Deployment's pod template.

Asked once for each ReplicaSet and decision, so an answer must be cheap: most templates are the very same JSON, most
others differ in something that has only one spelling (an image, an annotation), and the careful comparison is left
for the rest. Answers to `FindNewReplicaSet` and `EqualIgnoreHash` in pkg/controller/deployment/util/deployment_util.go.
"""

import re
from collections.abc import Sequence
from typing import Any

from understudy.kinds.apps import ReplicaSet
from understudy.kinds.core import Template
from understudy.values import hashes
from understudy.values.hashes import POD_TEMPLATE_HASH

_QUANTITY = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+|[a-zA-Z]i?)?")


def find_new(template: Template, oldest_first: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of this template; where there are several, the oldest."""
    return next((each for each in oldest_first if same_template(template, each.spec.template)), None)


def same_template(template: Template, other: Template) -> bool:
    """Whether they describe the same pods, whatever their pod-template-hash labels say."""
    if surely_differ(template.get("spec"), other.get("spec")):
        return False
    first, second = without_hash(template), without_hash(other)
    if first == second:
        return True
    return not surely_differ(first, second) and hashes.equal_ignoring_hash(first, second)


def without_hash(template: Template) -> Template:
    """The template without its pod-template-hash label; itself if it has none."""
    metadata = template.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if POD_TEMPLATE_HASH not in labels:
        return template
    kept = {key: value for key, value in labels.items() if key != POD_TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": kept}}


def surely_differ(first: Any, second: Any) -> bool:
    """Whether there is a difference that no other spelling of the same value explains. False only means: look closer.

    Quantities ("1" and "1000m") and empty values (null, {} and missing) have many spellings.
    """
    if first is None or second is None:
        return _is_something(second if first is None else first)
    if type(first) is dict and type(second) is dict:
        return _dicts_differ(first, second)
    if type(first) is list and type(second) is list:
        return len(first) != len(second) or _lists_differ(first, second)
    return first != second and _has_one_spelling(first) and _has_one_spelling(second)


def _dicts_differ(first: dict[str, Any], second: dict[str, Any]) -> bool:
    for key, value in first.items():
        other = second.get(key)
        if value != other and surely_differ(value, other):
            return True
    return any(_is_something(second[key]) for key in second.keys() - first.keys())


def _lists_differ(first: list[Any], second: list[Any]) -> bool:
    pairs = zip(first, second, strict=True)
    return any(value != other and surely_differ(value, other) for value, other in pairs)


def _is_something(value: Any) -> bool:
    """Whether it surely differs from nothing at all."""
    if isinstance(value, dict):
        return any(map(_is_something, value.values()))
    if isinstance(value, list):
        return any(map(_is_something, value))
    return _has_one_spelling(value)


def _has_one_spelling(value: Any) -> bool:
    return isinstance(value, str) and value != "" and _QUANTITY.fullmatch(value) is None
