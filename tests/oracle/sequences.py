"""What users do, step by step. Each sequence plays in a namespace of its own.

Called by `__main__`; add yours at its place and run it by name. Where an order of deletion or creation would depend on
the moment, sizes are chosen so that only one outcome is possible.
"""

from tests.oracle.acts import Create, Kubectl, Patch, PatchSome, Sequence, Step, step
from tests.oracle.bodies import KWOK, NOT_READY, controller, deployment, node, pod, replica_set, service, template
from tests.oracle.sequences_cronjob import CRON_JOBS
from tests.oracle.sequences_daemonset import DAEMON_SETS
from tests.oracle.sequences_disruption import DISRUPTION
from tests.oracle.sequences_garbage import GARBAGE, custom
from tests.oracle.sequences_job import JOBS
from tests.oracle.sequences_mirroring import MIRRORING, PACKING
from tests.oracle.sequences_policies import POLICIES
from tests.oracle.sequences_quota import QUOTAS
from tests.oracle.sequences_statefulset import STATEFUL_SETS
from tests.oracle.sequences_volumes import VOLUMES
from understudy.cluster.flags import HEARTBEAT_LABEL


def k(words: str) -> Kubectl:
    return Kubectl(words)


def _image(tag: str) -> Kubectl:
    return k(f"set image deployment/web main=app:{tag}")


def _delete(kind: str, cascade: str) -> Step:
    return step(f"delete, {cascade}", k(f"delete {kind} web --cascade={cascade} --wait=false"))


def _labels(**labels: str | None) -> dict[str, object]:
    return {"metadata": {"labels": labels}}


def _annotated(word: str, value: str | None) -> dict[str, object]:
    return {"metadata": {"annotations": {f"{KWOK}/{word}": value}}}


def _spec(**fields: object) -> dict[str, object]:
    return {"spec": fields}


def held_pod(name: str) -> Create:
    """A pod that does not go before it is let go."""
    made = pod(name)
    return Create("Pod", {**made.body, "metadata": {**made.body["metadata"], "finalizers": ["oracle/held"]}})


CREATED = step("create", deployment())

DEPLOYMENTS = (
    Sequence(
        "deployment-scale",
        (
            CREATED,
            step("up", k("scale deployment/web --replicas=5")),
            step("down", k("scale deployment/web --replicas=2")),
            step("to nothing", k("scale deployment/web --replicas=0")),
            step("and back", k("scale deployment/web --replicas=1")),
        ),
    ),
    Sequence(
        "deployment-rollout",
        (
            step("create", deployment(2)),
            step("update", _image("2")),
            step("undo", k("rollout undo deployment/web")),
        ),
    ),
    Sequence(
        "deployment-revisions",  # of one pod: more than nine texts of Events, and upstream drops one at random
        (
            step("create", deployment(1)),
            step("update", _image("2")),
            step("again", _image("3")),
            step("undo", k("rollout undo deployment/web")),
            step("undo to 1", k("rollout undo deployment/web --to-revision=1")),
            step("change cause", k("annotate deployment/web kubernetes.io/change-cause=because")),
            step("restart", k("rollout restart deployment/web")),
            step("a label", Patch("Deployment", "web", {"metadata": {"labels": {"own": "label"}}})),
        ),
    ),
    Sequence(
        "deployment-unavailable",
        (
            step("create", deployment(4, strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})),
            step("update", _image("2")),
            step("percentages", Patch("Deployment", "web", _spec(strategy={"rollingUpdate": {"maxSurge": "25%"}}))),
            step("down while done", k("scale deployment/web --replicas=1")),
        ),
    ),
    Sequence(
        "deployment-pause",
        (
            CREATED,
            step("pause", k("rollout pause deployment/web")),
            step("change", _image("2")),
            step("scale", k("scale deployment/web --replicas=4")),
            step("resume", k("rollout resume deployment/web")),
        ),
    ),
    Sequence(
        "deployment-created-paused",
        (step("create", deployment(paused=True)), step("resume", k("rollout resume deployment/web"))),
    ),
    Sequence(
        "deployment-recreate",
        (
            step("create", deployment(strategy={"type": "Recreate"})),
            step("update", _image("2")),
            step("undo", k("rollout undo deployment/web")),
        ),
    ),
    Sequence(
        "deployment-deadline",
        (
            step("create", deployment(2, progressDeadlineSeconds=5)),
            step(
                "pods that never get ready",
                Patch("Deployment", "web", _spec(template={"metadata": {"annotations": NOT_READY}})),
                still=8,
            ),
            step("undo", k("rollout undo deployment/web")),
        ),
    ),
    Sequence(
        "deployment-never-ready",
        (
            step("create", deployment(2, template(annotations=NOT_READY), progressDeadlineSeconds=4), still=7),
            step("ready at last", PatchSome("Pod", "app=web", _annotated("not-ready", None))),
        ),
    ),
    Sequence(
        "deployment-stuck-scaled",
        (
            step("create", deployment(4)),
            step(
                "pods that never get ready",
                Patch("Deployment", "web", _spec(template={"metadata": {"annotations": NOT_READY}})),
            ),
            step("scale up", k("scale deployment/web --replicas=8")),
            step("scale down", k("scale deployment/web --replicas=3")),
            step("undo", k("rollout undo deployment/web")),
        ),
    ),
    Sequence(
        "deployment-min-ready",
        (
            step("create", deployment(2, minReadySeconds=3), still=5),
            step("update", _image("2"), still=5),
            step("no wait", Patch("Deployment", "web", _spec(minReadySeconds=0))),
        ),
    ),
    Sequence(
        "deployment-history",
        (
            step("create", deployment(1, revisionHistoryLimit=1)),
            step("second", _image("2")),
            step("third", _image("3")),
            step("fourth", _image("4")),
            step("no history", Patch("Deployment", "web", _spec(revisionHistoryLimit=0))),
        ),
    ),
    Sequence(
        "deployment-adoption",
        (
            CREATED,
            step("release a set", PatchSome("ReplicaSet", "app=web", _labels(app="other"), 1)),
            step("adopt it", PatchSome("ReplicaSet", "app=other", _labels(app="web"), 1)),
            step("orphan", k("delete deployment web --cascade=orphan")),
            step("create again", deployment()),
        ),
    ),
    Sequence(
        "deployment-annotations",
        (
            CREATED,
            step("annotate", k("annotate deployment/web note=one")),
            step("update", _image("2")),
            step("annotate again", k("annotate --overwrite deployment/web note=two")),
            step("unannotate", k("annotate deployment/web note-")),
        ),
    ),
    Sequence("deployment-background", (CREATED, _delete("deployment", "background"))),
    Sequence("deployment-foreground", (CREATED, _delete("deployment", "foreground"))),
    Sequence(
        "deployment-failure",
        (
            step("create", deployment(2, template(serviceAccountName="nobody")), still=4),
            step("the account comes", k("create serviceaccount nobody"), still=25),
        ),
    ),
)

REPLICA_SETS = tuple(
    sequence
    for word, kind, made in (("replicaset", "ReplicaSet", replica_set), ("rc", "ReplicationController", controller))
    for sequence in (
        Sequence(
            f"{word}-scale",
            (
                step("create", made()),
                step("up", k(f"scale {kind} web --replicas=15")),
                step("down", k(f"scale {kind} web --replicas=1")),
                step("a pod is deleted", k("delete pod -l app=web")),
                step("a pod fails", PatchSome("Pod", "app=web", _annotated("fail", "true"))),
            ),
        ),
        Sequence(
            f"{word}-adoption",
            (
                step("an orphan", pod("orphan")),
                step("create", made(2)),
                step("release", Patch("Pod", "orphan", _labels(app="other"))),
                step("too many", Patch("Pod", "orphan", _labels(app="web"))),
                step("down to none", k(f"scale {kind} web --replicas=0")),
            ),
        ),
        Sequence(
            f"{word}-min-ready",
            (
                step("create", made(2, minReadySeconds=3), still=5),
                step("not ready", PatchSome("Pod", "app=web", {"metadata": {"annotations": NOT_READY}})),
            ),
        ),
        Sequence(
            f"{word}-failure",
            (
                step("create", made(3, template(serviceAccountName="nobody")), still=4),
                step("none wanted", k(f"scale {kind} web --replicas=0")),
                step("the account comes", k("create serviceaccount nobody"), k(f"scale {kind} web --replicas=2")),
            ),
        ),
        Sequence(f"{word}-background", (step("create", made()), _delete(kind, "background"))),
        Sequence(f"{word}-foreground", (step("create", made()), _delete(kind, "foreground"))),
        Sequence(f"{word}-orphan", (step("create", made()), _delete(kind, "orphan"), step("create again", made(2)))),
    )
)

TOPOLOGY = "service.kubernetes.io/topology-mode"
ONE_PORT = [{"port": 80, "targetPort": 8080, "appProtocol": "example.com/h2"}]
TWO_PORTS = [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "admin", "port": 81, "targetPort": 8081}]
SERVICES = (
    Sequence(
        "service-pods",
        (
            step("pods", replica_set(3)),
            step("create", service()),
            step("up", k("scale replicaset/web --replicas=5")),
            step("to nothing", k("scale replicaset/web --replicas=0")),
            step("delete", k("delete service web")),
        ),
    ),
    Sequence("service-before-pods", (step("create", service()), step("pods", replica_set(2)))),
    Sequence(
        "service-ports",
        (
            step("pods", replica_set(2)),
            step("create", service(ports=TWO_PORTS)),
            step("no such name", Patch("Service", "web", _spec(ports=[{"port": 80, "targetPort": "none"}]))),
            step(
                "one port",
                Patch("Service", "web", _spec(ports=ONE_PORT)),
            ),
            step("udp", Patch("Service", "web", _spec(ports=[{"name": "d", "port": 53, "protocol": "UDP"}]))),
        ),
    ),
    Sequence(
        "service-headless",
        (
            step("pods", pod("a", hostname="a", subdomain="web"), pod("b")),
            step("create", service(clusterIP="None")),
            step("without ports", service("bare", clusterIP="None", ports=[])),
            step("a label", Patch("Service", "web", _labels(own="label"))),
            step("annotated", k("annotate service/web note=one")),
        ),
    ),
    Sequence(
        "service-selector",
        (
            step("pods", pod("a"), pod("b", {"app": "other"})),
            step("create", service()),
            step("other pods", Patch("Service", "web", _spec(selector={"app": "other"}))),
            step("nobody", Patch("Service", "web", _spec(selector={"app": "none"}))),
            step("no selector", Patch("Service", "web", _spec(selector=None))),
        ),
    ),
    Sequence(
        "service-not-ready",
        (
            step("pods", pod("a"), pod("b", annotations=NOT_READY)),
            step("create", service()),
            step("published", Patch("Service", "web", _spec(publishNotReadyAddresses=True))),
            step("not published", Patch("Service", "web", _spec(publishNotReadyAddresses=False))),
            step("ready", k(f"annotate pod/b {KWOK}/not-ready-")),
            step("unready", k(f"annotate pod/a {KWOK}/not-ready=true")),
        ),
    ),
    Sequence(
        "service-terminating",
        (
            step("pods", service(), *(pod(each, annotations={f"{KWOK}/termination-delay": "9s"}) for each in "ab")),
            step("ending", k("delete pod a --grace-period=30 --wait=false")),
            step("published", Patch("Service", "web", _spec(publishNotReadyAddresses=True))),
            step("over", still=9),
        ),
    ),
    Sequence(
        "service-ended-pods",
        (
            step("pods", service(), pod("a", restartPolicy="Never"), pod("b", restartPolicy="Never")),
            step("one succeeds", k(f"annotate pod/a {KWOK}/complete-delay=10ms")),
            step("one fails", k(f"annotate pod/b {KWOK}/fail=true")),
        ),
    ),
    Sequence("service-host-network", (step("pods", service(), pod("a", hostNetwork=True)),)),
    Sequence(
        "service-slices",
        (
            step("pods", replica_set(120), still=4),
            step("create", service(), still=3),
            step("to nothing", k("scale replicaset/web --replicas=0"), still=3),
        ),
    ),
    Sequence(
        "service-endpoints-edited",
        (
            step("pods", pod("a"), service()),
            step("emptied", Patch("Endpoints", "web", {"subsets": None})),
            step("deleted", k("delete endpoints web")),
            step("slices deleted", k("delete endpointslices --all")),
            step("slices emptied", PatchSome("EndpointSlice", "", {"endpoints": None})),
        ),
    ),
    Sequence("service-external-name", (step("create", service(type="ExternalName", externalName="a.b", ports=[])),)),
    Sequence(
        "service-topology",
        (
            step("pods", replica_set(6), pod("alone", {"app": "alone"})),
            step("plain", service()),
            step("annotated", k(f"annotate service/web {TOPOLOGY}=Auto")),
            step("too few", Patch("Service", "web", _spec(selector={"app": "alone"}))),
            step("enough again", Patch("Service", "web", _spec(selector={"app": "web"}))),
        ),
    ),
    Sequence(
        "service-distribution",
        (
            step("pods", replica_set(4), service(trafficDistribution="PreferClose")),
            step("no preference", Patch("Service", "web", _spec(trafficDistribution=None))),
        ),
    ),
)

NAMESPACES = (
    Sequence(
        "namespace-deletion",
        (
            step("content", deployment(2), service(), k("create configmap own"), k("create secret generic own")),
            step("delete", k("delete namespace oracle-namespace-deletion --wait=false"), still=8),
        ),
    ),
    Sequence(
        "namespace-finalizer",
        (
            step("content", Create("ConfigMap", {"metadata": {"name": "held", "finalizers": ["oracle/held"]}})),
            step("delete", k("delete namespace oracle-namespace-finalizer --wait=false"), still=9),
            step("let go", Patch("ConfigMap", "held", {"metadata": {"finalizers": None}}), still=15),
        ),
    ),
    Sequence(
        "namespace-custom",
        (
            step(
                "content", custom("Widget", "free"), custom("Widget", "held", "oracle/held"), k("create configmap own")
            ),
            step("delete", k("delete namespace oracle-namespace-custom --wait=false"), still=9),
            step("let go", Patch("Widget", "held", {"metadata": {"finalizers": None}}), still=15),
        ),
    ),
    Sequence(
        "namespace-pods-first",
        (
            step("content", held_pod("a"), k("create configmap own"), service()),
            step("delete", k("delete namespace oracle-namespace-pods-first --wait=false"), still=9),
            step("let go", Patch("Pod", "a", {"metadata": {"finalizers": None}}), still=15),
        ),
    ),
    Sequence(
        "namespace-defaults",
        (
            step("account deleted", k("delete serviceaccount default")),
            step("account edited", k("annotate serviceaccount default note=one")),
            step("root edited", Patch("ConfigMap", "kube-root-ca.crt", {"data": {"ca.crt": "wrong", "more": "x"}})),
            step("root annotated", k("annotate configmap kube-root-ca.crt note=one kubernetes.io/description-")),
            step("root labelled", k("label configmap kube-root-ca.crt own=label")),
            step("root deleted", k("delete configmap kube-root-ca.crt")),
        ),
    ),
)

NODES = (
    Sequence(
        "node-cordoned",
        (
            step("node", node("oracle-cordoned")),
            step("cordon", k("cordon oracle-cordoned")),
            step("uncordon", k("uncordon oracle-cordoned")),
            step("labels", k("label --overwrite node oracle-cordoned kubernetes.io/os- beta.kubernetes.io/os=linux")),
            step("delete", k("delete node oracle-cordoned")),
        ),
        nodes=("oracle-cordoned",),
    ),
    Sequence(
        "node-silent",
        (
            step("node", node("oracle-silent"), service(), pod("a", nodeName="oracle-silent")),
            step("silent", k(f"label node oracle-silent {HEARTBEAT_LABEL}=stopped"), still=58),
            step("back", k(f"label node oracle-silent {HEARTBEAT_LABEL}-"), still=8),
        ),
        nodes=("oracle-silent",),
    ),
)

ALL = (
    *NODES[::-1],
    *NAMESPACES,
    *DEPLOYMENTS,
    *REPLICA_SETS,
    *SERVICES,
    *STATEFUL_SETS,
    *DAEMON_SETS,
    *JOBS,
    *CRON_JOBS,
    *DISRUPTION,
    *QUOTAS,
    *VOLUMES,
    *GARBAGE,
    *MIRRORING,
    *PACKING,
    *POLICIES,
)
"""The one that waits longest first."""
NAMES = tuple(each.name for each in ALL)
