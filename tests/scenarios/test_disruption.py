"""Budgets over an API server: evictions allowed as pods come and go, custom resources asked, faults got over."""

from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import disruption, replicaset  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import Faults
from understudy.values import timestamp

pytestmark = VIRTUAL_TIME

PDB = REGISTRY["disruption-controller"]
RS = REGISTRY["replicaset-controller"]
LABELS = {"app": "web"}
Json = dict[str, Any]


def budget(**spec: Any) -> Json:
    wanted = {"selector": {"matchLabels": LABELS}, **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "pdb"}, "spec": wanted}


def template() -> Json:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "pause"}]}}


def replica_set(replicas: int) -> Json:
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template()}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}


def pod(name: str, **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **template(),
        "metadata": {"name": name, "labels": LABELS, **metadata},
    }


def counts(play: Stage) -> list[int]:
    """Allowed, healthy, needed, expected."""
    status = play.status("poddisruptionbudgets.policy", "pdb")
    return [status[name] for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")]


def condition(play: Stage) -> tuple[str, str]:
    (found,) = play.status("poddisruptionbudgets.policy", "pdb")["conditions"]
    return found["status"], found["reason"]


async def test_a_budget_follows_its_pods() -> None:
    async with stage(PDB, RS) as play:
        play.api.apply(budget(maxUnavailable="34%"))
        await play.on()
        assert counts(play) == [0, 0, 0, 0]
        assert ("NoPods", "No matching pods found") in play.events()

        play.api.apply(replica_set(3))
        await play.on()
        assert counts(play) == [2, 3, 1, 3]
        assert condition(play) == ("True", "SufficientPods")

        play.patch("poddisruptionbudgets.policy", "pdb", {"spec": {"maxUnavailable": 0}})
        await play.on()
        assert counts(play) == [0, 3, 3, 3]
        assert condition(play) == ("False", "InsufficientPods")
        before = len(play.calls("PATCH", "poddisruptionbudgets"))
        await play.on(600)
        assert len(play.calls("PATCH", "poddisruptionbudgets")) == before


async def test_an_eviction_is_waited_for_two_minutes() -> None:
    async with stage(PDB, RS) as play:
        play.api.apply(replica_set(3))
        play.api.apply(budget(minAvailable=2))
        await play.on()
        assert counts(play) == [1, 3, 2, 3]
        name = play.api.objects("pods")[0]["metadata"]["name"]
        evicted = {"disruptionsAllowed": 0, "disruptedPods": {name: timestamp.format(loop_clock())}}
        play.patch("poddisruptionbudgets.policy", "pdb", {"status": evicted}, subresource="status")
        await play.on(100)
        assert counts(play) == [0, 2, 2, 3]
        await play.on(25)
        assert counts(play) == [1, 3, 2, 3]
        assert not play.status("poddisruptionbudgets.policy", "pdb").get("disruptedPods")
        assert "NotDeleted" in [reason for reason, _ in play.events()]


def widget_world() -> FakeApi:
    api = FakeApi()
    api.serve("example.com/v1", "widgets", "Widget", scale=True)
    api.serve("example.com/v1", "gadgets", "Gadget")
    return api


@pytest.mark.parametrize(
    ("kind", "expected", "said"),
    [
        ("Widget", [1, 2, 1, 2], ("True", "SufficientPods")),
        ("Gadget", [0, 0, 0, 0], ("False", "SyncFailed")),
    ],
)
async def test_custom_resources_are_asked_for_their_scale(kind: str, expected: list[int], said: Any) -> None:
    async with stage(PDB, api=widget_world()) as play:
        made = play.api.apply(
            {"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "w"}, "spec": {"replicas": 2}}
        )
        owner = {"apiVersion": "example.com/v1", "kind": kind, "name": "w", "uid": made["metadata"]["uid"]}
        for name in "ab":
            play.api.apply(pod(name, ownerReferences=[{**owner, "controller": True}]))
        play.api.apply(budget(maxUnavailable=1))
        await play.on(10)
        assert counts(play) == expected
        assert condition(play) == said


async def test_a_pod_that_was_not_disrupted_after_all_says_so() -> None:
    async with stage(PDB) as play:
        play.api.apply(pod("a"))
        await play.on()
        wanted = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "lastTransitionTime": timestamp.format(loop_clock()),
        }
        held = play.status("pods", "a")["conditions"]
        play.patch("pods", "a", {"status": {"conditions": [*held, wanted]}}, subresource="status")
        await play.on(115)
        assert _target(play) == "True"
        await play.on(10)
        assert _target(play) == "False"
        assert len(play.status("pods", "a")["conditions"]) == len(held) + 1


def _target(play: Stage) -> str:
    found = [each for each in play.status("pods", "a")["conditions"] if each["type"] == "DisruptionTarget"]
    return str(found[0]["status"])


@pytest.mark.parametrize("seed", range(4))
async def test_storms_end_in_the_right_budget(seed: int) -> None:
    faults = Faults(seed, rate=0.15, event_rate=0.1)
    async with stage(PDB, RS, faults=faults, seed=seed) as play:
        play.api.apply(budget(maxUnavailable=2))
        play.api.apply(replica_set(9))
        await play.on(60)
        play.patch("replicasets.apps", "web", {"spec": {"replicas": 5}})
        await play.on(60)
        faults.calm()
        await play.on(180)
        assert counts(play) == [2, 5, 3, 5]
