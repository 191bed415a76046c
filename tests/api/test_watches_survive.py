"""What the network and the server can do to a watch: afterwards its store holds what a list shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bridge import Bridge
from tests.api.lookout import Lookout, detour
from tests.api.referee import Referee
from tests.api.world import Place, World, until, workload
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

CONFIG_MAPS: Kind[Obj] = Kind("v1", "configmaps", "ConfigMap", Obj, metadata_only=True)


@pytest.fixture(autouse=True)
def mended(world: World) -> Iterator[None]:
    """What these tests break is whole again for the next."""
    yield
    world.repair()


@pytest.fixture
def bridge(world: World) -> Iterator[Bridge]:
    port = next(each.port for each in world.cluster.status().components if each.name == "kube-apiserver")
    assert port
    with Bridge(port) as made:
        yield made


@pytest.fixture
def lookout(world: World, bridge: Bridge, tmp_path: Path) -> Iterator[Lookout]:
    with Lookout(detour(world.cluster.kubeconfig(), bridge.port, tmp_path / "kubeconfig"), CONFIG_MAPS) as made:
        yield made


def remember(place: Place, *names: str) -> None:
    for name in names:
        place.create("configmaps", {"metadata": {"name": name}})


def listed(place: Place) -> dict[str, str]:
    """uid to resourceVersion of every ConfigMap of the cluster."""
    items = place.api.get("/api/v1/configmaps")["items"]
    return {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in items}


def agree(place: Place, lookout: Lookout) -> None:
    until(lambda: lookout.holds() == listed(place), why=lookout.holds)


def test_a_restart_of_the_api_server(world: World, place: Place, lookout: Lookout) -> None:
    remember(place, "before", "doomed")
    agree(place, lookout)
    world.restart_apiserver()
    remember(place, "after")
    place.api.delete(place.path("configmaps", "doomed"))
    agree(place, lookout)
    assert "doomed" in lookout.removed


def test_what_was_deleted_in_a_gap_that_cannot_be_bridged(
    world: World, place: Place, bridge: Bridge, lookout: Lookout
) -> None:
    remember(place, "kept", "doomed", "replaced")
    agree(place, lookout)
    expired = lookout.relists("expired")
    bridge.cut(shut=True)
    for name in ("doomed", "replaced"):
        place.api.delete(place.path("configmaps", name))
    remember(place, "replaced", "fresh")
    world.compact()
    world.restart_apiserver()
    bridge.mend()
    agree(place, lookout)
    assert lookout.relists("expired") == expired + 1, "the server answered 410"
    assert {"doomed", "replaced"} <= set(lookout.removed)


def test_a_cut_stream_goes_on_where_it_was(place: Place, bridge: Bridge, lookout: Lookout) -> None:
    remember(place, "before")
    agree(place, lookout)
    lists = lookout.relists("start"), lookout.relists("expired")
    for name in ("one", "two", "three"):
        bridge.cut()
        remember(place, name)
        agree(place, lookout)
    assert (lookout.relists("start"), lookout.relists("expired")) == lists


def test_a_silent_connection_is_noticed_and_replaced(
    place: Place, bridge: Bridge, lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understudy.api.watch.SILENCE", 0.5)
    bridge.cut()  # what is watched now may be silent for as long as it likes
    remember(place, "before")
    agree(place, lookout)
    bridge.fall_silent()
    remember(place, "meanwhile")
    missed = set(listed(place)) - set(lookout.holds())
    assert missed, "nobody told it"
    bridge.mend()
    agree(place, lookout)


def test_the_loops_go_on_after_a_restart_in_mid_rollout(world: World, place: Place) -> None:
    place.create("deployments", workload("web", 20, node="node-0", ready_delay="200ms", strategy={"maxSurge": 5}))
    place.complete("web")
    place.set_image("web", "app:2")
    until(lambda: place.images()["app:2"] > 5)
    assert place.images()["app:1"], "it is in the middle"
    world.restart_apiserver()
    with Referee(place, most=25, least=15):
        world.repair()
        place.complete("web")
        until(lambda: place.images() == {"app:2": 20}, why=place.images)
