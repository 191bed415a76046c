"""PrioritySort: the more important pod first, then the one that has waited longer.

Answers to plugins/queuesort/priority_sort.go. The `queue` has one order for all profiles, this one.
"""

from understudy.scheduler.shape import PodInfo

NAME = "PrioritySort"


def key(info: PodInfo, since: float) -> tuple[float, float]:
    """What the active queue is sorted by."""
    return -info.priority, since
