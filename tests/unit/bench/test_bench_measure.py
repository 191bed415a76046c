"""What is read from /proc."""

import os

import pytest

from tests.bench import measure
from tests.bench.measure import Usage

TICKS = os.sysconf("SC_CLK_TCK")


def test_cpu_is_user_and_system_time_whatever_the_command_is_called() -> None:
    numbers = " ".join(str(number) for number in range(4, 53))

    assert measure.parse_cpu(f"7 (a) b (c) S {numbers}") == (14 + 15) / TICKS


def test_our_own_cpu_time_is_what_python_says() -> None:
    used = os.times()

    assert measure.cpu_seconds(os.getpid()) == pytest.approx(used.user + used.system, abs=0.2)


def test_the_peak_is_in_bytes() -> None:
    status = "Name:\tx\nVmPeak:\t9 kB\nVmHWM:\t   12 kB\nVmRSS:\t 5 kB\n"

    assert measure.parse_memory(status, measure.PEAK) == 12 * 1024
    assert measure.parse_memory(status, measure.RESIDENT) == 5 * 1024


def test_a_process_without_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="no memory"):
        measure.parse_memory("Name:\tkthreadd\nState:\tS\n", measure.PEAK)


def test_a_phase_costs_what_was_used_in_it_at_the_highest_peak() -> None:
    found = Usage(5.0, 90, api=7.0, etcd=2.0).since(Usage(1.5, 80, api=3.0, etcd=0.5))

    assert found == Usage(3.5, 90, api=4.0, etcd=1.5)


def test_the_machine_is_described() -> None:
    assert measure.machine()["cores"] == len(os.sched_getaffinity(0))
