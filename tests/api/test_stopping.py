"""Ctrl-C and SIGTERM: the loops end with exit code 0, give their Lease back and leave no traceback."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from tests.api.bridge import Bridge
from tests.api.lookout import detour
from tests.api.world import PATIENCE, World, get, path, until

LEASE = "test-stopping"
MILD = {
    "controllers": ["--controllers", "root-ca-certificate-publisher-controller"],
    "scheduler": ["--scheduler-name", "nobody"],
}
"""Beside the session's own loops these do nothing that those do not: the scheduler serves names nobody uses."""


@contextmanager
def started(component: str, kubeconfig: Path) -> Iterator[Popen[str]]:
    argv = [sys.executable, "-m", "understudy", "run", component, "--kubeconfig", str(kubeconfig), *MILD[component]]
    argv += ["--leader-elect", "--lease", LEASE, "--log-format", "text"]
    with Popen(argv, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def holder(world: World) -> str:
    found = get(world.api, path("leases", "kube-system", LEASE)) or {"spec": {}}
    return str(found["spec"].get("holderIdentity", ""))


def holds(world: World, process: Popen[str]) -> bool:
    """Whether the Lease is that process'."""
    return f"_{process.pid}_" in holder(world)


def ended(process: Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Exit code and all it said."""
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("component", ["controllers", "scheduler"])
def test_a_leader_is_stopped(world: World, component: str, number: signal.Signals) -> None:
    with started(component, world.cluster.kubeconfig()) as process:
        until(lambda: holds(world, process), why=lambda: holder(world))
        code, log = ended(process, number)
    assert code == 0, log
    assert "Traceback" not in log
    assert "ERROR" not in log
    assert holder(world) == "", "whoever comes next need not wait"


def test_a_candidate_is_stopped_while_it_waits(world: World) -> None:
    config = world.cluster.kubeconfig()
    with started("controllers", config) as leader:
        until(lambda: holds(world, leader))
        with started("controllers", config) as process:
            assert process.stderr
            assert "attempting to acquire" in process.stderr.readline()
            code, log = ended(process, signal.SIGTERM)
        assert (code, log) == (0, "")
        assert holds(world, leader), "it did not give away what it did not have"
        ended(leader, signal.SIGINT)


def test_it_is_stopped_while_the_server_does_not_answer(world: World, tmp_path: Path) -> None:
    port = next(each.port for each in world.cluster.status().components if each.name == "kube-apiserver")
    assert port
    with Bridge(port) as bridge:
        config = detour(world.cluster.kubeconfig(), bridge.port, tmp_path / "kubeconfig")
        with started("controllers", config) as process:
            until(lambda: holds(world, process))
            bridge.cut(shut=True)
            code, log = ended(process, signal.SIGTERM)
    assert code == 0, log
    assert "Traceback" not in log
    assert "was not released, other candidates wait until it runs out" in log
    world.api.delete(path("leases", "kube-system", LEASE))
