"""How much a pod asks for and a node has, as whole numbers: cpu in thousandths, all else in units.

`shape` and `columns` call this. Answers to component-helpers/resource/helpers.go (`PodRequests`, the formula of
KEP-753 for sidecars, pod-level resources of KEP-2837, resize of KEP-1287) and to `Resource` in
pkg/scheduler/framework/types.go.
"""

from collections.abc import Mapping
from functools import lru_cache

from understudy.scheduler.kinds import Container, ContainerStatus, Pod, PodSpec
from understudy.values import conditions, quantity

Amounts = dict[str, int]

CPU = "cpu"
MEMORY = "memory"
EPHEMERAL = "ephemeral-storage"
PODS = "pods"

LIMIT = 2**52
"""Amounts are capped here, so that sums over a node stay far from int64's end and floats hold them exactly."""
DEFAULTS: Mapping[str, int] = {CPU: 100, MEMORY: 200 * 1024 * 1024}
"""What a container that asks for nothing counts for when nodes are scored (pkg/scheduler/util/pod_resources.go)."""

RESIZE = "PodResizePending"
"""The condition that says whether a resize that was asked for will ever be."""

_HUGE_PAGES = "hugepages-"
_VOLUMES = "attachable-volumes-"


def pod_requests(pod: Pod) -> Amounts:
    """What the pod occupies on its node; of a pod being resized, the most of what it had and will have."""
    return _requests(pod, {})


def scored_requests(pod: Pod, requests: Mapping[str, int]) -> tuple[int, int]:
    """The cpu and memory the pod counts for in scores: each container that asks for none counts for `DEFAULTS`.

    `requests` are those of `pod_requests`. With pod-level requests only what they leave open is filled in.
    """
    missing: Mapping[str, int] = DEFAULTS
    if _pod_level(pod.spec):
        missing = {name: amount for name, amount in DEFAULTS.items() if name not in requests}
    every = (*pod.spec.containers, *pod.spec.initContainers)
    complete = not _statuses(pod) and all(
        name in container.resources.requests for container in every for name in missing
    )
    scored = requests if complete else _requests(pod, missing)
    return scored.get(CPU, 0), scored.get(MEMORY, 0)


def amounts(quantities: Mapping[str, str]) -> Amounts:
    """Quantities as whole numbers, never above `LIMIT` + 1."""
    return {name: _amount(name, text) for name, text in quantities.items()}


def allocatable(quantities: Mapping[str, str]) -> Amounts:
    """What a node offers. A request above `LIMIT` fits nowhere, so what is offered ends there."""
    return {name: min(amount, LIMIT) for name, amount in amounts(quantities).items() if is_counted(name)}


def is_counted(name: str) -> bool:
    """Whether the scheduler keeps account of this resource (`IsScalarResourceName` and the native four)."""
    if name in (CPU, MEMORY, EPHEMERAL, PODS):
        return True
    return name.startswith((_HUGE_PAGES, _VOLUMES)) or "/" in name


@lru_cache(maxsize=16384)
def _amount(name: str, text: str) -> int:
    """One quantity; what cannot be read counts as none (the API server lets none of it pass)."""
    try:
        number = quantity.milli(text) if name == CPU else quantity.value(text)
    except ValueError:
        return 0
    return min(max(number, 0), LIMIT + 1)


def _requests(pod: Pod, missing: Mapping[str, int]) -> Amounts:
    total = _containers(pod, missing)
    if pod.spec.resources is not None:
        total.update(_supported(pod.spec.resources.requests))
    _add(total, amounts(pod.spec.overhead))
    return {name: amount for name, amount in total.items() if name != PODS and is_counted(name)}


def _containers(pod: Pod, missing: Mapping[str, int]) -> Amounts:
    """The sum of the containers and sidecars, or what a moment of the initialisation needs if that is more."""
    held = _statuses(pod)
    infeasible = bool(held) and _is_infeasible(pod)
    total: Amounts = {}
    for container in pod.spec.containers:
        _add(total, {**missing, **_effective(container, held.get(container.name), infeasible)})
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in pod.spec.initContainers:
        sidecar = container.restartPolicy == "Always"
        status = held.get(container.name) if sidecar else None
        own = {**missing, **_effective(container, status, infeasible)}
        if sidecar:
            _add(total, own)
            _add(sidecars, own)
            own = sidecars
        else:
            _add(own, sidecars)
        _raise(starting, own)
    _raise(total, starting)
    return total


def _effective(container: Container, status: ContainerStatus | None, infeasible: bool) -> Amounts:
    own = amounts(container.resources.requests)
    if status is None or status.resources is None:
        return own
    most = {} if infeasible else own
    _raise(most, amounts(status.resources.requests))
    _raise(most, amounts(status.allocatedResources))
    return most


def _statuses(pod: Pod) -> dict[str, ContainerStatus]:
    status = pod.status
    if not status.containerStatuses and not status.initContainerStatuses:
        return {}
    return {each.name: each for each in (*status.containerStatuses, *status.initContainerStatuses)}


def _is_infeasible(pod: Pod) -> bool:
    found = conditions.find(pod.status.conditions, RESIZE)
    return found is not None and found.reason == "Infeasible"


def _pod_level(spec: PodSpec) -> bool:
    return spec.resources is not None and bool(_supported(spec.resources.requests))


def _supported(quantities: Mapping[str, str]) -> Amounts:
    """Pod-level requests, of the resources that may be asked for at that level."""
    names = (name for name in quantities if name in (CPU, MEMORY) or name.startswith(_HUGE_PAGES))
    return amounts({name: quantities[name] for name in names})


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = min(total.get(name, 0) + amount, LIMIT + 1)


def _raise(most: Amounts, other: Mapping[str, int]) -> None:
    for name, amount in other.items():
        most[name] = max(most.get(name, 0), amount)
