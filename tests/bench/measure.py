"""What a phase of the bench cost: seconds of CPU and peak memory of processes, read from /proc.

Called by `cases`; answers to proc_pid_stat(5) and proc_pid_status(5). The CPU seconds are the figure that repeats on a
busy machine, where the wall time does not.
"""

import asyncio
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PEAK, RESIDENT = "VmHWM", "VmRSS"
_QUIET = 0.02
_LOOK = 0.4
_PATIENCE = 8.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU so far: of the measured component, kube-apiserver and etcd; `rss`: the component's peak, bytes."""

    cpu: float
    rss: int
    api: float
    etcd: float

    def since(self, before: "Usage") -> "Usage":
        """What was used between `before` and now; the peak is of all time."""
        return Usage(self.cpu - before.cpu, self.rss, self.api - before.api, self.etcd - before.etcd)


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads the three processes by their pids. Raises ProcessLookupError or FileNotFoundError if one has ended."""

    component: int
    api: int
    etcd: int

    def read(self) -> Usage:
        """What each has used so far."""
        return Usage(
            cpu_seconds(self.component), peak_bytes(self.component), cpu_seconds(self.api), cpu_seconds(self.etcd)
        )

    async def settle(self, patience: float = _PATIENCE) -> None:
        """Return when the component does next to nothing any more: work put off belongs to the phase that caused it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        before = cpu_seconds(self.component)
        while loop.time() < end:
            await asyncio.sleep(_LOOK)
            now = cpu_seconds(self.component)
            if now - before <= _QUIET:
                return
            before = now


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of `pid`, to the hundredth of a second."""
    return parse_cpu(Path(f"/proc/{pid}/stat").read_text())


def parse_cpu(stat: str) -> float:
    """Fields 14 and 15 of a stat line, counted from the command's last bracket: it may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def peak_bytes(pid: int) -> int:
    """The most memory `pid` has had resident."""
    return parse_memory(Path(f"/proc/{pid}/status").read_text(), PEAK)


def resident_bytes(pid: int) -> int:
    """The memory `pid` has resident now."""
    return parse_memory(Path(f"/proc/{pid}/status").read_text(), RESIDENT)


def parse_memory(status: str, line: str) -> int:
    """A line of memory, which the kernel gives in kB. Raises ValueError without one (a kernel thread, a zombie)."""
    for found in status.splitlines():
        if found.startswith(f"{line}:"):
            return int(found.split()[1]) * 1024
    raise ValueError("this process has no memory")


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on: cores this process may use, processor, memory, kernel, Python, load."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(Path("/proc/cpuinfo").read_text()),
        "memory_gb": round(memory / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _processor(cpuinfo: str) -> str:
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())
