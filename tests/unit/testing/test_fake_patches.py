"""The patch formats on plain data: RFC 7386, RFC 6902, and the strategic merge with its lists."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ApiError
from understudy.testing.fake_patch import applier, json_patch, merge, strategic_merge

Json = dict[str, Any]
documents = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("abc", max_size=2), documents, max_size=4)


class TestMerge:
    @pytest.mark.parametrize(
        ("target", "patch", "result"),
        [
            ({"a": "b"}, {"a": "c"}, {"a": "c"}),
            ({"a": "b"}, {"a": None}, {}),
            ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
            ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
            ({"a": "foo"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ],
    )
    def test_examples_of_the_rfc(self, target: Json, patch: Json, result: Json) -> None:
        assert merge(target, patch) == result

    @given(objects, objects)
    def test_twice_is_once(self, target: Json, patch: Json) -> None:
        once = merge(target, patch)
        assert merge(once, patch) == once

    @given(objects, objects)
    def test_what_the_patch_names_is_there(self, target: Json, patch: Json) -> None:
        assert patch.keys() <= merge(target, patch).keys()


class TestStrategic:
    def test_merges_lists_by_key(self) -> None:
        target = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
        patch = {"containers": [{"name": "b", "image": "2"}]}
        assert strategic_merge(target, patch) == {
            "containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]
        }

    def test_new_items_come_first_and_server_items_keep_their_place(self) -> None:
        target = {"conditions": [{"type": "A"}, {"type": "B"}]}
        patched = strategic_merge(target, {"conditions": [{"type": "X"}, {"type": "B", "status": "True"}]})
        assert [each["type"] for each in patched["conditions"]] == ["X", "A", "B"]

    def test_deletes_and_replaces_on_request(self) -> None:
        target = {"conditions": [{"type": "A"}, {"type": "B"}], "m": {"a": 1}}
        deleted = strategic_merge(
            target, {"conditions": [{"$patch": "delete", "type": "A"}], "m": {"$patch": "replace"}}
        )
        assert deleted == {"conditions": [{"type": "B"}], "m": {}}
        replaced = strategic_merge(target, {"conditions": [{"$patch": "replace"}, {"type": "C"}]})
        assert replaced["conditions"] == [{"type": "C"}]

    def test_other_lists_are_replaced(self) -> None:
        assert strategic_merge({"args": ["a"]}, {"args": ["b"]}) == {"args": ["b"]}

    def test_finalizers_are_a_set(self) -> None:
        target = {"finalizers": ["a", "b"]}
        assert strategic_merge(target, {"finalizers": ["c", "a"]}) == {"finalizers": ["c", "a", "b"]}
        assert strategic_merge(target, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {"finalizers": ["b"]}

    def test_ports_have_two_keys(self) -> None:
        containers = strategic_merge({"ports": [{"containerPort": 1}]}, {"ports": [{"containerPort": 1, "name": "x"}]})
        services = strategic_merge({"ports": [{"port": 1}]}, {"ports": [{"port": 1, "name": "x"}]})
        assert containers == {"ports": [{"containerPort": 1, "name": "x"}]}
        assert services == {"ports": [{"port": 1, "name": "x"}]}

    def test_kubectl_directives_do_not_enter_the_object(self) -> None:
        patch = {
            "$setElementOrder/containers": [{"name": "a"}],
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
        }
        target = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}
        assert strategic_merge(target, patch) == {"strategy": {"type": "Recreate"}}

    def test_an_item_without_its_key_is_refused(self) -> None:
        with pytest.raises(ApiError, match="merge key"):
            strategic_merge({"conditions": []}, {"conditions": [{"status": "True"}]})


class TestJsonPatch:
    @pytest.mark.parametrize(
        ("operation", "result"),
        [
            ({"op": "add", "path": "/b", "value": 2}, {"a": [1, 2], "b": 2}),
            ({"op": "add", "path": "/a/0", "value": 0}, {"a": [0, 1, 2]}),
            ({"op": "add", "path": "/a/-", "value": 3}, {"a": [1, 2, 3]}),
            ({"op": "remove", "path": "/a/0"}, {"a": [2]}),
            ({"op": "replace", "path": "/a", "value": {}}, {"a": {}}),
            ({"op": "add", "path": "/x~1y~0", "value": 1}, {"a": [1, 2], "x/y~": 1}),
            ({"op": "test", "path": "/a/1", "value": 2}, {"a": [1, 2]}),
        ],
    )
    def test_operations(self, operation: Json, result: Json) -> None:
        assert json_patch({"a": [1, 2]}, [operation]) == result

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "remove", "path": "/b"},
            {"op": "replace", "path": "/b", "value": 1},
            {"op": "replace", "path": "/a/5", "value": 1},
            {"op": "add", "path": "/b/c", "value": 1},
            {"op": "test", "path": "/a/1", "value": 9},
            {"op": "dance", "path": "/a"},
            {"path": "/a"},
            {"op": "add", "path": "/a/x", "value": 1},
        ],
    )
    def test_what_does_not_fit_is_unprocessable(self, operation: Json) -> None:
        with pytest.raises(ApiError) as caught:
            json_patch({"a": [1, 2]}, [operation])
        assert caught.value.status == 422

    def test_must_be_a_list(self) -> None:
        with pytest.raises(ApiError) as caught:
            json_patch({}, {})
        assert caught.value.status == 400


def test_content_types_may_have_parameters() -> None:
    assert applier("application/merge-patch+json; charset=utf-8", strategic=False)({}, {"a": 1}) == {"a": 1}
