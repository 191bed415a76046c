"""What a Pod uses of a quota: itself, and what its containers request and are limited to.

Called for each Pod of a namespace by `usage`, and by the ledger to see whether a change matters. Answers to
pkg/quota/v1/evaluator/core/pods.go and component-helpers/resource/helpers.go (KEP-753 sidecars, KEP-1287 in-place
resize, KEP-2837 resources of a whole Pod).
"""

from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from understudy.kinds.core import Container, ContainerStatus, Pod
from understudy.operators.common.pods import is_terminal
from understudy.operators.resourcequota.amounts import ONE, Amounts, add, put, raise_to, read
from understudy.operators.resourcequota.names import COMPUTE, COUNT, HUGE_PAGES, LIMITS, REQUESTS, is_qualified
from understudy.values import label_syntax, timestamp

Side = Literal["requests", "limits"]

OBJECTS = f"{COUNT}pods"
ALIVE = "pods"


def usage(pod: Pod, wanted: Set[str], now: datetime) -> Amounts:
    """What it counts for: itself, and what is `wanted` of the rest."""
    if is_over(pod, now):
        return {OBJECTS: ONE}
    used = {OBJECTS: ONE, ALIVE: ONE}
    if wanted <= used.keys():
        return used
    for name, amount in total(pod, "requests").items():
        for charged in _requested(name):
            if charged in wanted:
                used[charged] = amount
    for name, amount in total(pod, "limits").items():
        if name in COMPUTE and LIMITS + name in wanted:
            used[LIMITS + name] = amount
    return used


def is_over(pod: Pod, now: datetime) -> bool:
    """Whether it has ended, or should have long ago: its node may be lost, and its owner needs another."""
    ends = forgiven_at(pod)
    return is_terminal(pod) or (ends is not None and now > ends)


def forgiven_at(pod: Pod) -> datetime | None:
    """When a Pod that is being deleted stops to count though it is still there."""
    deleted, grace = pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds
    if deleted is None or grace is None:
        return None
    return timestamp.parse(deleted) + timedelta(seconds=grace)


def facts(pod: Pod) -> tuple[Any, ...]:
    """What of a Pod can change and matters to quotas."""
    deletion = (pod.metadata.deletionTimestamp, pod.metadata.deletionGracePeriodSeconds)
    scopes = (pod.spec.activeDeadlineSeconds, pod.status.qosClass)
    return (is_terminal(pod), deletion, scopes, total(pod, "requests"), total(pod, "limits"))


def total(pod: Pod, side: Side) -> Amounts:
    """The most its containers need at any time, or what the Pod as a whole states instead, and its overhead."""
    amounts = _of_containers(pod, side)
    if pod.spec.resources is not None:
        stated: Mapping[str, str] = getattr(pod.spec.resources, side)
        amounts |= read({name: text for name, text in stated.items() if is_of_pods(name)})
    for name, amount in read(pod.spec.overhead).items():
        if side == "requests" or (name in amounts and amounts[name].nanos):
            put(amounts, name, amount)
    return amounts


def is_of_pods(name: str) -> bool:
    """Whether a Pod as a whole can state it."""
    return name in ("cpu", "memory") or name.startswith(HUGE_PAGES)


def _of_containers(pod: Pod, side: Side) -> Amounts:
    """Containers run together, init containers one by one before them, sidecars from their turn to the end."""
    every = (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    statuses = {status.name: status for status in every if status.resources is not None}
    if not pod.spec.initContainers and not statuses:
        return dict(_summed(tuple([tuple(getattr(one.resources, side).items()) for one in pod.spec.containers])))
    together: Amounts = {}
    for container in pod.spec.containers:
        add(together, _of_container(pod, container, statuses.get(container.name), side))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in pod.spec.initContainers:
        if container.restartPolicy == "Always":
            needed = _of_container(pod, container, statuses.get(container.name), side)
            add(together, needed)
            add(sidecars, needed)
        else:
            needed = read(getattr(container.resources, side))
            add(needed, sidecars)
            raise_to(starting, needed)
    raise_to(together, starting)
    return together


@lru_cache(maxsize=4096)
def _summed(resources: tuple[tuple[tuple[str, str], ...], ...]) -> Amounts:
    """The sum over containers. Pods by the thousand are alike: it is computed once for all of them."""
    total: Amounts = {}
    for each in resources:
        add(total, read(dict(each)))
    return total


def _of_container(pod: Pod, container: Container, status: ContainerStatus | None, side: Side) -> Amounts:
    """The most of what is asked for, what is given and what is set aside; an impossible wish does not count."""
    wish = read(getattr(container.resources, side))
    if status is None or status.resources is None:
        return wish
    amounts = {} if _is_infeasible(pod) else wish
    raise_to(amounts, read(getattr(status.resources, side)))
    if side == "requests":
        raise_to(amounts, read(status.allocatedResources))
    return amounts


def _is_infeasible(pod: Pod) -> bool:
    for condition in pod.status.conditions:
        if condition.type == "PodResizePending":
            return condition.reason == "Infeasible"
    return False


@lru_cache(maxsize=1024)
def _requested(name: str) -> tuple[str, ...]:
    """The names under which a request for the resource `name` is counted."""
    if name in COMPUTE or name.startswith(HUGE_PAGES):
        return (name, REQUESTS + name)
    extended = is_qualified(name) and not name.startswith(REQUESTS) and label_syntax.is_key(REQUESTS + name)
    return (REQUESTS + name,) if extended else ()
