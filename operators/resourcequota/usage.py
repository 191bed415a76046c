"""How much of each resource a quota's namespace uses now, counted from the stores.

Called by the decision. Only of ResourceClaims with device classes the server itself is asked: nobody else here reads
their specs, so that a store of them would be kept for this alone. Answers to CalculateUsage in
apiserver/pkg/quota/v1/resources.go and CalculateUsageStats in its generic/evaluator.go.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from understudy.errors import ApiError
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES, Pod, ResourceQuota, ScopeRequirement
from understudy.kinds.kind import Kind
from understudy.kinds.resource import RESOURCE_CLAIMS, ResourceClaim
from understudy.operators.resourcequota import objects, pods, scopes
from understudy.operators.resourcequota.amounts import ZERO, Amounts, add, whole
from understudy.operators.resourcequota.names import OF_DEVICE_CLASS, by_kind
from understudy.plan.steps import List, Step
from understudy.state.view import View

QUOTABLE = frozenset({"create", "list", "watch", "delete"})
IGNORED = frozenset({"events", "events.events.k8s.io"})
"""Never counted (pkg/quota/v1/install/registry.go, ignoredResources)."""


@dataclass(slots=True)
class Usage:
    """`used` holds what could be counted; the rest says why not everything was, and what is to come by itself."""

    used: Amounts = field(default_factory=dict)
    unserved: list[str] = field(default_factory=list)
    """Kinds the server does not offer, as far as is known."""
    unseen: list[str] = field(default_factory=list)
    """Kinds whose objects are not all known yet."""
    due: datetime | None = None
    """When the next Pod that is being deleted stops to count."""
    failure: ApiError | None = None


def count(quota: ResourceQuota, view: View, now: datetime) -> Generator[Step, Any, Usage]:
    """Everything the quota limits, as far as it can be counted."""
    usage = Usage()
    wanted = scopes.of(quota)
    for kind_id, names in sorted(by_kind(quota.spec.hard).items()):
        if kind_id in IGNORED:
            continue
        kind = _served(kind_id, view)
        if kind is None:
            usage.unserved.append(kind_id)
            continue
        if not view.store(kind).synced:
            usage.unseen.append(kind_id)
            continue
        try:
            found = yield from _of_kind(kind, quota, names, wanted, view, now)
        except ApiError as error:
            usage.failure = error
            continue
        usage.used |= {name: found.get(name, ZERO) for name in names}
        if kind_id == PODS.id:
            usage.due = _forgiven_next(view.in_namespace(PODS, quota.namespace), now)
    return usage


def _served(kind_id: str, view: View) -> Kind[Any] | None:
    for resource in view.resources:
        if resource.kind.id == kind_id:
            quotable = resource.kind.namespaced and resource.verbs >= QUOTABLE
            return resource.kind if quotable else None
    return None


def _of_kind(
    kind: Kind[Any],
    quota: ResourceQuota,
    names: Set[str],
    wanted: Iterable[ScopeRequirement],
    view: View,
    now: datetime,
) -> Generator[Step, Any, Mapping[str, Any]]:
    """What the objects of one kind use, under all their names or at least under `names`."""
    namespace = quota.namespace
    match kind.id:
        case PODS.id:
            counted = _matching(view.in_namespace(PODS, namespace), wanted, scopes.pod)
            return _sum(pods.usage(pod, names, now) for pod in counted)
        case SERVICES.id:
            found = _matching(view.in_namespace(SERVICES, namespace), wanted, scopes.no_object)
            return _sum(map(objects.service, found))
        case PERSISTENT_VOLUME_CLAIMS.id:
            claims = _matching(view.in_namespace(PERSISTENT_VOLUME_CLAIMS, namespace), wanted, scopes.claim)
            return _sum(map(objects.claim, claims))
        case RESOURCE_CLAIMS.id if any(name.endswith(OF_DEVICE_CLASS) for name in names):
            devices = yield from _resource_claims(kind, namespace)
            return _sum(map(objects.devices, _matching(devices, wanted, scopes.no_object)))
    number = whole(len(_matching(view.in_namespace(kind, namespace), wanted, scopes.no_object)))
    return dict.fromkeys(names, number)


def _resource_claims(kind: Kind[Any], namespace: str) -> Generator[Step, Any, list[ResourceClaim]]:
    whole_claims: Kind[ResourceClaim] = replace(kind, type=ResourceClaim, metadata_only=False)
    claims: list[ResourceClaim] = yield List(whole_claims, namespace, why="which devices the claims ask for")
    return claims


def _matching(
    found: list[Any], wanted: Iterable[ScopeRequirement], match: Callable[[ScopeRequirement, Any], bool]
) -> list[Any]:
    """The objects for which every scope holds."""
    return [obj for obj in found if all(match(scope, obj) for scope in wanted)] if wanted else found


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        add(total, part)
    return total


def _forgiven_next(found: Iterable[Pod], now: datetime) -> datetime | None:
    moments = (pods.forgiven_at(pod) for pod in found if pod.deleting)
    return min((moment for moment in moments if moment is not None and moment >= now), default=None)
