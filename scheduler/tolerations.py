"""Which taints a pod tolerates. Answers to `ToleratesTaint` in k8s.io/api core/v1/toleration.go.

Called by the plugins that look at taints.
"""

from collections.abc import Collection, Iterable

from understudy.scheduler.kinds import Taint, Toleration

FORBIDDING = ("NoSchedule", "NoExecute")


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """Whether one of the tolerations covers the taint."""
    return any(_tolerates(each, taint) for each in tolerations)


def admitted(taints: Iterable[Taint], tolerations: Collection[Toleration]) -> bool:
    """Whether every taint that forbids is tolerated; those that only prefer do not count."""
    return all(tolerated(taint, tolerations) for taint in taints if taint.effect in FORBIDDING)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "" | "Equal":
            return toleration.value == taint.value
        case "Exists":
            return True
        case _:
            return False
