"""Node selectors: terms ORed, their parts ANDed, invalid terms matching nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import node_selector

LABELS = {"zone": "eu-1", "cores": "8"}
NODE = "node-1"


def needs(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def matches(*terms: dict[str, Any]) -> bool:
    return node_selector.from_spec({"nodeSelectorTerms": list(terms)}).matches(LABELS, NODE)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (needs("zone", "In", "eu-1", "eu-2"), True),
        (needs("zone", "NotIn", "eu-1"), False),
        (needs("missing", "NotIn", "x"), True),
        (needs("zone", "Exists"), True),
        (needs("zone", "DoesNotExist"), False),
        (needs("cores", "Gt", "7"), True),
        (needs("cores", "Gt", "8"), False),
        (needs("cores", "Lt", "9"), True),
        (needs("zone", "Lt", "9"), False),
        (needs("missing", "Gt", "0"), False),
    ],
)
def test_expressions(expression: dict[str, Any], expected: bool) -> None:
    assert matches({"matchExpressions": [expression]}) is expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (needs("metadata.name", "In", NODE), True),
        (needs("metadata.name", "In", "node-2"), False),
        (needs("metadata.name", "NotIn", NODE), False),
        (needs("metadata.name", "NotIn", "node-2"), True),
        (needs("metadata.uid", "In", NODE), False),
        (needs("metadata.uid", "NotIn", NODE), True),
    ],
)
def test_fields(field: dict[str, Any], expected: bool) -> None:
    assert matches({"matchFields": [field]}) is expected


def test_parts_of_a_term_are_anded() -> None:
    here, away = needs("zone", "In", "eu-1"), needs("zone", "In", "us-1")
    assert matches({"matchExpressions": [here, needs("cores", "Exists")]})
    assert not matches({"matchExpressions": [here, away]})
    assert not matches({"matchExpressions": [here], "matchFields": [needs("metadata.name", "In", "node-2")]})
    assert not matches({"matchExpressions": [away], "matchFields": [needs("metadata.name", "In", NODE)]})


def test_terms_are_ored() -> None:
    here, away = needs("zone", "In", "eu-1"), needs("zone", "In", "us-1")
    assert matches({"matchExpressions": [away]}, {"matchExpressions": [here]})
    assert not matches({"matchExpressions": [away]}, {"matchExpressions": [away]})


@pytest.mark.parametrize("term", [{}, {"matchExpressions": [], "matchFields": []}, {"matchExpressions": None}])
def test_an_empty_term_matches_nothing(term: dict[str, Any]) -> None:
    assert not matches(term)
    assert node_selector.from_spec({"nodeSelectorTerms": [term]}).errors == ()


def test_no_terms_match_nothing() -> None:
    assert not matches()
    assert not node_selector.from_spec({"nodeSelectorTerms": None}).matches(LABELS, NODE)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ({"matchExpressions": [needs("zone", "Has", "x")]}, "'Has' is not a valid node selector operator"),
        ({"matchExpressions": [needs("zone", "In")]}, "can't be empty"),
        ({"matchExpressions": [needs("cores", "Gt", "many")]}, "must be an integer"),
        ({"matchFields": [needs("metadata.name", "Exists")]}, "'Exists' is not a valid field operator"),
        ({"matchFields": [needs("metadata.name", "In", "a", "b")]}, "must have one element"),
    ],
)
def test_an_invalid_term_spoils_no_other(term: dict[str, Any], message: str) -> None:
    valid = {"matchExpressions": [needs("zone", "Exists")]}
    made = node_selector.from_spec({"nodeSelectorTerms": [valid, term]})
    assert made.matches(LABELS, NODE)
    assert len(made.errors) == 1
    assert made.errors[0].startswith("nodeSelectorTerms[1]: ")
    assert message in made.errors[0]
    assert not matches(term)
    with pytest.raises(ValueError, match=message):
        node_selector.term(term)


def test_selectors_can_be_keys() -> None:
    spec = {"nodeSelectorTerms": [{"matchExpressions": [needs("zone", "In", "a", "b")]}]}
    same = {"nodeSelectorTerms": [{"matchExpressions": [needs("zone", "In", "b", "a")]}]}
    assert {node_selector.from_spec(spec)} == {node_selector.from_spec(same)}


EXPRESSIONS = st.builds(
    needs, st.sampled_from(["zone", "cores"]), st.sampled_from(["In", "NotIn"]), st.sampled_from(["eu-1", "8", "x"])
)
TERMS = st.fixed_dictionaries({"matchExpressions": st.lists(EXPRESSIONS, max_size=2)})


@given(st.lists(TERMS, max_size=3))
def test_a_selector_matches_if_one_term_alone_does(terms: list[dict[str, Any]]) -> None:
    assert matches(*terms) is any(matches(term) for term in terms)


@given(EXPRESSIONS, EXPRESSIONS)
def test_a_term_matches_if_each_part_alone_does(first: dict[str, Any], second: dict[str, Any]) -> None:
    alone = [matches({"matchExpressions": [each]}) for each in (first, second)]
    assert matches({"matchExpressions": [first, second]}) is all(alone)
