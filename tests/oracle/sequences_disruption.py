"""What users do with PodDisruptionBudgets, step by step. `sequences` adds these to its own."""

from typing import Any

from tests.oracle.acts import Create, Kubectl, Patch, PatchSome, Sequence, step
from tests.oracle.bodies import LABELS, NOT_READY, deployment, pod, replica_set, template


def budget(**spec: Any) -> Create:
    own = {"selector": {"matchLabels": LABELS}, **spec}
    return Create("PodDisruptionBudget", {"metadata": {"name": "web"}, "spec": own})


def _spec(**fields: object) -> Patch:
    return Patch("PodDisruptionBudget", "web", {"spec": fields})


DISRUPTION = (
    Sequence(
        "disruption-numbers",
        (
            step("pods", replica_set(3)),
            step("at least two", budget(minAvailable=2)),
            step("at least four", _spec(minAvailable=4)),
            step("half", _spec(minAvailable="50%")),
            step("at most one away", _spec(minAvailable=None, maxUnavailable=1)),
            step("at most a third", _spec(maxUnavailable="34%")),
            step("none may go", _spec(maxUnavailable=0)),
        ),
    ),
    Sequence(
        "disruption-deployment",
        (
            step("create", deployment(4)),
            step("budget", budget(maxUnavailable=1)),
            step("update", Kubectl("set image deployment/web main=app:2")),
            step("down", Kubectl("scale deployment/web --replicas=2")),
            step("to nothing", Kubectl("scale deployment/web --replicas=0")),
        ),
    ),
    Sequence(
        "disruption-unready",
        (
            step("pods", replica_set(2, template(annotations=NOT_READY))),
            step("budget", budget(minAvailable=1)),
            step("ready", PatchSome("Pod", "app=web", {"metadata": {"annotations": {next(iter(NOT_READY)): None}}})),
        ),
    ),
    Sequence(
        "disruption-unmanaged",
        (
            step("budget", budget(maxUnavailable=1)),
            step("a pod", pod("a")),
            step("counted", _spec(maxUnavailable=None, minAvailable=1)),
            step("another label", Patch("Pod", "a", {"metadata": {"labels": {"app": "other"}}})),
        ),
    ),
)
