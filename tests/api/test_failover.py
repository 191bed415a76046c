"""Two replicas of the controllers and one Lease: whatever becomes of the leader, the other finishes its work."""

import signal
import sys
from collections.abc import Iterator

import pytest

from tests.api.referee import Referee
from tests.api.world import Place, World, get, path, until, workload
from understudy.cluster import loops

REPLICAS = ("controllers-a", "controllers-b")
LEASE = "test-failover"
DURATION = 3


def start(world: World, name: str) -> None:
    """Start a replica; `die_with_parent` as the rest of the cluster."""
    options = {
        "--kubeconfig": world.cluster.kubeconfig_of("controller-manager"),
        "--port-file": loops.ports(world.cluster) / name,
        "--root-ca-file": world.cluster.at.pki / "ca.crt",
        "--lease": LEASE,
        "--lease-duration": DURATION,
        "--renew-deadline": 2,
        "--retry-period": 0.5,
        "--log-format": "text",
    }
    given = [str(each) for pair in options.items() for each in pair]
    argv = [sys.executable, "-m", "understudy", "run", "controllers", "--leader-elect", *given]
    world.cluster.start_component(name, argv, die_with_parent=True)


@pytest.fixture(scope="module", autouse=True)
def alone(world: World) -> Iterator[None]:
    """Nobody else acts: the session's controllers wait in the wings."""
    world.cluster.stop_component("controllers")
    yield
    for name in REPLICAS:
        world.cluster.stop_component(name)
    loops.start(world.cluster, ["controllers"], die_with_parent=True)


@pytest.fixture
def replicas(alone: None, world: World) -> None:
    """Both run, and one leads; what the test before has ended is started anew."""
    for name in REPLICAS:
        start(world, name)
    leader(world)


def holder(world: World) -> str:
    """The process id in the Lease's holderIdentity, "" if nobody holds it."""
    found = get(world.api, path("leases", "kube-system", LEASE)) or {"spec": {}}
    return "".join(str(found["spec"].get("holderIdentity") or "").split("_")[-2:-1])


def leader(world: World) -> str:
    """The replica that holds the Lease, once one of them does."""
    pids = {str(world.pid(name)): name for name in REPLICAS if world.running(name)}
    return until(lambda: pids.get(holder(world)), why=lambda: holder(world)) or ""


def in_mid_rollout(place: Place) -> None:
    """Make 20 pods, then let them be replaced, a few at a time; return when some are new."""
    place.create("deployments", workload("web", 20, node="node-0", ready_delay="300ms", strategy={"maxSurge": 3}))
    place.complete("web")
    place.set_image("web", "app:2")
    until(lambda: place.images()["app:2"] > 3)


def test_a_leader_that_is_killed(replicas: None, world: World, place: Place) -> None:
    first = leader(world)
    with Referee(place, most=23, least=15) as referee:
        in_mid_rollout(place)
        world.kill(first)
        assert place.images()["app:1"], "it is in the middle"
        place.complete("web")
        until(lambda: place.images() == {"app:2": 20}, why=place.images)
    assert referee.created == {"app:1": 20, "app:2": 20}, "not one too many"
    assert leader(world) != first


def test_a_leader_that_sleeps_and_wakes_up(replicas: None, world: World, place: Place) -> None:
    first = leader(world)
    with Referee(place, most=23) as referee:
        in_mid_rollout(place)
        world.send(first, signal.SIGSTOP)
        place.complete("web")
        place.scale("web", 5)
        place.complete("web")
        world.send(first, signal.SIGCONT)
        until(lambda: not world.running(first))
        until(lambda: place.images() == {"app:2": 5}, why=place.images)
    assert referee.created == {"app:1": 20, "app:2": 20}
    assert leader(world) != first
    log = "".join(world.cluster.logs(first))
    assert "Traceback" not in log, log
    assert log.splitlines()[-1].endswith("ending"), log


def test_a_leader_that_is_asked_to_go_gives_its_lease_back(replicas: None, world: World, place: Place) -> None:
    first = leader(world)
    went = str(world.pid(first))
    world.cluster.stop_component(first)
    assert holder(world) != went
    assert leader(world) != first
    place.create("deployments", workload("web", 2, node="node-0"))
    place.complete("web")
