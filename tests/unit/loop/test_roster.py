"""Who is on call: the entry each candidate keeps, and what others read from it. On a server in memory."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from understudy.api.client import Client
from understudy.loop import roster as module
from understudy.loop.call import CHOICE
from understudy.loop.roster import (
    CANDIDATE_FOR,
    DURATION,
    FORGOTTEN,
    LEADING,
    STANDING_BY,
    STATE,
    Roster,
    candidates,
    on_call_rules,
)
from understudy.testing.fake import FakeApi
from understudy.values import timestamp

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)


def entry(name: str, silent: float = 0.0, **of: Any) -> dict[str, Any]:
    renewed = timestamp.format_micro(datetime.now(UTC) - timedelta(seconds=silent))
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {CANDIDATE_FOR: "x"}},
        "spec": {"holderIdentity": f"understudy:{name}", "renewTime": renewed, **of},
    }


def roster(api: FakeApi, state: list[str], identity: str = "understudy:Host.a_1") -> Roster:
    return Roster(Client(api.transport(identity)), "kube-system", "x", identity, lambda: (state[0], "*,-a"))


def names(api: FakeApi) -> set[str]:
    return {each["metadata"]["name"] for each in api.objects("leases", "kube-system")}


async def until(api: FakeApi, state: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            for each in api.objects("leases", "kube-system"):
                if (each["metadata"].get("annotations") or {}).get(STATE) == state:
                    return each
            await asyncio.sleep(0.01)


async def end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def test_an_entry_is_made_follows_our_state_and_goes_with_us() -> None:
    api, state = FakeApi(), [STANDING_BY]
    mine = roster(api, state)
    task = asyncio.ensure_future(mine.run())
    made = await until(api, STANDING_BY)
    assert made["metadata"]["name"] == "understudy-x-host-a-1"
    assert made["metadata"]["annotations"][CHOICE] == "*,-a"
    assert made["spec"]["holderIdentity"] == "understudy:Host.a_1"
    state[0] = LEADING
    await until(api, LEADING)
    await end(task)
    await mine.leave()
    assert names(api) == set()


async def test_it_is_made_anew_when_somebody_deletes_it() -> None:
    api, state = FakeApi(), [STANDING_BY]
    task = asyncio.ensure_future(roster(api, state).run())
    await until(api, STANDING_BY)
    api.delete("leases", "understudy-x-host-a-1", "kube-system")
    state[0] = LEADING
    await until(api, LEADING)
    await end(task)


async def test_those_long_dead_are_tidied_away() -> None:
    api = FakeApi()
    api.apply(entry("dead", FORGOTTEN + 5))
    api.apply(entry("late", DURATION + 5))
    task = asyncio.ensure_future(roster(api, [STANDING_BY]).run())
    await until(api, STANDING_BY)
    assert names(api) == {"late", "understudy-x-host-a-1"}
    await end(task)


async def test_others_are_those_alive_but_us() -> None:
    api = FakeApi()
    mine = roster(api, [STANDING_BY])
    api.apply(entry(mine.name))
    api.apply(entry("late", DURATION + 5))
    assert not await mine.others()
    api.apply(entry("b"))
    assert await mine.others()


def test_what_is_read() -> None:
    lease = entry("b")
    lease["metadata"]["annotations"] = {STATE: LEADING, CHOICE: "a"}
    lease["spec"]["renewTime"] = timestamp.format_micro(NOW - timedelta(seconds=7))
    bare = {"metadata": {"name": "a"}}
    first, second = candidates([lease, bare], NOW)
    assert (first.name, first.alive, first.state) == ("a", False, "")
    assert (second.identity, second.state, second.choice, second.silent) == ("understudy:b", LEADING, "a", 7.0)


def test_the_rights_cover_what_it_does() -> None:
    [rule] = on_call_rules()
    assert {"list", "patch", "create", "delete"} <= set(rule["verbs"])
