"""Watches of the in-memory API server: which events, in which order, and how a stream ends."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.testing.fake_asking import (
    CONFIGMAPS,
    PODS,
    ask,
    bound_pod,
    configmap,
    decoded,
    events,
    opened,
    pod,
)
from understudy.api.transport import Answer
from understudy.testing.fake import FakeApi

Json = dict[str, Any]
STREAMED = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


class TestEvents:
    def test_from_a_revision_on(self, api: FakeApi) -> None:
        api.apply(configmap("old"))
        revision = api.revision
        api.apply(configmap("a"))
        watcher = opened(api, f"{CONFIGMAPS}?watch=true&resourceVersion={revision}")
        api.apply(configmap("a", "2"))
        api.apply(configmap("a", "2"))
        api.delete("configmaps", "a")
        assert events(watcher) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]

    def test_only_of_the_namespace(self, api: FakeApi) -> None:
        one = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}")
        every = opened(api, f"/api/v1/configmaps?watch=1&resourceVersion={api.revision}")
        api.apply(configmap("a", namespace="kube-system"))
        assert (events(one), events(every)) == ([], [("ADDED", "a")])

    def test_of_a_selection_tell_arrivals_and_departures(self, api: FakeApi) -> None:
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}&labelSelector=app%3Dweb")
        api.apply(configmap("a"))
        api.apply(configmap("a", labels={"app": "web"}))
        api.apply(configmap("a", "2", labels={"app": "web"}))
        api.apply(configmap("a", "3"))
        last = decoded(watcher.lines[-1])["object"]
        assert events(watcher) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert last["metadata"]["labels"] == {"app": "web"}, "the last state that was selected"
        assert last["data"] == {"value": "2"}
        assert last["metadata"]["resourceVersion"] == str(api.revision)

    def test_by_node(self, api: FakeApi) -> None:
        watcher = opened(api, f"{PODS}?watch=1&resourceVersion={api.revision}&fieldSelector=spec.nodeName%3Dn1")
        api.apply(pod("x"))
        bound_pod(api, "a")
        assert events(watcher) == [("ADDED", "a")]

    def test_without_a_revision_begin_with_the_present(self, api: FakeApi) -> None:
        api.apply(configmap("a"))
        for query in ("", "&resourceVersion=0"):
            watcher = opened(api, f"{CONFIGMAPS}?watch=1{query}")
            assert events(watcher) == [("ADDED", "a")]

    def test_can_be_metadata_only(self, api: FakeApi) -> None:
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&{STREAMED}", PARTIAL)
        made = api.apply(configmap("a"))
        mark, event = (decoded(line)["object"] for line in watcher.lines)
        assert event == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": made["metadata"]}
        assert mark["kind"] == "PartialObjectMetadata"

    def test_from_the_future_wait(self, api: FakeApi) -> None:
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision + 1}")
        api.apply(configmap("a"))
        api.apply(configmap("b"))
        assert events(watcher) == [("ADDED", "b")]


class TestStreamedList:
    def test_ends_with_a_marked_bookmark(self, api: FakeApi) -> None:
        api.apply(configmap("b"))
        api.apply(configmap("a"))
        revision = str(api.revision)
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&{STREAMED}")
        mark = decoded(watcher.lines[-1])["object"]["metadata"]
        assert mark == {"resourceVersion": revision, "annotations": {"k8s.io/initial-events-end": "true"}}
        assert events(watcher) == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", revision)]
        api.apply(configmap("c"))
        assert events(watcher) == [("ADDED", "c")]

    def test_never_tells_its_end_without_bookmarks(self, api: FakeApi) -> None:
        query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        api.apply(configmap("a"))
        assert events(opened(api, f"{CONFIGMAPS}?watch=1&{query}")) == [("ADDED", "a")]

    def test_needs_its_companion(self, api: FakeApi) -> None:
        refused = api.open(f"{CONFIGMAPS}?watch=1&sendInitialEvents=true")
        assert isinstance(refused, Answer)
        assert refused.status == 422
        assert b"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in refused.body

    def test_is_unknown_to_older_servers(self) -> None:
        refused = FakeApi(streamed_lists=False).open(f"{CONFIGMAPS}?watch=1&{STREAMED}")
        assert isinstance(refused, Answer)
        assert refused.status == 422


class TestExpiry:
    def test_is_an_error_event_on_a_good_answer(self, api: FakeApi) -> None:
        revision = api.revision
        api.apply(configmap("a"))
        api.compact()
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={revision}")
        error = decoded(watcher.lines[0])
        assert error["type"] == "ERROR"
        assert (error["object"]["code"], error["object"]["reason"]) == (410, "Expired")
        assert error["object"]["message"] == f"too old resource version: {revision} ({api.revision})"
        assert watcher.ended

    def test_spares_open_watches_and_the_newest_revision(self, api: FakeApi) -> None:
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}")
        api.apply(configmap("a"))
        api.compact()
        fresh = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}")
        api.apply(configmap("b"))
        assert events(watcher) == [("ADDED", "a"), ("ADDED", "b")]
        assert events(fresh) == [("ADDED", "b")]

    def test_follows_a_restart_for_every_revision_ever_seen(self, api: FakeApi) -> None:
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}")
        revision = api.revision
        api.restart()
        assert (watcher.ended, watcher.broken) == (True, True)
        assert events(opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={revision}"))[0][0] == "ERROR"


def test_bookmarks_tell_the_last_event_of_the_kind(api: FakeApi) -> None:
    watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}&allowWatchBookmarks=true")
    made = api.apply(configmap("a"))
    api.apply(pod("other"))
    watcher.bookmark()
    assert events(watcher)[-1] == ("BOOKMARK", made["metadata"]["resourceVersion"])


def test_an_ended_watch_hears_no_more(api: FakeApi) -> None:
    watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={api.revision}")
    watcher.end()
    api.apply(configmap("a"))
    assert events(watcher) == []


def test_a_get_that_is_no_watch_is_answered(api: FakeApi) -> None:
    answer = api.open(CONFIGMAPS)
    assert isinstance(answer, Answer)
    assert answer.status == 200


@given(st.integers(0, 2**32), st.sampled_from(["", "&labelSelector=odd%3D1", "&fieldSelector=metadata.name!%3Dc1"]))
def test_a_list_and_the_events_after_it_are_the_present(seed: int, query: str) -> None:
    """The law every client relies on, for any writes and any selection, resumed at any moment."""
    api, rng = FakeApi(seed=seed), random.Random(seed)

    def storm(writes: int) -> None:
        for _ in range(writes):
            name, held = f"c{rng.randrange(4)}", api.objects("configmaps", "default")
            if rng.random() < 0.4 and any(each["metadata"]["name"] == name for each in held):
                api.delete("configmaps", name)
            else:
                api.apply(configmap(name, str(rng.random()), labels={"odd": str(rng.randrange(2))}))

    def listed() -> tuple[dict[str, Json], int]:
        _, found = ask(api, "GET", f"{CONFIGMAPS}?{query}")
        return {each["metadata"]["name"]: each["data"] for each in found["items"]}, int(
            found["metadata"]["resourceVersion"]
        )

    storm(10)
    known, revision = listed()
    for _ in range(3):
        storm(rng.randrange(8))
        watcher = opened(api, f"{CONFIGMAPS}?watch=1&resourceVersion={revision}{query}")
        storm(rng.randrange(8))
        for event in map(decoded, watcher.lines):
            meta, data = event["object"]["metadata"], event["object"]["data"]
            assert int(meta["resourceVersion"]) > revision
            assert (meta["name"] in known) == (event["type"] != "ADDED")
            revision = int(meta["resourceVersion"])
            known.pop(meta["name"], None) if event["type"] == "DELETED" else known.update({meta["name"]: data})
        watcher.end()
    assert known == listed()[0]
