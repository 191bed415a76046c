"""What the API server fills in by itself: defaults of specs, first statuses, addresses, and admission's additions.

Called by `fake_write` on each create and update, so that a loop meets the same objects as on a real server. Answers to
kubernetes pkg/apis/{core,apps,batch,discovery}/v1/defaults.go, pkg/registry/*/strategy.go and the default-on admission
plugins; compared with what a running kube-apiserver v1.34 made of the same objects.
"""

from collections.abc import Callable, Mapping
from typing import Any

from understudy.testing.fake_kinds import Resource
from understudy.testing.fake_state import State

Json = dict[str, Any]

FIRST_STATUS: Mapping[str, Json] = {
    "pods": {"phase": "Pending"},
    "namespaces": {"phase": "Active"},
    "services": {"loadBalancer": {}},
    "persistentvolumeclaims": {"phase": "Pending"},
    "persistentvolumes": {"phase": "Pending"},
    "replicationcontrollers": {"replicas": 0},
    "replicasets.apps": {"replicas": 0},
    "statefulsets.apps": {"replicas": 0, "availableReplicas": 0},
    "daemonsets.apps": {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    "poddisruptionbudgets.policy": {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    },
}
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def fill_defaults(resource: Resource, obj: Json) -> None:
    """Complete the spec in place, as on every write."""
    if resource.builtin and resource.id in _DEFAULTS:
        _DEFAULTS[resource.id](obj)


def prepare_new(resource: Resource, obj: Json, state: State) -> None:
    """What only a create does, in place: the first status, addresses, generated selectors, admission's additions."""
    if not resource.builtin:
        if resource.status:
            obj.pop("status", None)
        return
    if resource.status and resource.plural != "nodes":
        obj["status"] = dict(FIRST_STATUS.get(resource.id, {}))
    prepare = _PREPARATIONS.get(resource.id)
    if prepare is not None:
        prepare(obj, state)


def _set(target: Json, **defaults: Any) -> None:
    for key, value in defaults.items():
        target.setdefault(key, value)


# Pods


def _pod_spec(spec: Json) -> None:
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        _container(container)
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )


def _container(container: Json) -> None:
    image = str(container.get("image", "")).rpartition("/")[2]
    latest = image.endswith(":latest") or not any(sign in image for sign in ":@")
    for port in container.get("ports", ()):
        _set(port, protocol="TCP")
    _set(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
    )


def _pod(pod: Json) -> None:
    spec = pod.setdefault("spec", {})
    _pod_spec(spec)
    _set(spec, enableServiceLinks=True)
    for container in spec.get("containers", ()):
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = limits | container["resources"].get("requests", {})


def _new_pod(pod: Json, _state: State) -> None:
    spec = pod["spec"]
    present = {(each.get("key"), each.get("effect")) for each in spec.get("tolerations", ())}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not present & {(key, "NoExecute"), (key, None), (None, None), (None, "NoExecute")}:
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            spec.setdefault("tolerations", []).append(toleration)
    _set(spec, priority=0, preemptionPolicy="PreemptLowerPriority")
    pod["status"]["qosClass"] = _qos_class(spec)


def _qos_class(spec: Json) -> str:
    resources = [each["resources"] for each in spec.get("containers", ())]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= each.get("limits", {}).keys() and each.get("requests") == each["limits"]
        for each in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _template(owner: Json) -> None:
    template = owner.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod_spec(template.setdefault("spec", {}))


# Workloads


def _deployment(deployment: Json) -> None:
    spec = deployment.setdefault("spec", {})
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    _rolling(spec["strategy"], maxUnavailable="25%", maxSurge="25%")
    _template(spec)


def _rolling(strategy: Json, **defaults: Any) -> None:
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), **defaults)


def _replicaset(replicaset: Json) -> None:
    spec = replicaset.setdefault("spec", {})
    _set(spec, replicas=1)
    _template(spec)


def _replication_controller(controller: Json) -> None:
    spec = controller.setdefault("spec", {})
    _set(spec, replicas=1)
    _template(spec)
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        _set(spec, selector=dict(labels))
        _set(controller["metadata"], labels=dict(labels))


def _daemonset(daemonset: Json) -> None:
    spec = daemonset.setdefault("spec", {})
    _set(spec, revisionHistoryLimit=10, updateStrategy={})
    _rolling(spec["updateStrategy"], maxUnavailable=1, maxSurge=0)
    _template(spec)


def _new_daemonset(daemonset: Json, _state: State) -> None:
    daemonset["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"


def _statefulset(statefulset: Json) -> None:
    spec = statefulset.setdefault("spec", {})
    _set(
        spec,
        replicas=1,
        revisionHistoryLimit=10,
        serviceName="",
        podManagementPolicy="OrderedReady",
        persistentVolumeClaimRetentionPolicy={},
        updateStrategy={},
    )
    _set(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    _rolling(spec["updateStrategy"], partition=0)
    _template(spec)
    for claim in spec.get("volumeClaimTemplates", ()):
        _set(claim, kind="PersistentVolumeClaim", apiVersion="v1", status={"phase": "Pending"})
        _claim(claim)


def _job_spec(spec: Json) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    _set(
        spec,
        parallelism=1,
        backoffLimit=2**31 - 1 if "backoffLimitPerIndex" in spec else 6,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=False,
        podReplacementPolicy="Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
    )
    _template(spec)


def _job(job: Json) -> None:
    _job_spec(job.setdefault("spec", {}))


def _new_job(job: Json, _state: State) -> None:
    spec, meta = job["spec"], job["metadata"]
    if not spec["manualSelector"]:
        labels = spec["template"]["metadata"].setdefault("labels", {})
        for prefix in ("", "batch.kubernetes.io/"):
            _set(labels, **{f"{prefix}job-name": meta["name"], f"{prefix}controller-uid": meta["uid"]})
        uid = {"batch.kubernetes.io/controller-uid": meta["uid"]}
        selected = spec.setdefault("selector", {}).setdefault("matchLabels", {})
        _set(selected, **uid)
    if not meta.get("labels") and spec["template"]["metadata"].get("labels"):
        meta["labels"] = dict(spec["template"]["metadata"]["labels"])


def _cronjob(cronjob: Json) -> None:
    spec = cronjob.setdefault("spec", {})
    _set(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
        jobTemplate={},
    )
    _set(spec["jobTemplate"], metadata={}, spec={})
    _template(spec["jobTemplate"]["spec"])


# Services, slices, claims, namespaces, nodes


def _service(service: Json) -> None:
    spec = service.setdefault("spec", {})
    _set(spec, sessionAffinity="None", type="ClusterIP")
    for port in spec.get("ports", ()):
        _set(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _set(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)


def _new_service(service: Json, state: State) -> None:
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        number = state.count("clusterIP") + 10
        spec["clusterIP"] = f"10.96.{number >> 8}.{number & 255}"
    _set(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports", ()):
            port.setdefault("nodePort", 30000 + state.count("nodePort"))


def _endpoints(endpoints: Json) -> None:
    for subset in endpoints.get("subsets", ()):
        for port in subset.get("ports", ()):
            _set(port, protocol="TCP")


def _slice(slice_: Json) -> None:
    for port in slice_.get("ports", ()):
        _set(port, name="", protocol="TCP")
    for endpoint in slice_.get("endpoints", ()):
        _set(endpoint, conditions={})


def _event(event: Json) -> None:
    _set(event, source={}, reportingComponent="", reportingInstance="")


def _secret(secret: Json) -> None:
    _set(secret, type="Opaque")


def _claim(claim: Json) -> None:
    _set(claim.setdefault("spec", {}), volumeMode="Filesystem")


def _new_claim(claim: Json, _state: State) -> None:
    finalizers = claim["metadata"].setdefault("finalizers", [])
    if "kubernetes.io/pvc-protection" not in finalizers:
        finalizers.append("kubernetes.io/pvc-protection")


def _volume(volume: Json) -> None:
    _set(volume.setdefault("spec", {}), volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")


def _new_volume(volume: Json, _state: State) -> None:
    volume["metadata"].setdefault("finalizers", ["kubernetes.io/pv-protection"])


def _storage_class(storage_class: Json) -> None:
    _set(storage_class, volumeBindingMode="Immediate", reclaimPolicy="Delete")


def _namespace(namespace: Json) -> None:
    meta = namespace["metadata"]
    meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]


def _new_namespace(namespace: Json, _state: State) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}


def _new_node(node: Json, _state: State) -> None:
    node.setdefault("status", {})
    taints = node.setdefault("spec", {}).setdefault("taints", [])
    if not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in taints):
        taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})


_DEFAULTS: Mapping[str, Callable[[Json], None]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replicaset,
    "replicationcontrollers": _replication_controller,
    "daemonsets.apps": _daemonset,
    "statefulsets.apps": _statefulset,
    "jobs.batch": _job,
    "cronjobs.batch": _cronjob,
    "services": _service,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _slice,
    "events": _event,
    "secrets": _secret,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "storageclasses.storage.k8s.io": _storage_class,
    "namespaces": _namespace,
}
_PREPARATIONS: Mapping[str, Callable[[Json, State], None]] = {
    "pods": _new_pod,
    "daemonsets.apps": _new_daemonset,
    "jobs.batch": _new_job,
    "services": _new_service,
    "persistentvolumeclaims": _new_claim,
    "persistentvolumes": _new_volume,
    "namespaces": _new_namespace,
    "nodes": _new_node,
}
