"""Pods that come and go with devices of their own, over an API server in virtual time, in bad weather."""

import random
from typing import Any

import msgspec
import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.api.client import MERGE
from understudy.loop.controller import REGISTRY
from understudy.operators import resourceclaim  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi
from understudy.testing.fake_state import Change
from understudy.testing.faults import Faults

pytestmark = VIRTUAL_TIME

CLAIMS = REGISTRY["resourceclaim-controller"]
FINALIZER = "resource.kubernetes.io/delete-protection"
PATH = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
Json = dict[str, Any]


def cluster() -> FakeApi:
    api = FakeApi()
    meta: Json = {"name": "gpu"}
    spec = {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}}}
    api.apply({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": meta, "spec": spec})
    meta = {"name": "shared"}
    api.apply({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": meta, **spec})
    return api


def run_pod(api: FakeApi, name: str) -> None:
    own = [{"name": "own", "resourceClaimTemplateName": "gpu"}, {"name": "all", "resourceClaimName": "shared"}]
    spec = {"containers": [{"name": "c", "image": "i"}], "resourceClaims": own, "restartPolicy": "Never"}
    api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def schedule(api: FakeApi) -> None:
    """As the scheduler does: each Pod that runs has its claims allocated, and reserved for it, before it is bound."""
    for pod in api.objects("pods"):
        told = [each["resourceClaimName"] for each in pod["status"].get("resourceClaimStatuses", ())]
        if "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] not in ("Pending", "Running"):
            continue
        for name in (*told, "shared"):
            claim = api.get("resourceclaims", name)
            if claim is not None and "deletionTimestamp" not in claim["metadata"]:
                _reserve(api, claim, pod)


def _reserve(api: FakeApi, claim: Json, pod: Json) -> None:
    held, path = claim["status"].get("reservedFor", []), f"{PATH}/{claim['metadata']['name']}"
    if pod["metadata"]["uid"] in {each["uid"] for each in held}:
        return
    me = {"resource": "pods", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    for where, body in (
        (path, {"metadata": {"finalizers": [FINALIZER]}}),
        (f"{path}/status", {"status": {"allocation": {"devices": {}}, "reservedFor": [*held, me]}}),
    ):
        assert api.handle("PATCH", where, msgspec.json.encode(body), content_type=MERGE, user="s").status == 200


def finish(api: FakeApi, pod: Json) -> None:
    path = f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}/status"
    body = msgspec.json.encode({"status": {"phase": "Succeeded"}})
    assert api.handle("PATCH", path, body, content_type=MERGE, user="kubelet").status == 200


def active(play: Stage) -> dict[str, Json]:
    pods = play.api.objects("pods")
    return {each["metadata"]["uid"]: each for each in pods if each["status"]["phase"] in ("Pending", "Running")}


def owner(claim: Json) -> str:
    return str(next((each["uid"] for each in claim["metadata"].get("ownerReferences", ())), ""))


@pytest.mark.parametrize("seed", range(12))
async def test_storms_leave_each_pod_its_claim_and_nothing_else(seed: int) -> None:
    api, dice, twice = cluster(), random.Random(seed), list[str]()

    def look(change: Change) -> None:
        made = [each for each in api.objects("resourceclaims") if owner(each)]
        if change.type == "ADDED" and sum(owner(each) == owner(change.obj) for each in made) > 1:
            twice.append(change.obj["metadata"]["name"])

    api.on_change("resourceclaims", look)
    faults = Faults(seed, rate=0.2, event_rate=0.2)
    async with stage(CLAIMS, api=api, faults=faults, seed=seed) as play:
        for number in range(20):
            run_pod(api, f"p{number}")
            await play.on(dice.choice([0.0, 0.1, 3.0]))
            schedule(api)
            pods = list(active(play).values())
            if dice.random() < 0.4:
                finish(api, dice.choice(pods))
            if dice.random() < 0.3:
                api.delete("pods", dice.choice(api.objects("pods"))["metadata"]["name"], gracePeriodSeconds=0)
        faults.calm()
        await play.on(200)
        schedule(api)
        await play.on(10)
        running, claims = active(play), api.objects("resourceclaims")
        everyone = {each["metadata"]["uid"] for each in api.objects("pods")}
        made = sorted(owner(each) for each in claims if owner(each) in everyone)
        assert made == sorted(running)
        assert twice == []
        for each in claims:
            users = {one["uid"] for one in each["status"].get("reservedFor", ())}
            wanted = set(running) if each["metadata"]["name"] == "shared" else {owner(each)} & set(running)
            assert users == wanted
            assert ("allocation" in each["status"]) is bool(users)
