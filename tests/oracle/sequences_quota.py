"""What users do with ResourceQuotas, step by step. `sequences` adds these to its own.

What fits into the quotas is created: how often a refused Pod is tried again depends on back-offs, not on quotas.
"""

from typing import Any

from tests.oracle.acts import Create, Kubectl, Patch, Sequence, step
from tests.oracle.bodies import KWOK, pod, replica_set, service, template
from tests.oracle.sequences_garbage import custom

GOLD = "gold.storageclass.storage.k8s.io"


def quota(hard: dict[str, str], name: str = "quota", **spec: Any) -> Create:
    return Create("ResourceQuota", {"metadata": {"name": name}, "spec": {"hard": hard, **spec}})


def scoped(name: str, scope: str, operator: str = "Exists", *values: str) -> Create:
    """A quota of Pods by a scope selector."""
    expression = {"scopeName": scope, "operator": operator, **({"values": list(values)} if values else {})}
    return quota({"pods": "9"}, name, scopeSelector={"matchExpressions": [expression]})


def claim(name: str, storage: str, **spec: Any) -> Create:
    own = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, **spec}
    return Create("PersistentVolumeClaim", {"metadata": {"name": name}, "spec": own})


def container(name: str, **requests: str) -> dict[str, Any]:
    limits = {each: requests[each] for each in requests if each != "cpu"}
    return {"name": name, "image": "app:1", "resources": {"requests": requests, "limits": limits}}


def big_pod(name: str) -> Create:
    """With a sidecar, an init container that needs more than all others, and an extended resource."""
    first, sidecar = container("first", cpu="2", memory="32Mi"), container("sidecar", cpu="100m", memory="16Mi")
    main = container("main", cpu="250m", memory="64Mi", **{"ephemeral-storage": "1Gi", "example.com/gpu": "1"})
    return pod(name, containers=[main], initContainers=[sidecar | {"restartPolicy": "Always"}, first])


QUOTAS = (
    Sequence(
        "quota-custom",
        (
            step("objects", custom("Widget", "a"), custom("Widget", "b")),
            step("quota", quota({"count/widgets.example.com": "5", "count/nothings.example.com": "5"}), still=6.0),
            step("one more", custom("Widget", "c")),
            step("one less", Kubectl("delete widget a"), still=6.0),
        ),
    ),
    Sequence(
        "quota-ended-pods",
        (
            step("quota", quota({"pods": "9", "count/pods": "9", "requests.cpu": "9"})),
            step("pods", *(pod(each, restartPolicy="Never", containers=[container("c", cpu="1")]) for each in "abc")),
            step("one succeeds", Kubectl(f"annotate pod/a {KWOK}/complete-delay=10ms"), still=4.0),
            step("one fails", Kubectl(f"annotate pod/b {KWOK}/fail=true"), still=4.0),
            step("one goes", Kubectl("delete pod c --wait=false"), still=6.0),
        ),
    ),
    Sequence(
        "quota-two",
        (
            step("quotas", quota({"configmaps": "5"}, "one"), quota({"configmaps": "7", "secrets": "3"}, "two")),
            step("objects", Kubectl("create configmap a"), Kubectl("create secret generic a")),
            step("one quota goes", Kubectl("delete resourcequota one")),
            step("less than there is", Patch("ResourceQuota", "two", {"spec": {"hard": {"configmaps": "1"}}})),
        ),
    ),
    Sequence(
        "quota-counts",
        (
            step("pods", replica_set(3)),
            step("quota", quota({"pods": "9", "count/pods": "9", "count/replicasets.apps": "2", "configmaps": "9"})),
            step("more", Kubectl("scale replicaset/web --replicas=5"), Kubectl("create configmap a")),
            step("less", Kubectl("scale replicaset/web --replicas=1"), Kubectl("delete configmap a")),
            step("none", Kubectl("delete replicaset web")),
            step("other limits", Patch("ResourceQuota", "quota", {"spec": {"hard": {"pods": None, "secrets": "3"}}})),
        ),
    ),
    Sequence(
        "quota-compute",
        (
            step(
                "quota",
                quota({"cpu": "9", "requests.memory": "1Gi", "limits.memory": "2Gi", "requests.example.com/gpu": "3"}),
            ),
            step("a pod", big_pod("a")),
            step("another", big_pod("b")),
            step("one goes", Kubectl("delete pod a --wait=false"), still=4),
        ),
    ),
    Sequence(
        "quota-services",
        (
            step("quota", quota({"services": "5", "services.nodeports": "5", "services.loadbalancers": "5"})),
            step("services", service(), service("node", type="NodePort"), service("lb", type="LoadBalancer")),
            step("another type", Patch("Service", "node", {"spec": {"type": "ClusterIP"}})),
            step("gone", Kubectl("delete service lb")),
        ),
    ),
    Sequence(
        "quota-claims",
        (
            step(
                "quota",
                quota({"persistentvolumeclaims": "5", "requests.storage": "5Gi", f"{GOLD}/requests.storage": "2Gi"}),
            ),
            step("claims", claim("a", "1Gi"), claim("b", "1Gi", storageClassName="gold")),
        ),
    ),
    Sequence(
        "quota-scopes",
        (
            step(
                "quotas",
                scoped("best-effort", "BestEffort"),
                scoped("not-best-effort", "NotBestEffort"),
                quota({"pods": "9"}, "terminating", scopes=["Terminating"]),
                quota({"pods": "9"}, "not-terminating", scopes=["NotTerminating"]),
                scoped("no-class", "PriorityClass", "DoesNotExist"),
                scoped("critical", "PriorityClass", "In", "system-cluster-critical"),
            ),
            step("plain", pod("plain")),
            step("limited", pod("limited", activeDeadlineSeconds=3600)),
            step(
                "big",
                Create(
                    "Pod", {"metadata": {"name": "big"}, "spec": template(containers=[container("c", cpu="1")])["spec"]}
                ),
            ),
            step("gone", Kubectl("delete pod plain limited big --wait=false"), still=4),
        ),
    ),
)
