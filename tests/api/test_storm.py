"""Somebody else writes to the same object all the time: every write of ours may meet a conflict, and it converges."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.api.referee import Referee
from tests.api.world import Place, World, until, workload


class Storm:
    """Patches a Deployment's annotations and labels, `rate` times a second, until the block ends."""

    def __init__(self, place: Place, name: str, rate: float) -> None:
        self._place, self._path, self._pause = place, place.path("deployments", name), 1 / rate
        self._over = threading.Event()
        self.writes = 0

    @contextmanager
    def blowing(self) -> Iterator["Storm"]:
        thread = threading.Thread(target=self._blow)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(10)

    def _blow(self) -> None:
        with self._place.world.connect() as api:
            while not self._over.wait(self._pause):
                told = {"example.com/gust": str(self.writes)}
                api.patch(self._path, {"metadata": {"annotations": told, "labels": told}})
                self.writes += 1


def requests(world: World) -> int:
    """Writes the controllers have sent so far, whatever was answered."""
    counts = re.findall(
        r'^rest_client_requests_total{.*method="(?!GET)\w+".*} (\S+)', world.metrics("controllers"), re.MULTILINE
    )
    return sum(int(float(each)) for each in counts)


@pytest.mark.slow
def test_a_rollout_ends_in_a_storm_of_conflicts(world: World, place: Place) -> None:
    place.create("deployments", workload("web", 20, ready_delay="200ms", strategy={"maxSurge": 4}))
    place.complete("web")
    before = requests(world)
    storm = Storm(place, "web", 50)
    with Referee(place, most=24, least=15) as referee, storm.blowing():
        until(lambda: storm.writes > 20)
        place.set_image("web", "app:2")
        place.complete("web")
        until(lambda: place.images() == {"app:2": 20}, why=place.images)
    assert referee.created == {"app:2": 20}
    ours = requests(world) - before
    # 20 pods come and 20 go, each with an Event; and for each gust the new ReplicaSet gets the annotation and either
    # status may be written, once more if that met a conflict.
    assert ours < 4 * 40 + 6 * storm.writes, (ours, storm.writes)


def test_annotations_reach_the_new_replica_set_after_the_storm(world: World, place: Place) -> None:
    place.create("deployments", workload("web", 0))
    storm = Storm(place, "web", 50)
    with storm.blowing():
        until(lambda: storm.writes > 50)
    last = str(storm.writes - 1)
    until(
        lambda: [each["metadata"]["annotations"]["example.com/gust"] for each in place.items("replicasets")] == [last]
    )
