"""Quotas over an API server: what goes is given back, what was charged meanwhile is found, faults are got over."""

from typing import Any

import msgspec
import pytest

from tests.scenarios.stage import ME, VIRTUAL_TIME, Stage, stage
from understudy.errors import Forbidden
from understudy.loop.controller import REGISTRY
from understudy.operators import replicaset, resourcequota  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request
from understudy.testing.faults import Faults

pytestmark = VIRTUAL_TIME

QUOTA = REGISTRY["resourcequota-controller"]
RS = REGISTRY["replicaset-controller"]
LABELS = {"app": "web"}
Json = dict[str, Any]


def quota(**hard: str) -> Json:
    limits = {name.replace("__", "/").replace("_", "."): text for name, text in hard.items()}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": limits}}


def replica_set(replicas: int) -> Json:
    container = {"name": "c", "image": "pause", "resources": {"requests": {"cpu": "100m"}}}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}


def config_map(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def used(play: Stage) -> Json:
    found: Json = play.status("resourcequotas", "q").get("used", {})
    return found


def charging(api: FakeApi) -> None:
    """Charge pods to the quota as the admission plugin ResourceQuota does, and refuse those beyond it."""

    def admit(request: Request, _: Json) -> None:
        found = api.get("resourcequotas", "q")
        if (request.verb, request.resource.id) != ("create", "pods") or found is None or "status" not in found:
            return
        status = found["status"]
        pods = int(status["used"]["pods"])
        if pods >= int(status["hard"]["pods"]):
            raise Forbidden(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: q')
        charged = {**found, "status": {**status, "used": {**status["used"], "pods": str(pods + 1)}}}
        path = "/api/v1/namespaces/default/resourcequotas/q/status"
        api.handle("PUT", path, msgspec.json.encode(charged), user="admission")

    api.admission.append(admit)


async def test_a_new_quota_is_counted_and_what_goes_is_given_back() -> None:
    async with stage(QUOTA, RS) as play:
        play.api.apply(replica_set(3))
        for name in "ab":
            play.api.apply(config_map(name))
        await play.on()
        play.api.apply(quota(pods="10", cpu="1", count__configmaps="5", count__replicasets_apps="1"))
        await play.on(1)
        assert used(play) == {"pods": "3", "cpu": "300m", "count/configmaps": "2", "count/replicasets.apps": "1"}

        play.api.delete("configmaps", "a")
        play.patch("replicasets.apps", "web", {"spec": {"replicas": 1}})
        await play.on(3)
        assert used(play) == {"pods": "1", "cpu": "100m", "count/configmaps": "1", "count/replicasets.apps": "1"}

        (last,) = play.api.objects("pods")
        play.patch("pods", last["metadata"]["name"], {"status": {"phase": "Failed"}}, subresource="status")
        play.patch("resourcequotas", "q", {"spec": {"hard": {"count/pods": "9", "cpu": None}}})
        await play.on(6)
        assert play.status("resourcequotas", "q")["hard"] == play.api.objects("resourcequotas")[0]["spec"]["hard"]
        assert (used(play)["pods"], used(play)["count/pods"]) == ("1", "2")


async def test_an_idle_quota_is_left_alone_but_for_the_resync() -> None:
    async with stage(QUOTA) as play:
        play.api.apply(quota(pods="1"))
        await play.on(10)
        before = len(play.calls("PATCH"))
        await play.on(200)
        play.patch("resourcequotas", "q", {"status": {"used": {"pods": "7"}}}, subresource="status")
        await play.on(50)
        assert len(play.calls("PATCH")) == before == 1
        assert used(play) == {"pods": "7"}
        await play.on(60)
        assert used(play) == {"pods": "0"}


async def test_a_status_that_contradicts_its_spec_is_put_right_at_once() -> None:
    async with stage(QUOTA) as play:
        play.api.apply(quota(pods="1"))
        await play.on(10)
        play.patch("resourcequotas", "q", {"status": {"hard": {"pods": "2"}}}, subresource="status")
        await play.on(1)
        assert play.status("resourcequotas", "q")["hard"] == {"pods": "1"}


async def test_what_was_charged_but_not_stored_when_it_was_counted_is_found() -> None:
    async with stage(QUOTA) as play:
        play.api.apply(config_map("old"))
        play.api.apply(quota(configmaps="5"))
        await play.on(10)
        play.patch("resourcequotas", "q", {"status": {"used": {"configmaps": "2"}}}, subresource="status")
        play.api.delete("configmaps", "old")
        await play.on(1)
        assert used(play) == {"configmaps": "0"}
        play.api.apply(config_map("new"))
        await play.on(6)
        assert used(play) == {"configmaps": "1"}


async def test_a_quota_of_a_kind_that_comes_later() -> None:
    async with stage(QUOTA) as play:
        play.api.apply(quota(count__widgets_example_com="5"))
        await play.on(10)
        assert used(play) == {}
        play.api.serve("example.com/v1", "widgets", "Widget", namespaced=True)
        await play.on(75)
        assert used(play) == {"count/widgets.example.com": "0"}


@pytest.mark.parametrize("seed", range(4))
async def test_storms_end_in_the_right_count(seed: int) -> None:
    api, faults = FakeApi(seed=seed), Faults(seed, rate=0.15, event_rate=0.1)
    charging(api)
    async with stage(QUOTA, RS, api=api, faults=faults, seed=seed) as play:
        play.api.apply(quota(pods="6"))
        await play.on(30)
        play.api.apply(replica_set(9))
        await play.on(90)
        assert len(play.api.objects("pods")) <= 6
        play.patch("replicasets.apps", "web", {"spec": {"replicas": 4}})
        await play.on(60)
        faults.calm()
        await play.on(120)
        assert used(play) == {"pods": "4"} == {"pods": str(len(play.api.objects("pods")))}
        play.patch("replicasets.apps", "web", {"spec": {"replicas": 9}})
        await play.on(120)
        assert used(play) == {"pods": "6"}
        assert "exceeded quota" in play.status("replicasets.apps", "web")["conditions"][0]["message"]
        assert not [each for each in api.log if each.user == ME and each.status == 422]
