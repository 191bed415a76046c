"""A Deployment rolls, with real containers, while its controllers are killed, called off and upgraded.

At every moment the strategy holds, no pod is made twice, and the audit log shows that ours and upstream's never wrote
in the same reign. The full numbers (20 kills, 10 handovers) are `make cluster-storm`.
"""

import os
from collections.abc import Callable
from itertools import count

import pytest

from tests.api.referee import Referee
from tests.api.world import Place, until
from tests.cluster import ledger
from tests.cluster.world import MANAGER, KindWorld, generation, web
from understudy.cluster.kind import stage
from understudy.loop.call import PREFIX, is_ours

KILLS = int(os.environ.get("UNDERSTUDY_KILLS", "3"))
HANDOVERS = int(os.environ.get("UNDERSTUDY_HANDOVERS", "2"))
REPLICAS = 6


def rolls_through(place: Place, rounds: int, disturb: Callable[[], None]) -> None:
    """Begin a rollout, disturb it, await its end; as often as asked for."""
    place.create("deployments", web("web", REPLICAS))
    place.complete("web", 180)
    with Referee(place, most=REPLICAS + 2, least=REPLICAS - 1):
        for number in range(rounds):
            place.patch("deployments", "web", generation(number + 2))
            disturb()
            place.complete("web", 240)


def one_writer_at_a_time(world: KindWorld, place: Place) -> None:
    writes = world.writes()
    turns = ledger.reigns(writes, MANAGER)
    found = ledger.controllers(writes, place.name)
    assert any(write.side == "ours" for write in found), "the log shows what ours did"
    assert ledger.overlaps(found, turns, PREFIX) == []


def test_leaders_are_killed(world: KindWorld, place: Place) -> None:
    numbers = count()

    def kill() -> None:
        if next(numbers) % 2:  # every other one while it still waits for its predecessor to be done
            world.ours_lead()
        leader = world.leader("controllers")
        world.send(leader, "KILL")
        until(lambda: leader not in world.processes("controllers"))

    world.ours_lead()
    rolls_through(place, KILLS, kill)
    world.ours_lead()
    one_writer_at_a_time(world, place)


def test_the_stage_is_given_back_and_taken_again(world: KindWorld, place: Place) -> None:
    def hand_over() -> None:
        assert world.understudy("release", "--all").code == 0
        assert not is_ours(world.holder(MANAGER))
        place.patch("deployments", "web", {"metadata": {"annotations": {"seen": world.holder(MANAGER)}}})
        assert world.understudy("takeover", "--all").code == 0
        assert is_ours(world.holder(MANAGER))

    world.ours_lead()
    rolls_through(place, HANDOVERS, hand_over)
    one_writer_at_a_time(world, place)
    writes = ledger.reigns(world.writes(), MANAGER)
    assert sum(not is_ours(holder) for _, holder in writes) >= HANDOVERS


@pytest.mark.parametrize("level", ["debug", "info"])
def test_the_chart_is_upgraded(world: KindWorld, place: Place, level: str) -> None:
    world.ours_lead()
    before = {str(each) for each in world.processes("controllers")}
    rolls_through(place, 1, lambda: stage.install(world.cluster, lambda _: None, values=(f"log.level={level}",)))
    until(lambda: len({str(each) for each in world.processes("controllers")} - before) == 2, 120)
    world.ours_lead()
    one_writer_at_a_time(world, place)


def test_upstream_leads_when_all_of_ours_hang(world: KindWorld, place: Place) -> None:
    world.ours_lead()
    ours = world.processes("controllers")
    for each in ours:
        world.send(each, "STOP")
    try:
        until(lambda: not is_ours(world.holder(MANAGER)), 25, lambda: world.holder(MANAGER))
        place.create("deployments", web("web", 2))
        place.complete("web", 120)
    finally:
        for each in ours:
            world.send(each, "CONT")
    world.ours_lead(120)
    place.scale("web", 3)
    place.complete("web", 120)
    one_writer_at_a_time(world, place)
