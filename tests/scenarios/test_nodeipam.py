"""Pod CIDRs over an API server: under every fault and change of leader no range is shared and none is moved."""

import random
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import nodeipam  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi
from understudy.testing.faults import BROKEN, BROKEN_AFTER, CONFLICT, LOST_AFTER, LOST_BEFORE, TIMED_OUT_AFTER, Faults
from understudy.testing.kubelet import add_nodes

pytestmark = VIRTUAL_TIME

IPAM = REGISTRY["node-ipam-controller"]
SETTINGS = {"cluster-cidr": "10.244.0.0/20,fd00:10:244::/60"}
NAMES = [f"node-{number}" for number in range(20)]
Json = dict[str, Any]


class Referee:
    """Sees all nodes at every look: what a node holds never changes, and no two nodes hold the same."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.held: dict[str, list[str]] = {}

    def look(self) -> dict[str, list[str]]:
        """The nodes' ranges by name."""
        nodes = self.api.objects("nodes")
        found = {each["metadata"]["uid"]: each["spec"].get("podCIDRs", []) for each in nodes}
        for uid, cidrs in self.held.items():
            assert not cidrs or found.get(uid, cidrs) == cidrs
        every = [cidr for cidrs in found.values() for cidr in cidrs]
        assert len(every) == len(set(every)), f"held twice: {sorted(every)}"
        self.held |= found
        return {each["metadata"]["name"]: each["spec"].get("podCIDRs", []) for each in nodes}


async def test_nodes_get_their_ranges_in_one_write_each() -> None:
    api = FakeApi()
    add_nodes(api, ["a", "b"])
    async with stage(IPAM, api=api, settings=SETTINGS) as play:
        await play.on()
        assert Referee(api).look() == {
            "a": ["10.244.0.0/24", "fd00:10:244::/64"],
            "b": ["10.244.1.0/24", "fd00:10:244:1::/64"],
        }
        assert play.calls("PATCH") == ["/api/v1/nodes/a", "/api/v1/nodes/b"]
        assert api.objects("nodes")[0]["spec"]["podCIDR"] == "10.244.0.0/24"


async def test_a_node_that_found_every_range_taken_gets_one_when_another_goes() -> None:
    api = FakeApi()
    add_nodes(api, [f"n{number:02}" for number in range(17)])
    async with stage(IPAM, api=api, settings=SETTINGS) as play:
        await play.on()
        late = [name for name, cidrs in Referee(api).look().items() if not cidrs]
        assert late == ["n16"]
        assert ("CIDRNotAvailable", "Node n16 status is now: CIDRNotAvailable") in play.events()

        api.delete("nodes", "n03")
        await play.on()
        assert Referee(api).look()["n16"] == ["10.244.3.0/24", "fd00:10:244:3::/64"]


async def test_nobody_is_given_anything_without_a_cluster_cidr() -> None:
    api = FakeApi()
    add_nodes(api, ["a"])
    async with stage(IPAM, api=api) as play:
        await play.on()
        assert Referee(api).look() == {"a": []}
        assert play.calls("PATCH") == []


@pytest.mark.parametrize("fault", [CONFLICT, BROKEN, BROKEN_AFTER, LOST_BEFORE, LOST_AFTER, TIMED_OUT_AFTER])
async def test_a_write_that_fails_in_any_way_leads_to_one_range(fault: Any) -> None:
    api, faults = FakeApi(), Faults()
    faults.next(fault, method="PATCH", path="/nodes/", times=3)
    add_nodes(api, ["a", "b", "c"])
    async with stage(IPAM, api=api, faults=faults, settings=SETTINGS) as play:
        referee = Referee(api)
        for _ in range(100):
            referee.look()
            await play.on(0.1)
        assert sorted(cidrs[0] for cidrs in referee.look().values()) == [f"10.244.{each}.0/24" for each in range(3)]


@pytest.mark.parametrize("seed", range(12))
async def test_no_storm_makes_two_nodes_share_a_range(seed: int) -> None:
    rng, api = random.Random(seed), FakeApi(seed=seed)
    referee = Referee(api)
    for leader in range(4):
        faults = Faults(seed * 10 + leader, rate=0.3, event_rate=0.3)
        async with stage(IPAM, api=api, faults=faults, settings=SETTINGS, seed=seed) as play:
            await _nodes_come_and_go(play, referee, rng)
    async with stage(IPAM, api=api, settings=SETTINGS) as play:
        await play.on(30)
        assert all(len(cidrs) == 2 for cidrs in referee.look().values())


async def _nodes_come_and_go(play: Stage, referee: Referee, rng: random.Random) -> None:
    for _ in range(15):
        names = sorted(referee.look())
        if names and rng.random() < 0.4:
            play.api.delete("nodes", rng.choice(names))
        elif len(names) < 14:
            add_nodes(play.api, [rng.choice([name for name in NAMES if name not in names])])
        await play.on(rng.uniform(0, 0.5))
