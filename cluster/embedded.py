"""A Kubernetes control plane without Docker: etcd, kube-apiserver and kwok as child processes, found again by
name.

Called by `understudy.cluster.cli` and the pytest plugin. Everything blocks: a command line does one thing at
a time. How a cluster comes up is in `understudy.cluster.startup`, what it consists of in
`understudy.cluster.components`.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.cluster import state
from understudy.cluster.components import APISERVER, CORE, ETCD, Components, ComponentStatus
from understudy.cluster.errors import ClusterError
from understudy.cluster.interrupts import deferred
from understudy.cluster.layout import Layout, default_root, names
from understudy.cluster.lock import locked
from understudy.cluster.process import environment

if TYPE_CHECKING:
    from understudy.cluster.rest import Api

_FOLLOW_POLL = 0.2


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster as its pid files tell; `exists` is false for one of which there are no files."""

    name: str
    exists: bool
    components: tuple[ComponentStatus, ...] = ()

    @property
    def running(self) -> bool:
        """Whether etcd and kube-apiserver run, and nothing that was started has ended by itself."""
        states = {component.name: component.state for component in self.components}
        return states.get(ETCD) == states.get(APISERVER) == "running" and "stale" not in states.values()


class EmbeddedCluster:
    """The cluster called `name` below `root`, whether it runs or not.

    `binaries` (etcd, kube-apiserver, kwok) replaces what the toolchain would find or build; `say` is told
    what is being done.
    """

    def __init__(
        self,
        name: str = "default",
        root: Path | None = None,
        *,
        binaries: Mapping[str, Path] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.at = Layout(root or default_root(), name)
        self._components = Components(self.at)
        self._binaries = binaries
        self._say = say

    def up(
        self,
        *,
        port: int | None = None,
        nodes: int | None = None,
        apiserver_args: Sequence[str] | None = None,
        die_with_parent: bool = False,
        fast: bool = True,
        merge: bool = False,
        set_context: bool = False,
    ) -> None:
        """Start what does not run and return when the API server is ready and all simulated nodes are.

        None means as before: the port, the number of nodes (0 at first), further arguments of kube-apiserver.
        With `die_with_parent` the kernel ends the processes with the calling thread. `fast` leaves out etcd's
        fsync. `merge` adds a context to the user's kubeconfig. Raises `ClusterError` or `ToolchainError`,
        with nothing left running that did not run before.
        """
        from understudy.cluster.startup import Startup, Wish

        wish = Wish(port, nodes, apiserver_args, die_with_parent, fast, merge, set_context)
        binaries = self._binaries or _toolchain()
        with locked(self.at.lock, self._say):
            startup = Startup(self.at, wish, binaries, self._say)
            try:
                with deferred() as check:
                    startup.run(check)
            except BaseException:
                startup.undo()
                raise

    def down(self, *, keep_data: bool = False) -> bool:
        """Stop everything and remove the cluster's files, with `keep_data` all but etcd's data, certificates
        and logs.

        Return False if there was no such cluster. Raises `ClusterError` if the user's kubeconfig could not be
        cleaned, after everything else is done.
        """
        with locked(self.at.lock, self._say):
            if not self.at.home.exists():
                return False
            config = self._config()
            self._components.stop_all(config.components, grace=keep_data)
            if not keep_data:
                shutil.rmtree(self.at.home)
            elif config.components:
                config.components = {}
                state.save(self.at.config, config)
            if config.merged_into:
                from understudy.cluster import kubeconfig  # yaml, which `status` and `logs` do without

                kubeconfig.remove(Path(config.merged_into), self.name)
        self._tidy()
        return True

    def _tidy(self) -> None:
        """Remove the folders above the cluster's, as far as nothing is left in them."""
        with suppress(OSError):
            for folder in (self.at.lock.parent, self.at.root):
                folder.rmdir()

    def status(self) -> ClusterStatus:
        """Return what runs and what does not."""
        config = self._config()
        present = self._components.names(config.components)
        components = tuple(self._components.status(name, config.ports.get(name)) for name in present)
        return ClusterStatus(self.name, self.at.home.exists(), components)

    def logs(self, component: str, *, follow: bool = False) -> Iterator[str]:
        """Yield the lines of a component's log; with `follow` also those to come, until it ends.

        Raises `ClusterError` if it has never run.
        """
        process = self._components.process(component)
        if not process.log.exists():
            there = ", ".join(sorted(path.stem for path in self.at.logs.glob("*.log"))) or "none"
            raise ClusterError(f"cluster {self.name!r} has no log of {component!r}; there are: {there}")
        with process.log.open(errors="replace") as file:
            yield from file
            while follow and process.identity():
                time.sleep(_FOLLOW_POLL)
                yield from file

    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig. Raises `ClusterError` if there is no such cluster."""
        if not self.at.kubeconfig.exists():
            raise ClusterError(f"there is no cluster {self.name!r}: `understudy up --name {self.name}` starts one")
        return self.at.kubeconfig

    def kubeconfig_of(self, user: str) -> Path:
        """Return the kubeconfig of `controller-manager`, `scheduler` or `kwok`, with that component's rights."""
        self.kubeconfig()
        return self.at.kubeconfig_of(user)

    def api(self) -> "Api":
        """Return a small synchronous client with an administrator's rights.

        Raises `ClusterError` without a cluster.
        """
        from understudy.cluster.rest import Api, client_tls

        self.kubeconfig()
        return Api(self._config().ports[APISERVER], client_tls(self.at.pki))

    def start_component(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        die_with_parent: bool = False,
    ) -> None:
        """Run `argv` as a part of the cluster: logged, shown by `status`, stopped before etcd and
        kube-apiserver.

        One that runs already is left alone if it has the same command line, otherwise started anew.
        """
        if name in CORE:
            raise ClusterError(f"{name!r} is started by `up`: choose another name for your component")
        Layout(self.at.root, name)  # the same rule for a component's name, which is a file name too
        self.kubeconfig()
        process = self._components.process(name)
        with locked(self.at.lock, self._say), deferred():
            config = self._config()
            if process.identity() and config.components.get(name) == list(argv):
                return
            process.stop()
            config.components[name] = list(argv)
            state.save(self.at.config, config)
            process.start(argv, env=environment(**(env or {})), cwd=self.at.home, die_with_parent=die_with_parent)

    def stop_component(self, name: str) -> None:
        """Stop a component that `start_component` started, and forget it."""
        with locked(self.at.lock, self._say):
            self._components.process(name).stop()
            config = self._config()
            if config.components.pop(name, None) is not None:
                state.save(self.at.config, config)

    def _config(self) -> state.Config:
        return state.load(self.at.config) or state.Config()


def clusters(root: Path | None = None) -> list[str]:
    """Return the names of all clusters that have files, running or not."""
    return names(root or default_root())


def _toolchain() -> Mapping[str, Path]:
    from understudy.cluster.toolchain import ensure

    return ensure(list(CORE))
