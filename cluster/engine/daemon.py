"""Debian's Docker engine, installed and started by us: for machines that have none, when the user says so.

Called by `understudy engine` and so by `make engine`. An engine that answers is never touched. Where systemd runs it
starts the engine; elsewhere dockerd is started detached, known by a pid file, and `stop` ends it. Where the kernel
withholds CAP_SYS_RESOURCE (some sandboxes), and only there, its runtime is `runc-without-resource`.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster.engine import docker
from understudy.cluster.errors import ClusterError
from understudy.cluster.layout import default_root
from understudy.cluster.process import Process, environment, wait_until

PACKAGES = ("docker.io", "debootstrap", "jq", "iptables")
"""docker.io is the engine; debootstrap makes the images of machines that can pull none; jq serves the runtime."""
WRAPPER = Path(__file__).parent / "runc-without-resource"
CAP_SYS_RESOURCE = 24
PATIENCE = 60.0
RUN = Path("/run/understudy-engine")
"""The engine's sockets: their paths have to be short."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine we started, or would start, with its files below `home`."""

    home: Path

    @classmethod
    def of_user(cls) -> "Engine":
        return cls(default_root() / "engine")

    @property
    def process(self) -> Process:
        return Process("dockerd", self.home / "dockerd.pid", self.home / "dockerd.log")

    def start(self, *, install: bool, say: Say) -> None:
        """Return when an engine answers. Raises ClusterError with what to do."""
        version = docker.server_version()
        if version is not None:
            say(f"Docker {version} is running")
            return
        _require_root()
        _provide(install, say)
        if systemd_runs():
            _command(["systemctl", "start", "docker"], "starting the engine")
        else:
            self.process.start(self._arguments(), env=environment(), cwd=Path("/"))
        if not wait_until(lambda: docker.server_version() or self._ended(), PATIENCE, poll=0.5) or self._ended():
            raise ClusterError(f"The engine does not answer. The end of {self.process.log}:\n{self.process.tail()}")
        say(f"Docker {docker.server_version()} started")

    def stop(self) -> bool:
        """End the engine we started, and with it every container; False if we started none."""
        if self.process.identity() is None:
            return False
        self.process.stop(timeout=30.0)
        return True

    def _ended(self) -> bool:
        return not systemd_runs() and self.process.identity() is None

    def _arguments(self) -> list[str]:
        self.home.mkdir(parents=True, exist_ok=True)
        return [
            "dockerd",
            f"--data-root={self.home / 'data'}",
            f"--exec-root={RUN}",
            f"--pidfile={RUN}.pid",
            "--host=unix:///var/run/docker.sock",
            *self._runtime(),
        ]

    def _runtime(self) -> list[str]:
        if has_sys_resource():
            return []
        wrapper = self.home / WRAPPER.name
        shutil.copy2(WRAPPER, wrapper)
        return [f"--add-runtime=lean={wrapper}", "--default-runtime=lean"]


def has_sys_resource(status: Path = Path("/proc/self/status")) -> bool:
    """Whether the kernel lets processes of this machine have CAP_SYS_RESOURCE at all (the bounding set)."""
    bounding = next(line for line in status.read_text().splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def systemd_runs() -> bool:
    """Whether systemd is this machine's init (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def _require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError("No engine answers, and only root may install or start one: use sudo, or start Docker.")


def _provide(install: bool, say: Say) -> None:
    """See to it that dockerd and what goes with it is installed."""
    missing = [name for name in ("dockerd", "debootstrap", "jq", "iptables") if shutil.which(name) is None]
    if not missing:
        return
    if not install:
        raise ClusterError(f"{', '.join(missing)} missing. `understudy engine start --install` installs Debian's.")
    if shutil.which("apt-get") is None:
        raise ClusterError("This is no Debian or Ubuntu: install Docker as your system does it, then start it.")
    say(f"installing {', '.join(PACKAGES)} ...")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    _command(["apt-get", "update", "-qq"], "reading the package lists", quiet)
    install_them = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    _command(install_them, "installing the engine", quiet)


def _command(command: Sequence[str], what: str, extra: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=environment(**(extra or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-12:])
        raise ClusterError(f"{what} failed: `{' '.join(command)}` ended with {done.returncode}:\n{tail}")
