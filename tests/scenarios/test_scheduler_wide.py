"""Pods that want something of each other, over an API server: who waits for whom, and what wakes them."""

from typing import Any

import pytest

from tests.scenarios.scheduler_stage import Json, pod, stage

pytestmark = pytest.mark.looptime

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def labelled(name: str, app: str, **spec: Any) -> Json:
    made = pod(name, **spec)
    made["metadata"]["labels"] = {"app": app}
    return made


def term(kind: str, key: str, app: str, **more: Any) -> Json:
    one = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [one]}}


def spread(app: str, key: str = ZONE) -> list[Json]:
    picks = {"matchLabels": {"app": app}}
    return [{"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": picks}]


async def test_pods_that_keep_apart_take_a_node_each_and_the_next_waits_until_one_leaves() -> None:
    async with stage(2) as play:
        for number in range(1, 3):
            play.patch("nodes", f"node-{number}", {"metadata": {"labels": {HOST: f"node-{number}"}}})
        for number in range(3):
            play.api.apply(labelled(f"web-{number}", "web", affinity=term("podAntiAffinity", HOST, "web")))
        await play.on()
        placed = {name: node for name, node in play.where().items() if node}
        assert sorted(placed.values()) == ["node-1", "node-2"]
        assert any("2 node(s) didn't match pod anti-affinity rules" in each for each in play.events("FailedScheduling"))

        (waiting,) = {"web-0", "web-1", "web-2"} - set(placed)
        gone = next(iter(placed))
        play.api.delete("pods", gone)
        await play.on(15)
        assert play.where()[waiting] == placed[gone]


async def test_a_pod_waits_for_the_one_it_must_be_near() -> None:
    async with stage(2) as play:
        for number in range(1, 3):
            play.patch("nodes", f"node-{number}", {"metadata": {"labels": {HOST: f"node-{number}"}}})
        play.api.apply(labelled("web", "web", affinity=term("podAffinity", HOST, "db")))
        await play.on()
        assert play.where() == {"web": None}
        assert "2 node(s) didn't match pod affinity rules" in play.events("FailedScheduling")[0]

        play.api.apply(labelled("db", "db", nodeName="node-2"))
        await play.on(15)
        assert play.where()["web"] == "node-2"


async def test_an_uneven_zone_is_filled_when_the_other_has_room_again() -> None:
    async with stage(2) as play:
        for number, zone in ((1, "a"), (2, "b")):
            play.patch("nodes", f"node-{number}", {"metadata": {"labels": {ZONE: zone}}})
        play.patch("nodes", "node-2", {"spec": {"unschedulable": True}})
        for number in range(2):
            play.api.apply(labelled(f"web-{number}", "web", topologySpreadConstraints=spread("web")))
        await play.on()
        assert sorted(map(str, play.where().values())) == ["None", "node-1"]

        play.patch("nodes", "node-2", {"spec": {"unschedulable": False}})
        await play.on(15)
        assert sorted(map(str, play.where().values())) == ["node-1", "node-2"]


async def test_a_zone_that_is_gone_holds_nobody_back() -> None:
    async with stage(2) as play:
        for number, zone in ((1, "a"), (2, "b")):
            play.patch("nodes", f"node-{number}", {"metadata": {"labels": {ZONE: zone}}})
        play.patch("nodes", "node-2", {"spec": {"unschedulable": True}})
        for number in range(2):
            play.api.apply(labelled(f"web-{number}", "web", topologySpreadConstraints=spread("web")))
        await play.on()
        play.api.delete("nodes", "node-2")
        await play.on(15)

        assert set(play.where().values()) == {"node-1"}


async def test_labels_a_namespace_gets_may_be_what_a_pod_waits_for() -> None:
    async with stage() as play:
        play.patch("nodes", "node-1", {"metadata": {"labels": {HOST: "node-1"}}})
        play.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}})
        database = labelled("db", "db", nodeName="node-1")
        database["metadata"]["namespace"] = "data"
        play.api.apply(database)
        near = term("podAffinity", HOST, "db", namespaceSelector={"matchLabels": {"team": "a"}})
        play.api.apply(labelled("web", "web", affinity=near))
        await play.on()
        assert play.where()["web"] is None

        play.patch("namespaces", "data", {"metadata": {"labels": {"team": "a"}}})
        await play.on(15)
        assert play.where()["web"] == "node-1"


async def test_a_pod_is_kept_off_by_one_that_was_decided_on_a_moment_ago() -> None:
    async with stage() as play:
        play.patch("nodes", "node-1", {"metadata": {"labels": {HOST: "node-1"}}})
        await play.on()
        play.api.apply(labelled("loner", "db", priority=9, affinity=term("podAntiAffinity", HOST, "web")))
        play.api.apply(labelled("web", "web"))
        await play.on()

        assert play.where() == {"loner": "node-1", "web": None}
        (said,) = play.events("FailedScheduling")
        assert said.startswith("0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.")
