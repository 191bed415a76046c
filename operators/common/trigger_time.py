"""The annotation that dates the change behind a change of endpoints, so that the delay of the network can be measured.

The endpointslice and the endpoints controller set it. It answers to k8s.io/endpointslice/util/trigger_time_tracker.go,
which remembers what it saw; here what the endpoints say already takes the place of that memory.
"""

from collections.abc import Iterable, Mapping

from understudy.kinds.core import Pod, Service
from understudy.operators.common.pods import is_ready, ready_condition
from understudy.operators.common.service_endpoints import has_endpoint

LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"


def trigger_time(
    service: Service, pods: Iterable[Pod], told: Mapping[str, bool] | None, *, terminating: bool
) -> str | None:
    """When the oldest change that is still to be told happened; None if the change has no date.

    `told` says which Pods are shown, by name, and whether as ready; None if nothing has been said about this Service
    yet. `terminating`: are Pods that are being deleted shown?
    """
    if told is None:
        return service.metadata.creationTimestamp
    changed = (pod for pod in pods if _is_news(pod, told.get(pod.metadata.name), terminating))
    times = (condition.lastTransitionTime for condition in map(ready_condition, changed) if condition is not None)
    return min((time for time in times if time), default=None)


def _is_news(pod: Pod, told: bool | None, terminating: bool) -> bool:
    if told is None:
        return has_endpoint(pod, terminating=terminating)
    return told != is_ready(pod)
