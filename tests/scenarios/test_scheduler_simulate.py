"""A copy of a served cluster: simulations go by what is there, and write nothing."""

from random import Random
from typing import Any

import pytest

from tests.scenarios.scheduler_stage import pod, stage
from tests.scenarios.test_scheduler_profiles import FULLEST, packed, profile, served
from understudy.api.client import Client
from understudy.scheduler.manifests import pods
from understudy.scheduler.registry import PLUGINS
from understudy.scheduler.simulate import simulate
from understudy.scheduler.snapshot import priorities, take

pytestmark = pytest.mark.looptime


async def test_it_goes_by_what_is_there_and_writes_nothing() -> None:
    async with stage(api=served(nodes=2, cpu="2"), kubelet=False) as play:
        profile(play.api, "packing", plugins=FULLEST, arguments=packed())
        profile(play.api, "broken", plugins={"disabled": ["Nobody"]})
        play.api.apply(pod("there", "1"))
        await play.on()
        where, before = play.where()["there"], len(play.api.log)
        client = Client(play.api.transport("simulator"))

        state, complaints = await take(client, ["default-scheduler"], PLUGINS)
        manifest: dict[str, Any] = pod("web", "1", schedulerName="packing")
        large: dict[str, Any] = pod("large", "2")
        wanted, _ = pods([manifest, large], "default", await priorities(client))
        said = simulate(state, wanted, Random(0))

        assert [each.node == where for each in said] == [True, False]
        assert said[1].node
        assert complaints == ["profile broken is not applied: no such plugin: Nobody"]
        mine = [each for each in play.api.log[before:] if each.user == "simulator"]
        assert {each.method for each in mine} == {"GET"}
        await client.transport.close()
