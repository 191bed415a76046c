"""DaemonSets over an API server in virtual time: rollouts, histories, nodes that come and go, failed pods, storms."""

from typing import Any

import msgspec
import pytest

from tests.scenarios import stage as stages
from tests.scenarios.stage import NODES, VIRTUAL_TIME, Stage, stage
from understudy.api.client import MERGE
from understudy.errors import Forbidden
from understudy.kinds.core import Pod
from understudy.loop.controller import REGISTRY
from understudy.operators import daemonset  # noqa: F401 - registers it
from understudy.operators.daemonset.pods import node_of
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request
from understudy.testing.fake_state import Change
from understudy.testing.faults import LOST_AFTER, Faults
from understudy.testing.kubelet import Binder, add_nodes

pytestmark = VIRTUAL_TIME

DS = REGISTRY["daemonset-controller"]
LABELS = {"app": "agent"}
HASH = "controller-revision-hash"
Json = dict[str, Any]


class NodeBinder(Binder):
    """Binds a pod to the node it was made for, as the scheduler does; to none if that is not there."""

    def _bind(self, namespace: str, name: str) -> None:
        pod = msgspec.convert(self.api.get("pods", name, namespace), Pod)
        node = node_of(pod)
        if node is not None and self.api.get("nodes", node) is not None:
            target = {"apiVersion": "v1", "kind": "Node", "name": node}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self.call("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/binding", body)


@pytest.fixture(autouse=True)
def _bound_by_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "Binder", NodeBinder)


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    add_nodes(made, NODES)
    return made


def template(image: str = "agent:1", **spec: Any) -> Json:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def daemon_set(surge: int = 0, pods: Json | None = None, **spec: Any) -> Json:
    rolling = {"maxSurge": surge, "maxUnavailable": 0 if surge else 1}
    how = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    spec = {"selector": {"matchLabels": LABELS}, "template": pods or template(), **how, **spec}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec}


def update(play: Stage, image: str) -> None:
    play.patch("daemonsets", "agent", {"spec": {"template": template(image)}})


def standing(api: FakeApi) -> dict[str, list[str]]:
    """The images of the pods that are not on their way out, by node."""
    found: dict[str, list[str]] = {}
    for each in api.objects("pods"):
        if "deletionTimestamp" not in each["metadata"]:
            node = node_of(msgspec.convert(each, Pod)) or ""
            found.setdefault(node, []).append(each["spec"]["containers"][0]["image"])
    return found


def everywhere(image: str) -> dict[str, list[str]]:
    return {node: [image] for node in NODES}


def revisions(play: Stage) -> list[int]:
    return sorted(each["revision"] for each in play.api.objects("controllerrevisions"))


def counts(play: Stage) -> list[int]:
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable")
    status = play.status("daemonsets", "agent")
    return [status.get(name, 0) for name in (*names, "updatedNumberScheduled")]


# From day to day


async def test_every_node_has_a_pod_new_ones_too_and_a_quiet_one_costs_nothing(api: FakeApi) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set())
        await play.on()
        assert standing(api) == everywhere("agent:1")
        assert counts(play) == [3] * 5
        assert play.status("daemonsets", "agent")["observedGeneration"] == 1

        add_nodes(api, ["node-4"])
        await play.on()
        assert counts(play) == [4] * 5
        revision = api.revision
        await play.on(3600)
        assert api.revision == revision


async def test_labels_and_taints_move_pods(api: FakeApi) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set(pods=template(nodeSelector={"color": "blue"})))
        await play.on()
        assert counts(play) == [0] * 5
        label(api, "node-2", "blue")
        await play.on()
        assert standing(api) == {"node-2": ["agent:1"]}
        assert counts(play) == [1] * 5
        label(api, "node-2", "green")
        await play.on()
        assert standing(api) == {}
        assert counts(play) == [0] * 5


def label(api: FakeApi, node: str, color: str) -> None:
    body = msgspec.json.encode({"metadata": {"labels": {"color": color}}})
    answer = api.handle("PATCH", f"/api/v1/nodes/{node}", body, content_type=MERGE, user="user")
    assert answer.status == 200


async def test_a_node_that_goes_is_counted_no_more(api: FakeApi) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set())
        await play.on()
        api.delete("nodes", "node-3")
        for each in api.objects("pods"):
            if each["spec"]["nodeName"] == "node-3":
                api.delete("pods", each["metadata"]["name"], grace=0)
        await play.on()
        assert standing(api) == {"node-1": ["agent:1"], "node-2": ["agent:1"]}
        assert counts(play) == [2] * 5


# Updates


@pytest.mark.parametrize("surge", [0, 1])
async def test_an_update_and_a_roll_back(api: FakeApi, surge: int) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set(surge))
        await play.on()
        worst = watch_availability(api)
        update(play, "agent:2")
        await play.on(60)
        assert standing(api) == everywhere("agent:2")
        assert counts(play) == [3] * 5
        assert revisions(play) == [1, 2]
        assert worst == ([3, 4] if surge else [2, 3])

        update(play, "agent:1")
        await play.on(60)
        assert standing(api) == everywhere("agent:1")
        assert revisions(play) == [2, 3]


def watch_availability(api: FakeApi) -> list[int]:
    """The fewest ready pods and the most pods there have been from now on; pods on their way out do not count."""
    worst = [1000, 0]

    def look(_: Change) -> None:
        alive = [each for each in api.objects("pods") if "deletionTimestamp" not in each["metadata"]]
        ready = [each for each in alive if {"type": "Ready", "status": "True"}.items() <= _ready(each).items()]
        worst[:] = [min(worst[0], len(ready)), max(worst[1], len(alive))]

    api.on_change("pods", look)
    return worst


def _ready(pod: Json) -> Json:
    conditions: list[Json] = pod["status"].get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})


async def test_a_roll_back_in_the_middle_restarts_nothing_that_still_runs(api: FakeApi) -> None:
    def never_ready(pod: Json) -> float | None:
        return None if pod["spec"]["containers"][0]["image"] == "broken" else 1.0

    async with stage(DS, api=api, ready_after=never_ready) as play:
        api.apply(daemon_set())
        await play.on()
        before = {each["metadata"]["uid"] for each in api.objects("pods")}
        update(play, "broken")
        await play.on(60)
        kept = before & {each["metadata"]["uid"] for each in api.objects("pods")}
        assert len(kept) == 2
        update(play, "agent:1")
        await play.on(60)
        assert standing(api) == everywhere("agent:1")
        assert kept <= {each["metadata"]["uid"] for each in api.objects("pods")}


async def test_on_delete_waits_for_the_user(api: FakeApi) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set(updateStrategy={"type": "OnDelete"}))
        await play.on()
        update(play, "agent:2")
        await play.on(60)
        assert standing(api) == everywhere("agent:1")
        assert counts(play) == [3, 3, 3, 3, 0]
        victim = next(each for each in api.objects("pods") if each["spec"]["nodeName"] == "node-1")
        api.delete("pods", victim["metadata"]["name"])
        await play.on()
        assert standing(api) == everywhere("agent:1") | {"node-1": ["agent:2"]}


# History


async def test_a_revision_may_be_replaced_by_a_copy(api: FakeApi) -> None:
    """The way of upstream's conformance test "should manage the lifecycle of a ControllerRevision"."""
    async with stage(DS, api=api) as play:
        api.apply(daemon_set())
        await play.on()
        (first,) = api.objects("controllerrevisions")
        metadata = {name: first["metadata"][name] for name in ("ownerReferences", "labels")}
        metadata |= {"name": "copy", "labels": {**metadata["labels"], HASH: "copy"}}
        api.apply({**first, "metadata": metadata, "revision": 2})
        await play.on()
        assert revisions(play) == [1, 2]  # a new revision wakes nobody
        api.delete("controllerrevisions", first["metadata"]["name"])
        await play.on()
        assert revisions(play) == [2]

        play.patch("daemonsets", "agent", {"spec": {"template": template(terminationGracePeriodSeconds=1)}})
        await play.on(60)
        assert revisions(play) == [2, 3]
        api.delete("controllerrevisions", "copy")
        await play.on(60)
        assert revisions(play) == [3]
        assert counts(play) == [3] * 5


class Listener(FakeApi):
    """Keeps the bodies of new revisions as they came over the wire."""

    bodies: list[bytes]

    def handle(self, method: str, path: str, body: bytes | None = None, **rest: Any) -> Any:
        if method == "POST" and path.endswith("/controllerrevisions"):
            self.bodies.append(body or b"")
        return super().handle(method, path, body, **rest)


async def test_the_data_reaches_the_server_as_upstream_writes_it() -> None:
    api = Listener()
    api.bodies = []
    async with stage(DS, api=api) as play:
        api.apply(daemon_set(pods=template("a<b>&c")))
        await play.on()
    (body,) = api.bodies
    data = body.partition(b'"data":')[2]
    assert data.startswith(b'{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"agent"}},"spec":{')
    assert b'"image":"a\\u003cb\\u003e\\u0026c"' in data
    assert data.endswith(b'}}},"revision":1}')


async def test_old_revisions_are_forgotten(api: FakeApi) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set(revisionHistoryLimit=1))
        for number in range(2, 6):
            await play.on(60)
            update(play, f"agent:{number}")
        await play.on(60)
        assert revisions(play) == [4, 5]


# What goes wrong


async def test_pods_that_fail_are_replaced_ever_more_slowly_by_a_new_leader_too(api: FakeApi) -> None:
    api.delete("nodes", "node-2")
    api.delete("nodes", "node-3")
    made: list[str] = []

    def fail(change: Change) -> None:
        if change.type == "ADDED":
            made.append(change.obj["metadata"]["name"])

    api.on_change("pods", fail)
    api.apply(daemon_set())
    for _ in range(2):
        async with stage(DS, api=api, ready_after=lambda _: None) as play:
            for _ in range(60):
                for each in api.objects("pods"):
                    if each["status"]["phase"] != "Failed":
                        play.patch(
                            "pods", each["metadata"]["name"], {"status": {"phase": "Failed"}}, subresource="status"
                        )
                await play.on(1)
    assert 7 <= len(made) <= 9  # after 0, 1, 3, 7, 15, 31, 63, ... seconds
    reasons = {reason for reason, _ in play.events()}
    assert reasons == {"SuccessfulCreate", "SuccessfulDelete", "FailedDaemonPod"}


async def test_a_quota_costs_few_calls_and_is_got_over() -> None:
    api, limit = FakeApi(), [2]
    add_nodes(api, [f"node-{number}" for number in range(100)])

    def admit(request: Request, _: Json) -> None:
        if (request.verb, request.resource.id) == ("create", "pods") and len(api.objects("pods")) >= limit[0]:
            raise Forbidden(403, "Forbidden", 'pods "x" is forbidden: exceeded quota')

    api.admission.append(admit)
    async with stage(DS, api=api) as play:
        api.apply(daemon_set())
        await play.on(1)
        assert len([each for each in api.log if each.method == "POST" and each.status == 403]) < 40
        assert ("FailedCreate", 'Error creating: pods "x" is forbidden: exceeded quota') in play.events()
        assert counts(play)[:2] == [100, 2]
        limit[0] = 1000
        await play.on(120)
        assert counts(play) == [100] * 5


async def test_a_lost_answer_makes_no_second_pod_and_no_second_revision(api: FakeApi) -> None:
    faults = Faults()
    faults.next(LOST_AFTER, method="POST", path="/pods", times=2)
    faults.next(LOST_AFTER, method="POST", path="/controllerrevisions", times=1)
    async with stage(DS, api=api, faults=faults) as play:
        api.apply(daemon_set())
        await play.on(30)
        assert standing(api) == everywhere("agent:1")
        assert revisions(play) == [1]
        assert play.calls("DELETE") == []


async def test_a_restart_changes_nothing(api: FakeApi) -> None:
    async with stage(DS, api=api) as play:
        api.apply(daemon_set())
        await play.on()
    revision = api.revision
    async with stage(DS, api=api) as play:
        await play.on(60)
    assert api.revision == revision


@pytest.mark.parametrize("seed", range(6))
async def test_storms_end_well_and_no_node_is_ever_crowded(api: FakeApi, seed: int) -> None:
    faults, surge = Faults(seed, rate=0.15, event_rate=0.1), seed % 2
    async with stage(DS, api=api, faults=faults, seed=seed) as play:
        api.apply(daemon_set(surge))
        crowds: list[dict[str, list[str]]] = []

        def watch(_: Any) -> None:
            now = standing(api)
            if any(len(images) > 1 + surge for images in now.values()):
                crowds.append(now)

        api.on_change("pods", watch)
        await play.on(60)
        update(play, "agent:2")
        await play.on(5)
        add_nodes(api, ["node-4"])
        update(play, "agent:3")
        await play.on(60)
        update(play, "agent:1")
        faults.calm()
        await play.on(240)
        assert crowds == []
        assert standing(api) == everywhere("agent:1") | {"node-4": ["agent:1"]}
        assert counts(play) == [4] * 5
        assert revisions(play)[-1] >= 3
