"""What is read from /proc, and who is started with which arguments."""

import os
from pathlib import Path

import pytest

from tests.bench import contenders, measure
from tests.bench.measure import Usage
from understudy.cluster.layout import Layout
from understudy.components import registry

TICKS = os.sysconf("SC_CLK_TCK")


def test_cpu_is_user_and_system_time_whatever_the_command_is_called() -> None:
    numbers = " ".join(str(number) for number in range(4, 53))

    assert measure.parse_cpu(f"7 (a) b (c) S {numbers}") == (14 + 15) / TICKS


def test_our_own_cpu_time_is_what_python_says() -> None:
    used = os.times()

    assert measure.cpu_seconds(os.getpid()) == pytest.approx(used.user + used.system, abs=0.2)


def test_the_peak_is_in_bytes() -> None:
    assert measure.parse_peak("Name:\tx\nVmPeak:\t9 kB\nVmHWM:\t   12 kB\nVmRSS:\t 5 kB\n") == 12 * 1024


def test_a_process_without_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="no memory"):
        measure.parse_peak("Name:\tkthreadd\nState:\tS\n")


def test_a_phase_costs_what_was_used_in_it_at_the_highest_peak() -> None:
    found = Usage(5.0, 90, api=7.0, etcd=2.0).since(Usage(1.5, 80, api=3.0, etcd=0.5))

    assert found == Usage(3.5, 90, api=4.0, etcd=1.5)


def test_the_machine_is_described() -> None:
    assert measure.machine()["cores"] == len(os.sched_getaffinity(0))


def test_upstream_runs_the_same_controllers_as_ours(tmp_path: Path) -> None:
    _, same, every = contenders.controllers({contenders.KCM: Path("kcm"), contenders.SCHEDULER: Path("sched")})
    at = Layout(tmp_path, "bench")

    argv = contenders.kcm_argv(Path("kcm"), at, list(registry()))

    assert f"--controllers={','.join(registry())}" in argv
    assert "--leader-elect=false" in argv
    assert same.name != every.name


def test_kube_scheduler_is_given_its_own_rights_and_no_limits(tmp_path: Path) -> None:
    at = Layout(tmp_path, "bench")

    found = contenders.scheduler_configuration(at)

    assert found["clientConnection"] == {"kubeconfig": str(at.kubeconfig_of("scheduler")), "qps": 5000, "burst": 5000}
    assert found["leaderElection"] == {"leaderElect": False}
