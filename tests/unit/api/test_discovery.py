"""Discovery: every resource once, in the version its group prefers, and what could not be asked for."""

import json
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import Script
from understudy.api.client import Client
from understudy.api.discovery import ACCEPT, Discovered, discover
from understudy.api.transport import Answer, Lost
from understudy.kinds.meta import Obj
from understudy.testing.fake import FakeApi
from understudy.testing.faults import LOST_BEFORE, Faults

pytestmark = VIRTUAL_TIME


def resource(name: str, scope: str = "Namespaced", verbs: Any = ("get", "list"), **more: Any) -> dict[str, Any]:
    return {"resource": name, "scope": scope, "verbs": verbs, "responseKind": {"kind": name[:-1].title()}, **more}


def group(name: str, *versions: tuple[str, list[dict[str, Any]]], freshness: str = "Current") -> dict[str, Any]:
    listed = [{"version": version, "resources": found, "freshness": freshness} for version, found in versions]
    return {"metadata": {"name": name} if name else {}, "versions": listed}


async def discovered(*groups: dict[str, Any]) -> Discovered:
    pages = [{"items": [each for each in groups if bool(each["metadata"]) is named]} for named in (False, True)]
    return await discover(Client(Script(answers=[Answer(200, json.dumps(page).encode()) for page in pages])))


async def test_what_a_server_offers() -> None:
    api = FakeApi()
    api.serve("example.com/v1", "widgets", "Widget", namespaced=False)
    found = await discover(Client(api.transport("me")))
    by_id = {each.kind.id: each for each in found.resources}
    assert len(by_id) == len(found.resources)
    assert {"pods", "deployments.apps", "widgets.example.com"} <= by_id.keys()
    widgets = by_id["widgets.example.com"]
    assert (widgets.kind.api, widgets.kind.kind, widgets.kind.namespaced) == ("example.com/v1", "Widget", False)
    assert (widgets.kind.type, widgets.kind.metadata_only) == (Obj, True)
    assert {"list", "watch", "delete"} <= widgets.verbs
    assert by_id["pods"].kind.namespaced
    assert found.stale == []
    assert [call.path for call in api.log if call.user == "me"] == ["/api", "/apis"]


async def test_the_first_version_of_a_group_is_the_preferred_one() -> None:
    found = await discovered(
        group("example.com", ("v2", [resource("widgets")]), ("v1", [resource("widgets"), resource("gadgets")])),
    )
    assert [each.kind.api for each in found.resources] == ["example.com/v2", "example.com/v1"]


async def test_a_plural_in_two_groups_is_two_resources() -> None:
    found = await discovered(group("", ("v1", [resource("events")])), group("a.io", ("v1", [resource("events")])))
    assert [each.kind.id for each in found.resources] == ["events", "events.a.io"]


async def test_a_group_that_did_not_answer_is_named() -> None:
    found = await discovered(
        group("", ("v1", [resource("pods")])),
        group("metrics.k8s.io", ("v1beta1", []), freshness="Stale"),
    )
    assert found.stale == ["metrics.k8s.io/v1beta1"]
    assert [each.kind.id for each in found.resources] == ["pods"]


async def test_what_is_left_out_does_not_matter() -> None:
    bare = {"resource": "widgets", "scope": "Cluster", "responseKind": None}
    found = await discovered({"versions": [{"version": "v1", "resources": [bare]}, {"version": "v2"}], "metadata": {}})
    assert [(each.kind.kind, each.kind.namespaced, each.verbs) for each in found.resources] == [
        ("", False, frozenset())
    ]


async def test_it_asks_for_the_aggregated_form() -> None:
    script = Script(answers=[Answer(200, b'{"items":[]}')] * 2)
    await discover(Client(script))
    assert script.accepts == [ACCEPT, ACCEPT]


async def test_a_lost_answer_is_the_callers() -> None:
    faults = Faults()
    faults.next(LOST_BEFORE, path="/apis")
    with pytest.raises(Lost):
        await discover(Client(FakeApi().transport("me", faults)))
