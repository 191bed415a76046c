"""Whether a quota's scopes let it count an object. All must hold; what a scope cannot be asked about does not match.

Called by `usage`. Answers to podMatchesScopeFunc and pvcMatchesScopeFunc in pkg/quota/v1/evaluator/core and to
pkg/apis/core/v1/helper/qos/qos.go.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TypeVar

from understudy.kinds.core import (
    PersistentVolumeClaim,
    Pod,
    PodAffinityTerm,
    ResourceQuota,
    ResourceRequirements,
    ScopeRequirement,
)
from understudy.operators.common.claims import attributes_classes
from understudy.operators.resourcequota.amounts import parse

T = TypeVar("T")
Match = Callable[[ScopeRequirement, T], bool]


def of(quota: ResourceQuota) -> tuple[ScopeRequirement, ...]:
    """Everything the quota asks of what it counts."""
    selector = quota.spec.scopeSelector
    plain = tuple(ScopeRequirement(scope) for scope in quota.spec.scopes)
    return (*plain, *selector.matchExpressions) if selector is not None else plain


def no_object(_scope: ScopeRequirement, _obj: object) -> bool:
    """Of kinds that know no scopes, a scoped quota counts none."""
    return False


def pod(scope: ScopeRequirement, pod: Pod) -> bool:
    """Whether the Pod is what the scope says."""
    match scope.scopeName:
        case "Terminating":
            return is_terminating(pod)
        case "NotTerminating":
            return not is_terminating(pod)
        case "BestEffort":
            return is_best_effort(pod)
        case "NotBestEffort":
            return not is_best_effort(pod)
        case "PriorityClass":
            name = pod.spec.priorityClassName
            return _selects(scope, {name} if name else set())
        case "CrossNamespacePodAffinity":
            return _reaches_out(pod)
    return False


def claim(scope: ScopeRequirement, claim: PersistentVolumeClaim) -> bool:
    """Whether the claim is what the scope says."""
    return scope.scopeName == "VolumeAttributesClass" and _selects(scope, attributes_classes(claim))


def is_terminating(pod: Pod) -> bool:
    """Whether it runs for a limited time: the word has nothing to do with deletion here."""
    return pod.spec.activeDeadlineSeconds is not None


def is_best_effort(pod: Pod) -> bool:
    """Whether it is of that quality of service class, said by the kubelet or seen in its spec."""
    if pod.status.qosClass:
        return pod.status.qosClass == "BestEffort"
    if pod.spec.resources is not None:
        return not _asks(pod.spec.resources)
    return not any(_asks(one.resources) for one in (*pod.spec.containers, *pod.spec.initContainers))


def _selects(scope: ScopeRequirement, names: set[str]) -> bool:
    """Whether one of an object's class names, or their absence, is what the scope asks for."""
    match scope.operator:
        case "Exists":
            return bool(names)
        case "DoesNotExist":
            return not names
        case "In":
            return not names.isdisjoint(scope.values)
        case "NotIn":
            return not names or not names.issubset(scope.values)
    return False


def _asks(resources: ResourceRequirements) -> bool:
    return any(
        parse(text).nanos > 0
        for name, text in chain(resources.requests.items(), resources.limits.items())
        if name in ("cpu", "memory")
    )


def _reaches_out(pod: Pod) -> bool:
    return any(term.namespaces or term.namespaceSelector is not None for term in _affinity_terms(pod))


def _affinity_terms(pod: Pod) -> Iterable[PodAffinityTerm]:
    affinity = pod.spec.affinity
    for part in (affinity.podAffinity, affinity.podAntiAffinity) if affinity is not None else ():
        if part is not None:
            yield from part.required
            yield from (weighted.podAffinityTerm for weighted in part.preferred)
