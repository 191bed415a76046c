"""JSON byte for byte as Go prints it: vectors printed by Go's encoding/json, and what must hold for every value."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from understudy.values import gojson

VALUE = {
    "b": [1, True, None, {}],
    "a": '<&>\u2028\u2029\x01\b\f\n\r\t\x7f"\\/é😀',
    "é": -9223372036854775808,
    "Z": {"y": "", "x": []},
    "$patch": "replace",
    "\uffff": 1,
    "😀": 2,
}
PRINTED_BY_GO = (
    '{"$patch":"replace","Z":{"x":[],"y":""},'
    '"a":"\\u003c\\u0026\\u003e\\u2028\\u2029\\u0001\\b\\f\\n\\r\\t\x7f\\"\\\\/é😀",'
    '"b":[1,true,null,{}],"é":-9223372036854775808,"\uffff":1,"😀":2}'
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def test_the_bytes_are_those_of_go() -> None:
    assert gojson.encode(VALUE) == PRINTED_BY_GO.encode()


@given(VALUES)
def test_it_is_json_without_the_characters_go_escapes(value: Any) -> None:
    text = gojson.encode(value).decode()
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029\n")


@given(st.dictionaries(TEXTS, st.integers(), min_size=2))
def test_the_order_of_keys_is_that_of_their_bytes(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert gojson.encode(value) == gojson.encode(backwards)
    assert list(json.loads(gojson.encode(backwards))) == sorted(value, key=str.encode)
