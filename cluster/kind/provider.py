"""A kind cluster by name: made, found again, given images, ended.

Called by `understudy up --provider kind` (`stage`), by the tests in tests/cluster and by the conformance harness. The
cluster itself is kind's; what is kept here is its kubeconfig and the configuration it was made with.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understudy.cluster.engine import docker
from understudy.cluster.engine.daemon import has_sys_resource
from understudy.cluster.errors import ClusterError
from understudy.cluster.files import write_private
from understudy.cluster.kind.config import render
from understudy.cluster.kind.nodeimage import Say, find_or_make, is_self_made
from understudy.cluster.layout import default_root
from understudy.cluster.toolchain import ensure

DEFAULT_NAME = "understudy"
CREATE_SECONDS = 600.0
LABEL = "io.x-k8s.kind.cluster"


def _nothing(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class KindCluster:
    """The cluster `name`, whether it exists or not. All methods raise ClusterError and ToolchainError."""

    name: str = DEFAULT_NAME
    say: Say = _nothing
    root: Path = field(default_factory=default_root)

    @property
    def home(self) -> Path:
        """The folder of this cluster's files."""
        return self.root / "kind" / self.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.home / "kubeconfig"

    @property
    def context(self) -> str:
        """What kind calls the cluster in the user's own kubeconfig."""
        return f"kind-{self.name}"

    def exists(self) -> bool:
        """Whether there is such a cluster, ready or not."""
        docker.require()
        return self.name in self._kind("get", "clusters").split()

    def nodes(self) -> list[str]:
        """The names of its node containers, sorted; the control plane's comes first."""
        found = docker.run("ps", "--all", "--filter", f"label={LABEL}={self.name}", "--format", "{{.Names}}").split()
        return sorted(found)

    def up(
        self,
        config: Path,
        *,
        image: str = "auto",
        audit_policy: Path | None = None,
        longest_back_off: str | None = None,
    ) -> None:
        """Make the cluster as `config` (kind-config.yaml) says, with no pod network yet. One that exists stays.

        `image` as `nodeimage.find_or_make` takes it; the others as `config.render` does.
        """
        if self.exists():
            self.say(f"cluster {self.name} exists")
            self._write_kubeconfig()
            return
        tag = find_or_make(image, self.say)
        rendered = render(
            config.read_text(),
            self_made=is_self_made(tag),
            relieved=not has_sys_resource(),
            audit_policy=str(audit_policy) if audit_policy else None,
            longest_back_off=longest_back_off,
        )
        write_private(self.home / "kind-config.yaml", rendered.encode())
        self.say(f"starting cluster {self.name} on {tag}")
        self._create(tag)
        self._write_kubeconfig()

    def down(self) -> bool:
        """End the cluster and remove its files; False if there was none."""
        there = self.exists()
        self._kind("delete", "cluster", "--name", self.name)
        for path in (self.kubeconfig, self.home / "kind-config.yaml"):
            path.unlink(missing_ok=True)
        return there

    def load(self, tags: Sequence[str]) -> None:
        """Give each node the images `tags`, which the engine has; what a node has by that name is not sent again."""
        for node in self.nodes():
            held = set(self.execute(node, "ctr", "--namespace", "k8s.io", "images", "ls", "--quiet").split())
            lacking = [tag for tag in tags if _full(tag) not in held]
            if lacking:
                self.say(f"loading {', '.join(lacking)} on {node}")
                _send(node, lacking)

    def execute(self, node: str, *command: str, text: str | None = None, timeout: float = 120.0) -> str:
        """What `command` prints in the node's container; `text` is given to it."""
        interactive = ("--interactive",) if text is not None else ()
        return docker.run("exec", *interactive, node, *command, text=text, timeout=timeout)

    def kubectl(self, *arguments: str, text: str | None = None, timeout: float = 120.0) -> str:
        """What kubectl prints as the cluster's administrator."""
        binary = ensure(["kubectl"])["kubectl"]
        return run([str(binary), "--kubeconfig", str(self.kubeconfig), *arguments], text=text, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 300.0) -> str:
        """What helm prints as the cluster's administrator."""
        binary = ensure(["helm"])["helm"]
        return run([str(binary), "--kubeconfig", str(self.kubeconfig), *arguments], timeout=timeout)

    def _create(self, tag: str) -> None:
        config = self.home / "kind-config.yaml"
        try:
            self._kind("create", "cluster", "--name", self.name, "--config", str(config), "--image", tag)
        except BaseException:
            # Half a cluster is no use to anybody; kind itself leaves it there when it is interrupted.
            self._kind("delete", "cluster", "--name", self.name)
            raise

    def _write_kubeconfig(self) -> None:
        write_private(self.kubeconfig, self._kind("get", "kubeconfig", "--name", self.name).encode())

    def _kind(self, *arguments: str) -> str:
        return run([str(ensure(["kind"])["kind"]), *arguments], timeout=CREATE_SECONDS)


def run(command: Sequence[str], *, text: str | None = None, timeout: float) -> str:
    """The stdout of `command`. Raises ClusterError with the end of what it said on stderr."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=timeout, check=False, env=dict(os.environ)
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{name} did not end within {timeout:g} s: {' '.join(command[1:])}") from None
    if done.returncode != 0:
        tail = "\n".join(f"  {line}" for line in (done.stderr or done.stdout).splitlines()[-20:])
        raise ClusterError(f"{name} failed: {' '.join(command[1:6])}\n{tail}")
    return done.stdout


def _send(node: str, tags: Sequence[str]) -> None:
    with subprocess.Popen(["docker", "save", *tags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as saving:
        command = ["ctr", "--namespace", "k8s.io", "images", "import", "-"]
        docker.run("exec", "--interactive", node, *command, stdin=saving.stdout)


def _full(tag: str) -> str:
    """The tag as containerd lists it: with Docker's registry and folder where it names none."""
    first, slash, _ = tag.partition("/")
    if not slash:
        return f"docker.io/library/{tag}"
    return tag if "." in first or ":" in first or first == "localhost" else f"docker.io/{tag}"
