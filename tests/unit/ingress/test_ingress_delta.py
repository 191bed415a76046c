"""What an Envoy is told: only what is new, in an order in which nothing is missing, and all of it in the end."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.proxy.ingress.envoy.delta import Request, Response, Stream, version
from understudy.proxy.ingress.envoy.render import CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, Resources

SHORT = {CLUSTERS: "C", ENDPOINTS: "E", LISTENERS: "L", ROUTES: "R"}
Cluster = Mapping[str, int]


def resources(endpoints: Mapping[str, int], routes: str = "r1") -> Resources:
    """Clusters by name with the number of their endpoints."""
    return {
        CLUSTERS: {name: name.encode() for name in endpoints},
        ENDPOINTS: {name: f"{name}{count}".encode() for name, count in endpoints.items()},
        LISTENERS: {"http": b"listener"},
        ROUTES: {"http": routes.encode()},
    }


class Envoy:
    """One that subscribes and acknowledges as Envoy does; `heard` is the order in which it heard of things."""

    def __init__(self, stream: Stream, held: Resources) -> None:
        self.stream = stream
        self.held = held
        self.knows: dict[str, dict[str, bytes]] = {kind: {} for kind in SHORT}
        self.asks: dict[str, set[str]] = {ENDPOINTS: set(), ROUTES: set()}
        self.heard: list[str] = []

    def connect(self) -> None:
        self.hear(self.stream.asked(Request(CLUSTERS, has=self._versions(CLUSTERS)), self.held))
        self.hear(self.stream.asked(Request(LISTENERS, has=self._versions(LISTENERS)), self.held))

    def change(self, held: Resources) -> None:
        self.held = held
        self.hear(self.stream.changed(held))

    def hear(self, responses: list[Response]) -> None:
        queue = list(responses)
        while queue:
            response = queue.pop(0)
            kind = response.kind
            self.heard += [f"{SHORT[kind]}+{name}" for name in response.resources]
            self.heard += [f"{SHORT[kind]}-{name}" for name in response.removed]
            self.knows[kind].update({name: content for name, (_, content) in response.resources.items()})
            for name in response.removed:
                self.knows[kind].pop(name, None)
            queue += self.stream.asked(Request(kind, nonce=response.nonce), self.held)
            for request in self._subscriptions():
                queue += self.stream.asked(request, self.held)
            self.check()

    def check(self) -> None:
        """A route is known only with its clusters, each warm."""
        if self.knows[ROUTES]:
            named = self.knows[ROUTES]["http"].decode().split(",")[1:]
            assert set(named) <= self.knows[ENDPOINTS].keys() & self.knows[CLUSTERS].keys()

    def _subscriptions(self) -> Iterator[Request]:
        for kind, wanted in ((ENDPOINTS, set(self.knows[CLUSTERS])), (ROUTES, set(self.knows[LISTENERS]))):
            new, old = wanted - self.asks[kind], self.asks[kind] - wanted
            if new or old:
                self.asks[kind] = wanted
                yield Request(kind, subscribe=tuple(sorted(new)), unsubscribe=tuple(sorted(old)))

    def _versions(self, kind: str) -> dict[str, str]:
        return {name: version(content) for name, content in self.knows[kind].items()}


def connected(held: Resources) -> Envoy:
    envoy = Envoy(Stream(), held)
    envoy.connect()
    return envoy


def test_the_first_time_in_an_order_in_which_nothing_is_missing() -> None:
    envoy = connected(resources({"a": 1}, "r1,a"))
    assert envoy.heard == ["C+a", "E+a", "L+http", "R+http"]
    assert envoy.knows == envoy.held


def test_only_what_changed_is_told() -> None:
    envoy = connected(resources({"a": 1, "b": 1}))
    envoy.heard.clear()
    envoy.change(resources({"a": 2, "b": 1}))
    assert envoy.heard == ["E+a"]
    envoy.change(resources({"a": 2, "b": 1}))
    assert envoy.heard == ["E+a"]


def test_new_routes_wait_for_the_endpoints_of_new_clusters() -> None:
    stream, held = Stream(), resources({"a": 1}, "r1,a")
    envoy = Envoy(stream, held)
    envoy.connect()
    more = resources({"a": 1, "b": 1}, "r2,a,b")
    (first,) = stream.changed(more)
    assert (first.kind, list(first.resources)) == (CLUSTERS, ["b"])
    assert stream.asked(Request(CLUSTERS, nonce=first.nonce), more) == []
    (second,) = stream.asked(Request(ENDPOINTS, subscribe=("b",)), more)
    assert list(second.resources) == ["b"]
    (third,) = stream.asked(Request(ENDPOINTS, nonce=second.nonce), more)
    assert (third.kind, list(third.resources)) == (ROUTES, ["http"])


def test_what_goes_goes_after_the_routes_that_named_it() -> None:
    envoy = connected(resources({"a": 1, "b": 1}, "r1,a,b"))
    envoy.heard.clear()
    envoy.change(resources({"a": 1}, "r2,a"))
    assert envoy.heard == ["R+http", "E-b", "C-b"]


def test_a_refusal_is_kept_and_not_repeated() -> None:
    stream, held = Stream(), resources({"a": 1})
    (first,) = stream.asked(Request(CLUSTERS), held)
    assert stream.asked(Request(CLUSTERS, nonce=first.nonce, error="no such type"), held) == []
    assert stream.errors == {CLUSTERS: "no such type"}
    (other,) = stream.asked(Request(LISTENERS), held)
    assert other.kind == LISTENERS, "others go on"
    better = {**held, CLUSTERS: {"a": b"better"}}
    (again,) = stream.changed(better)
    stream.asked(Request(CLUSTERS, nonce=again.nonce), better)
    assert stream.errors == {}


def test_after_a_reconnect_only_what_is_new() -> None:
    envoy = connected(resources({"a": 1}))
    again = Envoy(Stream(), resources({"a": 1, "b": 1}))
    again.knows = {kind: dict(known) for kind, known in envoy.knows.items()}
    again.connect()
    assert "C+b" in again.heard
    assert "C+a" not in again.heard
    assert again.knows == again.held


def test_a_name_that_is_not_there_is_said_to_be_missing() -> None:
    stream = Stream()
    (said,) = stream.asked(Request(ENDPOINTS, subscribe=("gone",)), resources({}))
    assert (said.resources, said.removed) == ({}, ("gone",))
    assert stream.changed(resources({})) == []


def test_types_nobody_knows_are_not_answered() -> None:
    assert Stream().asked(Request("type.googleapis.com/other"), resources({"a": 1})) == []


CHANGES = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3)), max_size=8)


@given(CHANGES)
def test_whatever_happens_it_ends_with_all_and_never_lacks_anything(changes: list[dict[str, int]]) -> None:
    envoy = connected(resources({}, "r0"))
    for number, each in enumerate(changes):
        envoy.change(resources(each, ",".join([f"r{number}", *sorted(each)])))
    assert envoy.knows == envoy.held


@pytest.mark.parametrize("content", [b"", b"x"])
def test_versions_are_of_the_content(content: bytes) -> None:
    assert version(content) == version(bytes(content))
    assert version(content) != version(content + b"y")
