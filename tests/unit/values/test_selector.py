"""Label selectors from the API's form, from maps and from text, against a plain reading of the rules."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import selector
from understudy.values.selector import EVERYTHING, NOTHING, Selector

KEYS = st.sampled_from(["a", "b", "in", "example.com/c"])
VALUES = st.sampled_from(["", "x", "y", "notin", "5"])
LABELS = st.dictionaries(KEYS, VALUES)
WITH_VALUES = st.fixed_dictionaries(
    {"key": KEYS, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(VALUES, min_size=1, max_size=3)}
)
WITHOUT = st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])})
SPECS = st.fixed_dictionaries({"matchLabels": LABELS, "matchExpressions": st.lists(WITH_VALUES | WITHOUT, max_size=3)})


def plainly_matches(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """The rules of the API reference, word by word."""
    holds = [key in labels and labels[key] == value for key, value in spec["matchLabels"].items()]
    for each in spec["matchExpressions"]:
        there, listed = each["key"] in labels, labels.get(each["key"], "") in each.get("values", [])
        match each["operator"]:
            case "In":
                holds.append(there and listed)
            case "NotIn":
                holds.append(not there or not listed)
            case "Exists":
                holds.append(there)
            case "DoesNotExist":
                holds.append(not there)
    return all(holds)


@given(SPECS, LABELS)
def test_specs_match_by_the_rules(spec: dict[str, Any], labels: dict[str, str]) -> None:
    assert selector.from_spec(spec).matches(labels) is plainly_matches(spec, labels)


@given(SPECS)
def test_text_and_back_is_the_same_selector(spec: dict[str, Any]) -> None:
    made = selector.from_spec(spec)
    assert selector.parse(str(made)) == made
    assert hash(selector.parse(str(made))) == hash(made)


@given(LABELS, LABELS)
def test_maps_match_supersets(wanted: dict[str, str], labels: dict[str, str]) -> None:
    assert selector.from_map(wanted).matches(labels) is (wanted.items() <= labels.items())


@given(SPECS, LABELS)
def test_a_selector_is_the_and_of_its_requirements(spec: dict[str, Any], labels: dict[str, str]) -> None:
    made = selector.from_spec(spec)
    assert made.matches(labels) is all(each.matches(labels) for each in made.requirements)


@pytest.mark.parametrize(("value", "expected"), [("x", True), ("y", True), ("z", False)])
def test_in_takes_any_of_its_values(value: str, expected: bool) -> None:
    spec = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}
    assert selector.from_spec(spec).matches({"a": value}) is expected


def test_no_selector_matches_nothing_and_an_empty_one_everything() -> None:
    for labels in ({}, {"a": "x"}):
        assert not selector.from_spec(None).matches(labels)
        assert selector.from_spec({}).matches(labels)
        assert selector.from_spec({"matchLabels": None, "matchExpressions": None}).matches(labels)
        assert selector.from_map(None).matches(labels)
    assert NOTHING != EVERYTHING
    assert EVERYTHING.is_everything()
    assert not NOTHING.is_everything()
    assert not selector.from_map({"a": "x"}).is_everything()


def test_equal_selectors_are_one_key_of_an_index() -> None:
    index: dict[Selector, str] = {selector.from_map({"b": "1", "a": "2"}): "first"}
    assert index[selector.from_spec({"matchLabels": {"a": "2", "b": "1"}})] == "first"
    assert index[selector.parse("b=1,a=2")] == "first"


def test_selectors_are_immutable() -> None:
    with pytest.raises(AttributeError):
        EVERYTHING.nothing = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "Equals", "values": ["x"]}, "'Equals' is not a valid label selector operator"),
        ({"key": "a", "operator": "Gt", "values": ["1"]}, "'Gt' is not a valid label selector operator"),
        ({"key": "a"}, "None is not a valid label selector operator"),
        ({"key": "a", "operator": "In", "values": None}, "can't be empty"),
        ({"operator": "Exists"}, "'' is not a label key"),
    ],
)
def test_invalid_expressions(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selector.from_spec({"matchExpressions": [expression]})


def test_invalid_match_labels() -> None:
    with pytest.raises(ValueError, match="'no good' is not a label value"):
        selector.from_spec({"matchLabels": {"a": "no good"}})


def test_maps_are_trusted() -> None:
    assert selector.from_map({"a": "no good"}).matches({"a": "no good"})


# text, Selector.String
SPELLINGS = [
    ("", ""),
    (" \t\r\n", ""),
    ("a", "a"),
    ("!a", "!a"),
    ("! a", "!a"),
    ("a=b", "a=b"),
    ("a = b", "a=b"),
    ("a==b", "a==b"),
    ("a=", "a="),
    ("a=,b", "a=,b"),
    ("b=1,a=2", "a=2,b=1"),
    ("a!=b", "a!=b"),
    ("a>1,a<5", "a>1,a<5"),
    ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
    ("a in (,)", "a in ()"),
    ("a in (x,)", "a in (,x)"),
    ("a in(x)", "a in (x)"),
    ("in in (in,notin)", "in in (in,notin)"),
    ("notin=in", "notin=in"),
    ("example.com/a=b", "example.com/a=b"),
    ("a=b,c!=d,e in (x,y),!f,g", "a=b,c!=d,e in (x,y),!f,g"),
]


@pytest.mark.parametrize(("text", "written"), SPELLINGS)
def test_parse(text: str, written: str) -> None:
    assert str(selector.parse(text)) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",", "found ',', expected: identifier"),
        ("a,", "found '', expected: identifier"),
        ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a===b", "found '=', expected: identifier"),
        ("a=!b", "found '!', expected: identifier"),
        ("a in x", r"found 'x', expected: '\('"),
        ("a in (x", r"found '', expected: ',' or '\)'"),
        ("a in (x y)", r"found 'y', expected: ',' or '\)'"),
        ("a in (=)", "found '=', expected: identifier"),
        ("a in", r"found '', expected: '\('"),
        ("!", "found '', expected: identifier"),
        ("a>x", "must be an integer"),
        ("a>", "must be an integer"),
        ("a=b/c", "'b/c' is not a label value"),
        ("-a", "'-a' is not a label key"),
    ],
)
def test_what_cannot_be_parsed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        selector.parse(text)
    assert str(caught.value).startswith(f"unable to parse label selector {text!r}: ")


@given(st.text(alphabet="ab=!(),<> in", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        made = selector.parse(text)
    except ValueError:
        return
    assert selector.parse(str(made)) == made
