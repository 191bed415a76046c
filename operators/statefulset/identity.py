"""Who is who: the ordinal in a Pod's name, the range of ordinals a StatefulSet wants, the labels that tell them.

Called by every other file of the folder. Answers to `getParentNameAndOrdinal`, `podInOrdinalRange` and
`identityMatches` in pkg/controller/statefulset/stateful_set_utils.go.
"""

from understudy.kinds.apps import StatefulSet
from understudy.kinds.core import Pod
from understudy.operators.common.history import REVISION_LABEL

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"

_MOST = 2**31 - 1


def ordinal_of(ss: StatefulSet, pod: Pod) -> int | None:
    """The pod's number in the set; None if its name is not one the set would give."""
    parent, dash, digits = pod.name.rpartition("-")
    if not dash or parent != ss.name or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return number if number <= _MOST and str(number) == digits else None


def pod_name(ss: StatefulSet, ordinal: int) -> str:
    """The name of the pod of that number."""
    return f"{ss.name}-{ordinal}"


def ordinals(ss: StatefulSet) -> range:
    """The numbers that are wanted."""
    start = ss.spec.ordinals.start if ss.spec.ordinals is not None else 0
    return range(start, start + ss.spec.replicas)


def labels(ss: StatefulSet, ordinal: int) -> dict[str, str]:
    """The labels that say which pod it is."""
    return {POD_NAME: pod_name(ss, ordinal), POD_INDEX: str(ordinal)}


def has_identity(pod: Pod) -> bool:
    """Whether the pod says who it is; the index is not looked at, as upstream."""
    return pod.metadata.labels.get(POD_NAME) == pod.name


def revision_of(pod: Pod) -> str:
    """The name of the revision it was made from."""
    return pod.metadata.labels.get(REVISION_LABEL, "")
