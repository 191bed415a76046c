"""What users do with StatefulSets, step by step: order, updates, revisions, claims.

Called by `sequences`. Sizes are such that only one outcome is possible; claims are never bound on either side, and no
pod waits for that.
"""

from typing import Any

from tests.oracle.acts import Body, Create, Kubectl, Patch, Sequence, Step, step
from tests.oracle.bodies import KWOK, LABELS, NOT_READY, template

CLAIM: Body = {
    "metadata": {"name": "data", "labels": {"own": "label"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def stateful_set(replicas: int = 3, pods: Body | None = None, **spec: Any) -> Create:
    """A StatefulSet, in order unless told."""
    own = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "serviceName": "web"}
    return Create("StatefulSet", {"metadata": {"name": "web"}, "spec": own | {"template": pods or template()} | spec})


def k(words: str) -> Kubectl:
    return Kubectl(words)


def change(**spec: Any) -> Patch:
    return Patch("StatefulSet", "web", {"spec": spec})


def image(tag: str) -> Kubectl:
    return k(f"set image statefulset/web main=app:{tag}")


def scale(replicas: int) -> Kubectl:
    return k(f"scale statefulset/web --replicas={replicas}")


def rolling(partition: int) -> Patch:
    return change(updateStrategy={"rollingUpdate": {"partition": partition}})


def retention(deleted: str, scaled: str) -> dict[str, Any]:
    return {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled}}


def claimed(replicas: int = 2, **spec: Any) -> Create:
    return stateful_set(replicas, volumeClaimTemplates=[CLAIM], **spec)


def delete(cascade: str) -> Step:
    return step("delete", k(f"delete statefulset web --cascade={cascade} --wait=false"))


NAMELESS: Body = {"metadata": {"labels": {"statefulset.kubernetes.io/pod-name": None}}}
PARALLEL: dict[str, Any] = {"podManagementPolicy": "Parallel"}

STATEFUL_SETS = (
    Sequence(
        "statefulset-scale",
        (
            step("create", stateful_set()),
            step("up", scale(5)),
            step("down", scale(1)),
            step("to nothing", scale(0)),
            step("and back", scale(2)),
        ),
    ),
    Sequence(
        "statefulset-update",
        (
            step("create", stateful_set(2)),
            step("update", image("2")),
            step("again", image("3")),
            step("undo", k("rollout undo statefulset/web")),
            step("undo to 1", k("rollout undo statefulset/web --to-revision=1")),
            step("annotate", k("annotate statefulset/web note=one")),
            step("restart", k("rollout restart statefulset/web")),
        ),
    ),
    Sequence(
        "statefulset-partition",
        (
            step("create", stateful_set(3, updateStrategy={"rollingUpdate": {"partition": 2}})),
            step("canary", image("2")),
            step("a pod below is deleted", k("delete pod web-0 --wait=false")),
            step("a pod above is deleted", k("delete pod web-2 --wait=false")),
            step("phased", rolling(1)),
            step("all", rolling(0)),
        ),
    ),
    Sequence(
        "statefulset-on-delete",
        (
            step("create", stateful_set(2, updateStrategy={"type": "OnDelete"})),
            step("update", image("2")),
            step("a pod is deleted", k("delete pod web-0 --wait=false")),
            step("the other too", k("delete pod web-1 --wait=false")),
        ),
    ),
    Sequence(
        "statefulset-parallel",
        (
            step("create", stateful_set(3, **PARALLEL)),
            step("up", scale(6)),
            step("update", image("2"), still=3),
            step("down", scale(1)),
        ),
    ),
    Sequence(
        "statefulset-ordinals",
        (
            step("create", stateful_set(2, ordinals={"start": 3})),
            step("update with a partition", rolling(1), image("2")),
            step("start earlier", change(ordinals={"start": 2})),
            step("from nothing", change(ordinals=None)),
        ),
    ),
    Sequence(
        "statefulset-not-ready",
        (
            step("create", stateful_set(3, template(annotations=NOT_READY))),
            step("ready", k(f"annotate pod web-0 {KWOK}/not-ready-")),
            step("down while not ready", scale(1)),
        ),
    ),
    Sequence(
        "statefulset-stuck",
        (
            step("create", stateful_set(2)),
            step("pods that never get ready", change(template={"metadata": {"annotations": NOT_READY}})),
            step("undo", k("rollout undo statefulset/web")),
            step("by hand", k("delete pod web-1 --wait=false")),
        ),
    ),
    Sequence(
        "statefulset-ended-pods",
        (
            step("create", stateful_set(3)),
            step("one fails", Patch("Pod", "web-1", {"metadata": {"annotations": {f"{KWOK}/fail": "true"}}})),
        ),
    ),
    Sequence(
        "statefulset-min-ready",
        (
            step("create", stateful_set(2, minReadySeconds=3), still=6),
            step("update", image("2"), still=6),
            step("no wait", change(minReadySeconds=0)),
        ),
    ),
    Sequence(
        "statefulset-history",
        (
            step("create", stateful_set(1, revisionHistoryLimit=1)),
            step("second", image("2")),
            step("third", image("3")),
            step("fourth", image("4")),
            step("no history", change(revisionHistoryLimit=0)),
        ),
    ),
    Sequence(
        "statefulset-adoption",
        (
            step("create", stateful_set(2)),
            step("release", Patch("Pod", "web-1", {"metadata": {"labels": {"app": "other"}}})),
            step("it is out of the way", k("delete pod web-1 --wait=false")),
            step("orphan", k("delete statefulset web --cascade=orphan")),
            step("create again", stateful_set(2)),
            step("an identity is lost", Patch("Pod", "web-0", NAMELESS)),
        ),
    ),
    Sequence(
        "statefulset-claims",
        (
            step("create", claimed()),
            step("down", scale(0)),
            step("up", scale(2)),
            step("update", image("2")),
            step("go with the set", change(**retention("Delete", "Retain"))),
            step("stay", change(**retention("Retain", "Retain"))),
        ),
    ),
    Sequence(
        "statefulset-claims-scaled",
        (
            step("create", claimed(**retention("Delete", "Delete"), **PARALLEL)),
            step("down", scale(1)),
            delete("background"),
        ),
    ),
    Sequence(
        "statefulset-failure",
        (
            step("create", stateful_set(2, template(serviceAccountName="nobody")), still=4),
            step("the account comes", k("create serviceaccount nobody"), still=25),
        ),
    ),
    Sequence("statefulset-background", (step("create", stateful_set()), delete("background"))),
    Sequence("statefulset-foreground", (step("create", stateful_set()), delete("foreground"))),
)
