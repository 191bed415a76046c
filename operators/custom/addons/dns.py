"""Who answers cluster DNS: the pods that Service kube-dns selects, CoreDNS's or ours. Pure.

Ours run beside CoreDNS, and the Service's selector says whom it leads to: it is changed when ours are ready, and put
back as it was, which an annotation remembers. An add-on of the ControlPlane (`addons`). The number of our replicas
follows the number of nodes, as the chart says on the Deployment. Answers to cluster-proportional-autoscaler (linear).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import msgspec

from understudy.operators.custom.addons.addon import Addon, Found, Object, Verdict, Write
from understudy.takeover.seen import Leader

SERVICE = "/api/v1/namespaces/kube-system/services/kube-dns"
DEPLOYMENTS = "/apis/apps/v1/namespaces/kube-system/deployments"
READS = {
    "service": SERVICE,
    "ours": f"{DEPLOYMENTS}/understudy-dns",
    "coredns": f"{DEPLOYMENTS}/coredns",
    "nodes": "/api/v1/nodes?limit=1",
}
"""Of the nodes only how many there are: one, and how many remain."""
REMEMBERED = "understudy.dev/selector"
"""The annotation on the Service: its own selector, as JSON, while it leads to ours."""
PER_REPLICA = "understudy.dev/nodes-per-replica"
LEAST, MOST = "understudy.dev/min-replicas", "understudy.dev/max-replicas"
"""Annotations on our Deployment."""


@dataclass(frozen=True, slots=True)
class Pods:
    """A Deployment at one moment; `ready` does not count while it is not up to date with its spec."""

    labels: Mapping[str, str]
    desired: int
    ready: int

    @classmethod
    def of(cls, found: Mapping[str, Any] | None) -> Self | None:
        """None if there is no such Deployment."""
        if found is None:
            return None
        spec, status, metadata = found["spec"], found.get("status") or {}, found["metadata"]
        current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
        ready = status.get("readyReplicas", 0) if current else 0
        return cls(spec["selector"]["matchLabels"], spec.get("replicas", 1), ready)

    @property
    def serves(self) -> bool:
        return 0 < self.ready >= self.desired


def decide(wanted: bool, found: Found) -> Verdict:
    """The next step towards ours (`wanted`) or CoreDNS, and as many of ours as the cluster needs."""
    ours, service = Pods.of(found["ours"]), found["service"]
    verdict = _take(ours, service) if wanted else _give_back(ours, Pods.of(found["coredns"]), service)
    resize = _resize(found["ours"], found["nodes"])
    return Verdict(
        _leader(ours, service),
        ours.ready if ours else 0,
        ours.desired if ours else 0,
        (*verdict.writes, *resize),
        verdict.blocked,
        verdict.moving,
    )


def _take(ours: Pods | None, service: Object | None) -> Verdict:
    if ours is None:
        missing = "there is no Deployment kube-system/understudy-dns: install the chart with dns.enabled=true"
        return Verdict("none", blocked=("NotInstalled", missing))
    if service is None:
        missing = "there is no Service kube-system/kube-dns: install the chart with dns.service.create=true"
        return Verdict("none", blocked=("NoService", missing))
    if _selector(service) == ours.labels:
        return Verdict("understudy")
    if not ours.serves:
        waits = f"{ours.ready} of {ours.desired} replicas of cluster DNS are ready"
        return Verdict("upstream", moving=("TakingOver", waits))
    own = _remembered(service) or _selector(service)
    write = _lead_to(service, ours.labels, msgspec.json.encode(own).decode(), "our cluster DNS is ready")
    return Verdict("upstream", writes=(write,), moving=("TakingOver", "Service kube-dns is led to ours"))


def _give_back(ours: Pods | None, coredns: Pods | None, service: Object | None) -> Verdict:
    own = _remembered(service)
    if service is None or own is None:
        return Verdict("none")
    if coredns is not None and not coredns.ready and ours is not None and ours.ready:
        return Verdict("none", moving=("Releasing", "CoreDNS has no replica that is ready; ours answers until then"))
    write = _lead_to(service, own, None, "our cluster DNS is not asked for")
    return Verdict("none", writes=(write,), moving=("Releasing", "Service kube-dns is led to its own pods"))


def _lead_to(service: Object, labels: Mapping[str, str], remembered: str | None, why: str) -> Write:
    """The merge patch: the keys of the other selector have to go one by one."""
    selector = dict.fromkeys(_selector(service)) | dict(labels)
    body = {"metadata": {"annotations": {REMEMBERED: remembered}}, "spec": {"selector": selector}}
    return Write("PATCH", SERVICE, body, why)


def _selector(service: Object) -> dict[str, str]:
    return service["spec"].get("selector") or {}


def _remembered(service: Object | None) -> dict[str, str] | None:
    text = ((service or {}).get("metadata", {}).get("annotations") or {}).get(REMEMBERED)
    try:
        return msgspec.json.decode(text, type=dict[str, str]) if text else None
    except msgspec.MsgspecError:
        return {"k8s-app": "kube-dns"}  # somebody wrote into it: as every installer has it


def _leader(ours: Pods | None, service: Object | None) -> Leader:
    if service is None:
        return "none"
    if ours is not None and _selector(service) == ours.labels:
        return "understudy" if ours.ready else "none"
    return "upstream"


def _resize(deployment: Object | None, nodes: Object | None) -> tuple[Write, ...]:
    """As many replicas as the nodes need, if the Deployment says how many that are."""
    if deployment is None or nodes is None:
        return ()
    says = deployment["metadata"].get("annotations") or {}
    wanted = replicas(_count(nodes), says)
    if wanted is None or wanted == deployment["spec"].get("replicas", 1):
        return ()
    path = f"{DEPLOYMENTS}/{deployment['metadata']['name']}"
    why = f"the cluster has {_count(nodes)} nodes"
    return (Write("PATCH", path, {"spec": {"replicas": wanted}}, why),)


def replicas(nodes: int, says: Mapping[str, str]) -> int | None:
    """From the number of nodes and the annotations; None if they say nothing, or nothing that makes sense."""
    try:
        each, least, most = int(says[PER_REPLICA]), int(says.get(LEAST, "1")), int(says.get(MOST, "100"))
    except (KeyError, ValueError):
        return None
    return max(least, min(most, ceil(nodes / each))) if each > 0 else None


def _count(nodes: Object) -> int:
    return len(nodes["items"]) + (nodes["metadata"].get("remainingItemCount") or 0)


DNS = Addon(
    "dns",
    READS,
    decide,
    (
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["services"], "resourceNames": ["kube-dns"], "verbs": ["get", "patch"]},
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": ["coredns", "understudy-dns"],
            "verbs": ["get", "patch"],
        },
    ),
)
