"""How much of a resource each Pod requests: what its utilization is a percentage of.

Called by `counting`. In thousandths. Answers to calculateRequests in pkg/controller/podautoscaler/
replica_calculator.go and to PodRequests in k8s.io/component-helpers/resource/helpers.go (KEP-2837).
"""

from collections.abc import Iterable

from understudy.kinds.core import Container, Pod
from understudy.operators.hpa.errors import NotComputable
from understudy.values import quantity

_POD_LEVEL = ("cpu", "memory")


def requests_of(pods: Iterable[Pod], container: str, resource: str) -> dict[str, int]:
    """By the name of the Pod; of one container if it is named. Raises NotComputable if one requests nothing."""
    return {pod.name: _request(pod, container, resource) for pod in pods}


def _request(pod: Pod, container: str, resource: str) -> int:
    if not container and _has_own(pod):
        return _of_pod(pod, resource)
    sidecars = [each for each in pod.spec.initContainers if each.restartPolicy == "Always"]
    every = [*pod.spec.containers, *sidecars]
    return sum(_of_container(each, resource, pod) for each in every if container in ("", each.name))


def _has_own(pod: Pod) -> bool:
    """Whether the Pod as a whole requests something."""
    own = pod.spec.resources
    return own is not None and any(name in _POD_LEVEL or name.startswith("hugepages-") for name in own.requests)


def _of_container(container: Container, resource: str, pod: Pod) -> int:
    amount = container.resources.requests.get(resource)
    if amount is None:
        raise NotComputable(f"missing request for {resource} in container {container.name} of Pod {pod.name}")
    return quantity.milli(amount)


def _of_pod(pod: Pod, resource: str) -> int:
    """What the Pod requests as a whole; a resource it does not name there, its containers may."""
    own = (pod.spec.resources.requests if pod.spec.resources else {}).get(resource)
    overhead = pod.spec.overhead.get(resource)
    amount = quantity.milli(own) if own is not None else _of_all(pod, resource)
    if amount is None and overhead is None:
        raise NotComputable(f"missing pod-level request for {resource} in Pod {pod.name}")
    return (amount or 0) + (quantity.milli(overhead) if overhead is not None else 0)


def _of_all(pod: Pod, resource: str) -> int | None:
    """The containers together, or what the start needs if that is more; None if none names the resource."""
    every = [*pod.spec.containers, *pod.spec.initContainers]
    if all(resource not in each.resources.requests for each in every):
        return None
    running, sidecars, start = sum(_amount(each, resource) for each in pod.spec.containers), 0, 0
    for each in pod.spec.initContainers:
        if each.restartPolicy == "Always":
            sidecars += _amount(each, resource)
            start = max(start, sidecars)
        else:
            start = max(start, sidecars + _amount(each, resource))
    return max(running + sidecars, start)


def _amount(container: Container, resource: str) -> int:
    return quantity.milli(container.resources.requests.get(resource, "0"))
