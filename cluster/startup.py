"""One `up`: from whatever is there (nothing, half a cluster, all of it) to a cluster that is ready.

Called by `understudy.cluster.embedded`, which holds the lock and defers Ctrl-C. Each step looks at what is
and does what is missing, so an `up` after a kill -9, a reboot or a damaged file is the repair. `undo` takes
back what this one started.
"""

import http.client
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from understudy.cluster import flags, kubeconfig, nodes, state
from understudy.cluster.components import APISERVER, CORE, ETCD, KWOK, PEER, Components
from understudy.cluster.errors import ClusterError
from understudy.cluster.files import write_private
from understudy.cluster.layout import Layout
from understudy.cluster.ports import Reservation, preferred
from understudy.cluster.process import Process, environment
from understudy.cluster.rest import Api, client_tls

_READY_TIMEOUT = 60.0
# Seconds between two looks at the nodes, for each of them: a list of thousands must not be what keeps the server busy.
_POLL_PER_NODE = 0.001
_STAGES = ("kwok.yaml", "node.yaml", "pod.yaml")
_USERS = ("controller-manager", "scheduler", "proxy", "kwok")


@dataclass(frozen=True, slots=True)
class Wish:
    """What `up` was asked for; None means: as it was before."""

    port: int | None = None
    nodes: int | None = None
    apiserver_args: Sequence[str] | None = None
    die_with_parent: bool = False
    fast: bool = True
    merge: bool = False
    set_context: bool = False


@dataclass(slots=True)
class Startup:
    """The state of one `up`; `say` is told what is being done."""

    at: Layout
    wish: Wish
    binaries: Mapping[str, Path]
    say: Callable[[str], None]
    components: Components = field(init=False)
    config: state.Config = field(default_factory=state.Config)
    _started: list[Process] = field(default_factory=list)
    _fresh: bool = False
    _check: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.components = Components(self.at)

    def run(self, check: Callable[[], None]) -> None:
        """Bring the cluster up.

        Raises `ClusterError`, or what `check` does if the user wants it to end: call `undo` then.
        """
        self._check = check
        if self.wish.merge:
            kubeconfig.check(kubeconfig.user_file())
        self._fresh = not self.at.home.exists()
        self._remember()
        self._certificates()
        self._settle()
        self._start_control_plane()
        self._wait_ready()
        self._simulate_nodes()
        self._check()
        self._merge()
        self._save()

    def undo(self) -> None:
        """Stop what `run` started, and remove the cluster's files if there were none before."""
        for process in reversed(self._started):
            process.stop(grace=not self._fresh)
        if self._fresh:
            if self.config.merged_into:
                kubeconfig.remove(Path(self.config.merged_into), self.at.name)
            shutil.rmtree(self.at.home, ignore_errors=True)

    def _remember(self) -> None:
        config = state.load(self.at.config)
        if config is None and not self._fresh:
            self.say(f"{self.at.config} is missing or damaged: writing it anew")
            self.components.stop_all()
        self.config = config or self.config

    def _certificates(self) -> None:
        from understudy.cluster import pki  # cryptography is slow to import, and only `up` needs it

        if pki.ensure(self.at.pki, datetime.now(UTC)) and self.components.running():
            self.say("the certificates had to be made anew: restarting")
            self.components.stop_all(self.config.components)

    def _settle(self) -> None:
        """Decide ports and arguments, and write all files that the processes read."""
        wanted = self.wish.apiserver_args
        if wanted is not None and list(wanted) != self.config.apiserver_args:
            self.config.apiserver_args = list(wanted)
            self._restart(APISERVER, "its arguments have changed")
        self._settle_ports()
        self._save()
        write_private(self.at.authentication, json.dumps(flags.authentication(), indent=2).encode())
        port = self.config.ports[APISERVER]
        kubeconfig.write(self.at.kubeconfig, kubeconfig.render(self.at.name, port, self.at.pki))
        for user in _USERS:
            rendered = kubeconfig.render(self.at.name, port, self.at.pki, user)
            kubeconfig.write(self.at.kubeconfig_of(user), rendered)

    def _settle_ports(self) -> None:
        before = dict(self.config.ports)
        reservation = Reservation()
        try:
            for name, process in ((ETCD, ETCD), (PEER, ETCD)):
                self._settle_port(reservation, name, process)
            if self.config.ports[ETCD] != before.get(ETCD):
                self._restart(APISERVER, "etcd has moved to another port")
            self._settle_port(reservation, APISERVER, APISERVER, self.wish.port)
        finally:
            reservation.release()

    def _settle_port(self, reservation: Reservation, name: str, process: str, explicit: int | None = None) -> None:
        had = self.config.ports.get(name)
        if had is not None and self._runs(process):
            if explicit not in (None, had):
                raise ClusterError(
                    f"cluster {self.at.name!r} runs already, on port {had}: "
                    f"`understudy down --name {self.at.name}` first to have it on port {explicit}"
                )
            return
        if explicit is not None:
            port = reservation.exactly(explicit)
        else:
            port = reservation.near(had or preferred(self.at.name, name))
        self.config.ports[name] = port

    def _start_control_plane(self) -> None:
        ports, at = self.config.ports, self.at
        self._start(ETCD, flags.etcd(self._binary(ETCD), at, ports[ETCD], ports[PEER], fast=self.wish.fast))
        # At the same time: kube-apiserver takes longer to come up than etcd, and waits for it.
        args = self.config.apiserver_args
        self._start(APISERVER, flags.apiserver(self._binary(APISERVER), at, ports[APISERVER], ports[ETCD], args))

    def _wait_ready(self) -> None:
        missing = "it does not answer"

        def ready(api: Api) -> bool:
            nonlocal missing
            try:
                code, text = api.text("/readyz?verbose")
            except (OSError, http.client.HTTPException):
                return False
            missing = ", ".join(row.split()[0] for row in text.splitlines() if row.startswith("[-]"))
            return code == http.HTTPStatus.OK

        with self._api() as api:
            if not self._until(lambda: ready(api), (ETCD, APISERVER)):
                raise ClusterError(self._complaint(APISERVER, f"is not ready after {_READY_TIMEOUT:.0f} s: {missing}"))
            self.config.versions["kubernetes"] = api.get("/version")["gitVersion"]

    def _simulate_nodes(self) -> None:
        count = self.config.nodes if self.wish.nodes is None else self.wish.nodes
        had, self.config.nodes = self.config.nodes, count
        if not count and not had:
            return
        with self._api() as api:
            anew = not self._runs(KWOK)
            if anew:
                nodes.admit_kwok(api)
                self._start_kwok()
            nodes.scale(api, count)
            if not self._until(lambda: nodes.alive(api) >= count, CORE, poll=max(0.1, count * _POLL_PER_NODE)):
                raise ClusterError(self._complaint(KWOK, f"has not made {count} nodes ready"))
            if anew and had:
                nodes.replug(api)

    def _start_kwok(self) -> None:
        stages = Path(__file__).parent / "kwok"
        files = [stages / name for name in _STAGES]
        self._start(KWOK, flags.kwok(self._binary(KWOK), self.at, files, self.config.kwok_starts))
        self.config.kwok_starts += 1
        self._save()

    def _merge(self) -> None:
        """Put the cluster into the user's kubeconfig, or bring what stands there from earlier up to date."""
        path = kubeconfig.user_file() if self.wish.merge else Path(self.config.merged_into)
        if not (self.wish.merge or self.config.merged_into):
            return
        rendered = kubeconfig.render(self.at.name, self.config.ports[APISERVER], self.at.pki)
        kubeconfig.merge(path, rendered, set_context=self.wish.set_context)
        self.config.merged_into = str(path)

    def _start(self, name: str, argv: Sequence[str]) -> None:
        self._check()
        process = self.components.process(name)
        if process.identity():
            return
        if process.state() == "stale":
            self.say(f"{name} had ended by itself: starting it again")
        process.start(
            argv,
            env=environment(KWOK_WORKDIR=str(self.at.home / "kwok")),
            cwd=self.at.home,
            die_with_parent=self.wish.die_with_parent,
        )
        self._started.append(process)

    def _restart(self, name: str, why: str) -> None:
        if self._runs(name):
            self.say(f"restarting {name}: {why}")
            self.components.process(name).stop()

    def _until(self, done: Callable[[], bool], alive: Sequence[str], poll: float = 0.05) -> bool:
        """Wait for `done`, and raise if one of the processes `alive` ends meanwhile."""
        deadline = time.monotonic() + _READY_TIMEOUT
        while not done():
            self._check()
            for name in alive:
                if not self._runs(name):
                    raise ClusterError(self._complaint(name, "ended while the cluster was starting"))
            if time.monotonic() > deadline:
                return False
            time.sleep(poll)
        return True

    def _complaint(self, name: str, what: str) -> str:
        process = self.components.process(name)
        return f"{name} {what}. The end of its log:\n{process.tail()}"

    def _runs(self, name: str) -> bool:
        return self.components.process(name).identity() is not None

    def _binary(self, name: str) -> str:
        return str(self.binaries[name])

    def _api(self) -> Api:
        return Api(self.config.ports[APISERVER], client_tls(self.at.pki))

    def _save(self) -> None:
        state.save(self.at.config, self.config)
