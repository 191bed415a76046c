"""Label keys and values, as the API server accepts them."""

import pytest

from understudy.values import label_syntax


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "A",
        "app",
        "pod-template-hash",
        "a.b_c-d",
        "1",
        "a" * 63,
        "example.com/app",
        "a/b",
        "x-1.y/Z_9",
        "a" * 253 + "/b",
    ],
)
def test_keys(key: str) -> None:
    assert label_syntax.is_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "-a",
        "a-",
        "_",
        "a b",
        "a" * 64,
        "/a",
        "a/",
        "a/b/c",
        "Example.com/a",
        "a..b/c",
        "-a/b",
        "ä",
        "a\n",
        "a" * 254 + "/b",
    ],
)
def test_what_is_no_key(key: str) -> None:
    assert not label_syntax.is_key(key)


@pytest.mark.parametrize("value", ["", "a", "A.b_c-9", "a" * 63])
def test_values(value: str) -> None:
    assert label_syntax.is_value(value)


@pytest.mark.parametrize("value", [" ", "-5", "a.", "a/b", "a" * 64, "a\n"])
def test_what_is_no_value(value: str) -> None:
    assert not label_syntax.is_value(value)
