"""A kind cluster with our chart on it, as the tests in here see it: who leads, whose processes run where, who wrote.

The fixtures of conftest make one for the session. Everything blocks and every wait has a deadline.
"""

import base64
import secrets
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.api.world import IDLE, Place, Said, path, run, settle, until
from tests.cluster.ledger import Write, read
from understudy.cluster.engine import docker
from understudy.cluster.kind.config import AUDIT_FOLDER
from understudy.cluster.kind.provider import KindCluster
from understudy.cluster.rest import Api
from understudy.cluster.toolchain import ensure
from understudy.loop.call import is_ours
from understudy.loop.roster import CANDIDATE_FOR, LEADING, STATE
from understudy.takeover.seen import LEASE_OF

MANAGER, SCHEDULER = LEASES = tuple(LEASE_OF.values())
TAKEOVER = 60.0
"""Seconds a takeover may last on a busy machine: the old holder's 15 and a start."""
BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"


@dataclass(frozen=True)
class Process:
    """A process in a node's container."""

    node: str
    pid: int


@dataclass
class KindWorld:
    """The cluster, and ways to act on it."""

    cluster: KindCluster
    port: int
    tls: ssl.SSLContext
    connection: Api
    used: float = 0.0

    @property
    def api(self) -> Api:
        """An administrator's connection, opened anew before the server has closed it because nobody used it."""
        now = time.monotonic()
        if now - self.used > IDLE:
            self.connection.__exit__()
        self.used = now
        return self.connection

    def connect(self) -> Api:
        return Api(self.port, self.tls)

    def kubectl(self, *arguments: str, stdin: str = "") -> Said:
        kubectl = ensure(["kubectl"])["kubectl"]
        return run([kubectl, f"--kubeconfig={self.cluster.kubeconfig}", *arguments], stdin=stdin)

    def understudy(self, *arguments: str) -> Said:
        """Our own command line, on this cluster."""
        return run([sys.executable, "-m", "understudy", *arguments, f"--kubeconfig={self.cluster.kubeconfig}"])

    def place(self) -> Place:
        """A new namespace in which pods can be created."""
        return settle(self, f"test-{secrets.token_hex(4)}")

    def holder(self, lease: str) -> str:
        """Who holds one of upstream's Leases."""
        spec = self.api.get(path("leases", "kube-system", lease))["spec"]
        return str(spec.get("holderIdentity") or "")

    def ours_lead(self, seconds: float = TAKEOVER) -> None:
        """Wait until ours act: they hold both Leases, and whom they robbed can no longer write."""
        until(lambda: all(self.holder(lease) in self._acting() for lease in LEASES), seconds, self._holders)

    def _acting(self) -> set[str]:
        """The identities of those on call that say they lead."""
        roster = self.api.get(f"{path('leases', 'kube-system')}?labelSelector={CANDIDATE_FOR}")["items"]
        leading = [each for each in roster if each["metadata"]["annotations"].get(STATE) == LEADING]
        return {each["spec"]["holderIdentity"] for each in leading}

    def upstream_leads(self, seconds: float = TAKEOVER) -> None:
        """Wait until neither is ours and somebody holds each."""
        until(lambda: all(not is_ours(self.holder(one)) and self.holder(one) for one in LEASES), seconds, self._holders)

    def _holders(self) -> dict[str, str]:
        return {lease: self.holder(lease) for lease in LEASES}

    def processes(self, component: str) -> list[Process]:
        """Our processes that run `component`, on every node."""
        found = []
        for node in self.cluster.nodes():
            pattern = f"understudy run {component}( |$)"
            listed = docker.run("exec", node, "sh", "-c", f"pgrep -f '{pattern}' || true")
            found += [Process(node, int(pid)) for pid in listed.split()]
        return found

    def leader(self, component: str) -> Process:
        """The one that holds the Lease: identities name the node and the process number in its container."""
        lease = LEASE_OF[component]
        node = until(lambda: self._node_of(self.holder(lease)), why=self._holders)
        return until(lambda: next((each for each in self.processes(component) if each.node == node), None))  # type: ignore[return-value]

    def _node_of(self, holder: str) -> str:
        return next((node for node in self.cluster.nodes() if f"{node}_" in holder), "") if is_ours(holder) else ""

    def send(self, process: Process, signal: str) -> None:
        docker.run("exec", process.node, "kill", f"-{signal}", str(process.pid))

    def writes(self) -> list[Write]:
        """What the audit log tells of writes, in the order in which they were answered."""
        log = f"{AUDIT_FOLDER}/audit.log"
        return read(self.cluster.execute(self.cluster.nodes()[0], "cat", log).splitlines())


def tls_of(kubeconfig: Path) -> tuple[int, ssl.SSLContext]:
    """The port on this machine and the TLS settings of a kubeconfig as kind writes it."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:  # Python's ssl reads certificates from files only
        for part in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[part]) + b"\n")
        file.flush()
        context.load_cert_chain(file.name)
    port = urlsplit(cluster["server"]).port
    assert port
    return port, context


SERVE = "mkdir -p /www; hostname > /www/index.html; trap exit TERM; httpd -f -p 8080 -h /www & wait"


def _container(generation: int) -> dict[str, object]:
    return {
        "name": "main",
        "image": BUSYBOX,
        "command": ["sh", "-c", SERVE],
        "env": [{"name": "GENERATION", "value": str(generation)}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }


def web(name: str, replicas: int) -> dict[str, object]:
    """A Deployment of small web servers that are ready when they answer, and leave quickly."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 2, "containers": [_container(1)]},
            },
        },
    }


def generation(number: int) -> dict[str, object]:
    """The patch that makes another generation of a `web`."""
    return {"spec": {"template": {"spec": {"containers": [_container(number)]}}}}
