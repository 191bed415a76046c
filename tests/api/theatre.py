"""A cluster with upstream's own binaries, restarted as a kubelet would, and our replicas on call beside them.

The takeover's test plays in it. Each of ours runs as a service account with exactly the rights the code declares. The
audit log tells who wrote what and when; a deployment that is scaled without end gives the controllers work to do.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise
from pathlib import Path

import yaml

from tests.api.world import Said, World, get, path, run, until, workload
from tests.bench.contenders import KCM, KUBE_SCHEDULER, kcm_argv
from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, Object
from understudy.components import registry
from understudy.loop import rights
from understudy.loop.roster import on_call_rules
from understudy.operators.custom.operator import operator_rules
from understudy.scheduler.rights import rules as scheduler_rules

PLANE = "/apis/understudy.dev/v1alpha1/controlplanes/cluster"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
OURS, THEIRS = "understudy", "upstream"
LEASES = {"controllers": KCM, "scheduler": KUBE_SCHEDULER}
ROOT = Path(__file__).parents[2]
_UPSTREAM_SCHEDULER = "system:kube-scheduler"
_KUBELET = 'while :; do "$@"; sleep 1; done'
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}, {"group": "events.k8s.io"}]},
        {"level": "None", "resources": [{"group": "", "resources": ["events", "serviceaccounts/token"]}]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete"]},
    ],
}


@dataclass(frozen=True)
class Write:
    """One write of a control loop: by whom, and when the server got it, in seconds since 1970."""

    writer: str
    when: float
    what: str


@dataclass
class Theatre:
    """`world` and who plays in it."""

    world: World
    binaries: Mapping[str, Path]
    configs: dict[str, Path] = field(default_factory=dict)

    @property
    def cluster(self) -> EmbeddedCluster:
        return self.world.cluster

    def open(self) -> None:
        """Upstream leads, the CRD is there, our operator and two replicas of each component are on call."""
        at, config = self.cluster.at, self.cluster.kubeconfig_of("controller-manager")
        manager = kcm_argv(self.binaries[KCM], at, config, ["*"])
        scheduler = [str(self.binaries[KUBE_SCHEDULER]), f"--kubeconfig={self.cluster.kubeconfig_of('scheduler')}"]
        self._upstream(KCM, [each.replace("--leader-elect=false", "--leader-elect=true") for each in manager])
        self._upstream(KUBE_SCHEDULER, [*scheduler, "--secure-port=0"])
        crd = yaml.safe_load((ROOT / "crds/controlplane.yaml").read_text())
        self.world.api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        self._account("controllers", [*rights.rules(registry().values()), *on_call_rules()])
        self._account("scheduler", [*scheduler_rules(), *on_call_rules()], _UPSTREAM_SCHEDULER)
        self._account("operator", operator_rules())
        until(lambda: all(self.leader(each) == THEIRS for each in LEASES))

    def _upstream(self, name: str, argv: list[str]) -> None:
        self.cluster.start_component(name, ["/bin/sh", "-c", _KUBELET, "kubelet", *argv], die_with_parent=True)

    def _account(self, component: str, rules: list[rights.Rule], *roles: str) -> None:
        """A service account with a kubeconfig of its own, rights of its own and those of existing `roles`."""
        api, name = self.world.api, f"understudy-{component}"
        until(lambda: get(api, path("namespaces", name="kube-system")))
        api.create(path("serviceaccounts", "kube-system"), {"metadata": {"name": name}})
        api.create(f"{RBAC}/clusterroles", rights.cluster_role(name, ()) | {"rules": rules})
        for role in (name, *roles):
            bound = rights.binding(role, name) | {"metadata": {"name": f"{name}-{role.replace(':', '-')}"}}
            bound["subjects"] = [{"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}]
            api.create(f"{RBAC}/clusterrolebindings", bound)
        made = api.create(path("serviceaccounts", "kube-system", name, "token"), {"spec": {"expirationSeconds": 7200}})
        assert made is not None
        config = yaml.safe_load(self.cluster.kubeconfig().read_text())
        config["users"][0]["user"] = {"token": made["status"]["token"]}
        self.configs[component] = self.cluster.at.home / f"{name}.kubeconfig"
        self.configs[component].write_text(yaml.safe_dump(config))

    def start(self, name: str, component: str, *more: str) -> None:
        """A replica of ours."""
        loops.ports(self.cluster).mkdir(exist_ok=True)
        argv = [sys.executable, "-m", "understudy", "run", component, "--leader-elect"]
        argv += ["--kubeconfig", str(self.configs[component]), "--port-file", str(loops.ports(self.cluster) / name)]
        if component == "controllers":
            argv += ["--root-ca-file", str(self.cluster.at.pki / "ca.crt")]
        argv += ["--log-format", "text", *more]
        self.cluster.start_component(name, argv, die_with_parent=True)

    def cli(self, *words: str) -> Said:
        """What `understudy WORDS` answers on this cluster, as its administrator."""
        return run([sys.executable, "-m", "understudy", *words, "--kubeconfig", self.cluster.kubeconfig()])

    def lease(self, component: str) -> Object:
        return get(self.world.api, path("leases", "kube-system", LEASES[component])) or {"spec": {}}

    def holder(self, component: str) -> str:
        return str(self.lease(component)["spec"].get("holderIdentity") or "")

    def since(self, component: str) -> float:
        """When its holder took the Lease, in seconds since 1970."""
        return datetime.fromisoformat(self.lease(component)["spec"]["acquireTime"]).timestamp()

    def leader(self, component: str) -> str:
        holder = self.holder(component)
        return "" if holder in ("", "understudy:relay") else OURS if holder.startswith("understudy:") else THEIRS

    def control_plane(self) -> Object:
        return get(self.world.api, PLANE) or {}

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition of the ControlPlane."""
        found = self.control_plane().get("status", {}).get("conditions", [])
        return next(((each["status"], each["reason"]) for each in found if each["type"] == kind), ("", ""))

    def writes(self, component: str, since: float) -> list[Write]:
        """What the two that compete for a component wrote, in the order in which the server got it."""
        mine = f"system:serviceaccount:kube-system:understudy-{component}"
        found = []
        for line in (self.cluster.at.home / "audit.log").read_text().splitlines():
            entry = json.loads(line)
            theirs = entry.get("userAgent", "").startswith(f"{LEASES[component]}/")
            if theirs or entry["user"]["username"] == mine:
                when = datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
                what = f"{entry['verb']} {entry.get('objectRef', {}).get('resource')}"
                found.append(Write(THEIRS if theirs else OURS, when, what))
        return sorted((each for each in found if each.when >= since), key=lambda each: each.when)

    def acts(self, component: str, since: float) -> list[str]:
        """Who wrote after whom since a time: never twice at once, if each comes once for each handover."""
        return [writer for writer, _ in groupby(each.writer for each in self.writes(component, since))]


@contextmanager
def theatre(folder: Path, binaries: Mapping[str, Path]) -> Iterator[Theatre]:
    """A cluster of its own, with an audit log."""
    cluster = EmbeddedCluster("takeover", folder, binaries=binaries)
    try:
        cluster.at.home.mkdir(parents=True)
        policy = cluster.at.home / "audit-policy.json"
        policy.write_text(json.dumps(_POLICY))
        audit = [f"--audit-policy-file={policy}", f"--audit-log-path={cluster.at.home}/audit.log"]
        cluster.up(nodes=1, apiserver_args=audit, die_with_parent=True)
        with cluster.api() as api:
            made = Theatre(World(cluster, binaries, api), binaries)
            made.open()
            yield made
    finally:
        cluster.down()


@contextmanager
def busy(world: World) -> Iterator[None]:
    """Work without end: a Deployment that is scaled up and down by one, four times a second."""
    done = threading.Event()

    def scale(api: Api, namespace: str) -> None:
        with api:
            replicas = 1
            while not done.wait(0.25):
                replicas = 3 - replicas
                api.patch(path("deployments", namespace, "busy"), {"spec": {"replicas": replicas}})

    place = world.place()
    place.create("deployments", workload("busy", 1))
    thread = threading.Thread(target=scale, args=(world.cluster.api(), place.name))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        world.api.delete(path("namespaces", name=place.name))


def longest_pause(writes: list[Write]) -> float:
    """The longest time in which nobody wrote, in seconds."""
    times = [each.when for each in writes] + [time.time()]
    return max(after - before for before, after in pairwise(times))
