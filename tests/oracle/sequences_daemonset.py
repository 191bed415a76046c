"""What users do with DaemonSets, step by step. `sequences` adds these to its own."""

from typing import Any

from tests.oracle.acts import Body, Create, Kubectl, Patch, PatchSome, Sequence, Step, step
from tests.oracle.bodies import KWOK, LABELS, NOT_READY, node, pod, template

HOST = "kubernetes.io/hostname"
OWN_NODE = "oracle-daemon"
TOLERANT = template(nodeSelector={HOST: OWN_NODE}, tolerations=[{"key": "oracle", "operator": "Exists"}])


def daemon_set(pods: Body | None = None, **spec: Any) -> Create:
    own = {"selector": {"matchLabels": LABELS}, "template": pods or template(), **spec}
    return Create("DaemonSet", {"metadata": {"name": "web"}, "spec": own})


def surging(surge: int | str = 1) -> Body:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 0}}


def _image(tag: str) -> Kubectl:
    return Kubectl(f"set image daemonset/web main=app:{tag}")


def _spec(**fields: object) -> Patch:
    return Patch("DaemonSet", "web", {"spec": fields})


def _delete(cascade: str) -> Step:
    return step(f"delete, {cascade}", Kubectl(f"delete daemonset web --cascade={cascade} --wait=false"))


CREATED = step("create", daemon_set())
NEVER_READY = step("never ready", _spec(template={"metadata": {"annotations": NOT_READY}}))
UNDO = step("undo", Kubectl("rollout undo daemonset/web"))

DAEMON_SETS = (
    Sequence("daemonset-update", (CREATED, step("update", _image("2")), UNDO)),
    Sequence(
        "daemonset-history",
        (
            step("create", daemon_set(revisionHistoryLimit=1)),
            step("update", _image("2")),
            step("again", _image("3")),
            step("undo to 2", Kubectl("rollout undo daemonset/web --to-revision=2")),
            step("restart", Kubectl("rollout restart daemonset/web")),
            step("no history", _spec(revisionHistoryLimit=0)),
            step("revisions deleted", Kubectl("delete controllerrevisions --all")),
        ),
    ),
    Sequence(
        "daemonset-characters",
        (
            step("create", daemon_set(template(annotations={"odd": '<b> & \u2028 \\ " \t é 😀'}))),
            step("change cause", Kubectl("annotate daemonset/web kubernetes.io/change-cause='a<b'")),
            step("update", _image("2")),
            UNDO,
        ),
    ),
    Sequence(
        "daemonset-surge",
        (
            step("create", daemon_set(updateStrategy=surging())),
            step("update", _image("2")),
            step("all at once", _spec(updateStrategy=surging("100%"))),
            UNDO,
        ),
    ),
    Sequence(
        "daemonset-on-delete",
        (
            step("create", daemon_set(updateStrategy={"type": "OnDelete"})),
            step("update", _image("2")),
            step("one deleted", Kubectl("delete pods --selector=app=web --wait=false")),
            step("rolling now", _spec(updateStrategy={"type": "RollingUpdate"})),
            step("update again", _image("3")),
        ),
    ),
    Sequence("daemonset-stuck", (CREATED, NEVER_READY, UNDO)),
    Sequence(
        "daemonset-stuck-ready",
        (
            CREATED,
            NEVER_READY,
            step("ready", PatchSome("Pod", "app=web", {"metadata": {"annotations": {f"{KWOK}/not-ready": None}}})),
        ),
    ),
    Sequence(
        "daemonset-min-ready",
        (step("create", daemon_set(minReadySeconds=4), still=7), step("update", _image("2"), still=7)),
    ),
    Sequence(
        "daemonset-placed",
        (
            step("nowhere", daemon_set(template(nodeSelector={HOST: "nowhere"}))),
            step("everywhere", _spec(template={"spec": {"nodeSelector": None}})),
            step("nowhere again", _spec(template={"spec": {"nodeSelector": {HOST: "nowhere"}}})),
        ),
    ),
    Sequence(
        "daemonset-node-changes",
        (
            step("before the node", daemon_set(TOLERANT)),
            step("node", node(OWN_NODE)),
            step("evicting", Kubectl(f"taint node {OWN_NODE} own=x:NoExecute")),
            step("no more", Kubectl(f"taint node {OWN_NODE} own-")),
            step("cordon", Kubectl(f"cordon {OWN_NODE}")),
            step("another name", Kubectl(f"label --overwrite node {OWN_NODE} {HOST}=other")),
        ),
        nodes=(OWN_NODE,),
    ),
    Sequence(
        "daemonset-pods",
        (
            step("a pod that matches", pod("a")),
            CREATED,
            step("all released", PatchSome("Pod", "app=web", {"metadata": {"labels": {"app": "other"}}})),
            step("all deleted", Kubectl("delete pods --all --wait=false")),
        ),
    ),
    Sequence("daemonset-deleted", (CREATED, _delete("background"))),
    Sequence("daemonset-deleted-foreground", (CREATED, _delete("foreground"))),
    Sequence(
        "daemonset-orphaned",
        (
            CREATED,
            step("update", _image("2")),
            _delete("orphan"),
            step("adopted", daemon_set(template("app:2"))),
            step("as before", _image("1")),
        ),
    ),
)
