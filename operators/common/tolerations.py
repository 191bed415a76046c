"""Which of a Pod's tolerations covers a taint. Answers to `ToleratesTaint` in k8s.io/api core/v1/toleration.go and to
`GetMatchingTolerations` in component-helpers/scheduling/corev1/helpers.go.
"""

from collections.abc import Iterable

from understudy.kinds.core import Taint, Toleration


def first_covering(taint: Taint, tolerations: Iterable[Toleration]) -> Toleration | None:
    """The first toleration that covers the taint; None if none does."""
    return next((each for each in tolerations if _covers(each, taint)), None)


def _covers(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and toleration.value == taint.value
