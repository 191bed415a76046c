"""Two normalised snapshots, and each difference as one line. Pure.

Called by `__main__`. Objects that are equal cancel out; the rest of one name is paired and compared field by field.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from tests.oracle.normal import Object, as_text

Normal = Mapping[str, list[Object]]
ABSENT = "(nothing)"
_LONG = 300


def differences(ours: Normal, upstream: Normal) -> Iterator[str]:
    """Lines such as `ReplicaSet web-h12ab .spec.replicas: ours 2, upstream 3`."""
    for kind in sorted({*ours, *upstream}):
        mine, theirs = _rest(ours.get(kind, []), upstream.get(kind, []))
        for name in sorted({*mine, *theirs}):
            for one, other in zip_longest(mine.get(name, ()), theirs.get(name, ())):
                yield from (f"{kind} {name} {line}" for line in _pair(one, other))


def _rest(ours: list[Object], upstream: list[Object]) -> tuple[dict[str, list[Object]], dict[str, list[Object]]]:
    """What is not on both sides, by name."""
    mine, theirs = Counter(map(as_text, ours)), Counter(map(as_text, upstream))
    return _by_name(ours, mine - theirs), _by_name(upstream, theirs - mine)


def _by_name(objects: list[Object], left: Counter[str]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for each in objects:
        if left[as_text(each)] > 0:
            left[as_text(each)] -= 1
            found.setdefault(_name(each), []).append(each)
    return found


def _name(each: Object) -> str:
    if "metadata" in each:
        return str(each["metadata"]["name"])
    return " ".join(str(each[key]) for key in ("about", "type", "reason", "source", "message"))


def _pair(ours: Object | None, upstream: Object | None) -> Iterator[str]:
    if ours is None:
        yield "is only upstream" + _how_often(upstream)
    elif upstream is None:
        yield "is only ours" + _how_often(ours)
    else:
        yield from _fields("", ours, upstream)


def _how_often(event: Object | None) -> str:
    return f", {event['count']} times" if event and "count" in event else ""


def _fields(at: str, ours: Any, upstream: Any) -> Iterator[str]:
    if ours == upstream:
        return
    if isinstance(ours, dict) and isinstance(upstream, dict):
        for key in sorted({*ours, *upstream}):
            yield from _fields(f"{at}.{key}", ours.get(key, ABSENT), upstream.get(key, ABSENT))
    elif isinstance(ours, list) and isinstance(upstream, list) and len(ours) == len(upstream):
        for number, (one, other) in enumerate(zip(ours, upstream, strict=True)):
            yield from _fields(f"{at}[{number}]", one, other)
    else:
        yield f"{at}: ours {_short(ours)}, upstream {_short(upstream)}"


def _short(given: Any) -> str:
    """A value for the eye: of a long list only the length."""
    text = as_text(given)
    return f"{len(given)} entries" if isinstance(given, list) and len(text) > _LONG else text
