"""How NoExecute taints spread through a zone and halt in a blackout, over an API server in virtual time."""

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import nodelifecycle  # noqa: F401 (registers itself)
from understudy.testing.fake import FakeApi

pytestmark = VIRTUAL_TIME

LIFECYCLE = REGISTRY["node-lifecycle-controller"]
NAMES = tuple(f"n{number}" for number in range(6))
LONG_AGO = "2020-01-01T00:00:00Z"


def report(api: FakeApi, name: str, ready: str) -> None:
    """What a kubelet says of its node."""
    found = api.get("nodes", name) or {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": LONG_AGO, "lastHeartbeatTime": LONG_AGO}
    api.apply({**found, "status": {"conditions": [condition]}})


def tainted(play: Stage) -> list[str]:
    nodes = {each["metadata"]["name"]: each["spec"].get("taints", []) for each in play.api.objects("nodes")}
    return sorted(name for name, taints in nodes.items() if any(taint["effect"] == "NoExecute" for taint in taints))


async def test_a_taint_each_ten_seconds_until_all_is_dark() -> None:
    api = FakeApi()
    for name in NAMES:
        report(api, name, "True")
    async with stage(LIFECYCLE, api=api) as play:
        await play.on(1)
        for name in NAMES[:3]:
            report(api, name, "False")
        await play.on(2)
        assert len(tainted(play)) == 1
        await play.on(10)
        assert len(tainted(play)) == 2
        await play.on(10)
        assert tainted(play) == ["n0", "n1", "n2"]
        for name in NAMES[3:]:
            report(api, name, "False")
        await play.on(2)
        assert tainted(play) == []
        report(api, "n5", "True")
        report(api, "n4", "True")
        report(api, "n3", "True")
        await play.on(10)
        assert len(tainted(play)) == 1
        api.delete("nodes", "n5")
        await play.on(1)
        assert ("RemovingNode", "Node n5 event: Removing Node n5 from Controller") in play.events()
