"""The smoke selection: what CI runs on a cluster with our loops leading, a quarter of an hour with two processes.

Data: each test of upstream's suite with the reason why it is here. One or two for each loop, those that fail first
when the loop does. Called by `run`.
"""

from types import MappingProxyType

SMOKE = MappingProxyType(
    {
        "[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones [Conformance]": (
            "a rolling update, with adoption of a ReplicaSet that was there before"
        ),
        "[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones [Conformance]": (
            "the other strategy: never an old and a new pod at once, by a watch"
        ),
        "[sig-apps] Deployment deployment should support rollover [Conformance]": (
            "a second update before the first is done; minReadySeconds and clean-up of old ReplicaSets"
        ),
        "[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]": (
            "patches, scale and status in one go, as watched from outside"
        ),
        "[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching pods "
        "[Conformance]": "adoption and release",
        "[sig-apps] ReplicaSet Replace and Patch tests [Conformance]": "scaling up, and a pod template that changes",
        "[sig-apps] ReplicationController should release no longer matching pods [Conformance]": (
            "the same of the older kind"
        ),
        "[sig-apps] ReplicationController should test the lifecycle of a ReplicationController [Conformance]": (
            "status and scale of the older kind, by a watch"
        ),
        "[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning "
        "[Conformance]": "background collection through two levels",
        "[sig-api-machinery] Garbage collector should orphan RS created by deployment when "
        "deleteOptions.PropagationPolicy is Orphan [Conformance]": "orphaning, and half a minute of leaving alone",
        "[sig-api-machinery] Garbage collector should not be blocked by dependency circle [Conformance]": (
            "owners in a circle"
        ),
        "[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service "
        "[Conformance]": "both kinds of endpoints from the pods' readiness and ports",
        "[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace [Conformance]": (
            "a ConfigMap put back after it was deleted and changed"
        ),
        "[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted "
        "[Conformance]": "the namespace controller with real pods",
        "[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if not matching "
        "[Conformance]": "a pod that fits nowhere, and the Event that says so",
        "[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if matching "
        "[Conformance]": "a pod that fits one node",
        "[sig-node] Pods should be submitted and removed [NodeConformance] [Conformance]": (
            "a pod from its creation to its end, scheduled by us"
        ),
        "[sig-node] Pods should get a host IP [NodeConformance] [Conformance]": "the least a pod needs",
    }
)
