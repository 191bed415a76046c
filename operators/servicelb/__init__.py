"""service-lb-controller: Services of type LoadBalancer get one, and are cleaned up after.

The cloud's half of upstream's control plane, with a provider for kind and bare machines built in (`pools`: addresses of
AddressPools; another has the face of `cloud.loadbalancers`). `marks` says whose a Service is, `holders` who has which
address, `status` keeps the pools' own status. Answers to k8s.io/cloud-provider controllers/service/controller.go.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.core import SERVICES, LoadBalancerIngress, Service
from understudy.kinds.meta import Key, Obj
from understudy.kinds.pools import ADDRESS_POOLS
from understudy.loop.controller import On, controller, may
from understudy.operators.cloud.loadbalancers import LoadBalancers, Refused
from understudy.operators.servicelb.holders import BALANCED, addresses_of, may_keep
from understudy.operators.servicelb.marks import hold, is_held, is_marked, let_go
from understudy.operators.servicelb.pools import ADDRESSES, Pools
from understudy.operators.servicelb.status import redefined
from understudy.plan.steps import Decision, Event, Patch, Requeue
from understudy.state.store import Index
from understudy.state.view import View

PROVIDER: LoadBalancers = Pools()
TELL_AGAIN = 300.0
"""Seconds after which what was refused is tried again, whatever happens: upstream's longest pause."""


def _may_wait(service: Service) -> Iterable[str]:
    """Filed are Services that have no address, or want a certain one which they may not have."""
    wants_one = service.metadata.annotations.get(ADDRESSES) or service.spec.loadBalancerIP
    waits = service.spec.type == "LoadBalancer" and (wants_one or not addresses_of(service))
    return ("",) if waits else ()


WAITING: Index[Service] = Index("may wait for an address", _may_wait)


def _waiting(_: Service, view: View) -> Iterable[Key]:
    return [service.key for service in view.by(SERVICES, WAITING, "")]


def _frees(new: Service | None, old: Service | None) -> bool:
    """An address is held by one less, or may be shared now."""
    return old is not None and bool(addresses_of(old)) and (new is None or _claims(new) != _claims(old))


def _claims(service: Service) -> tuple[Any, ...]:
    spec = service.spec
    return service.uid, addresses_of(service), service.metadata.annotations, spec.ports, spec.externalTrafficPolicy


def _balanced(_: Obj, view: View) -> Iterable[Key]:
    return [service.key for service in view.by(SERVICES, BALANCED, "")]


def _concerned(new: Service | None, _: Service | None) -> bool:
    return new is not None and (new.spec.type == "LoadBalancer" or is_held(new))


@controller(
    "service-lb-controller",
    of=SERVICES,
    when=_concerned,
    watches=(On(SERVICES, _waiting, _frees), On(ADDRESS_POOLS, _balanced, redefined)),
    rights=(may("patch", SERVICES), may("patch", SERVICES, "status")),
    source="service-controller",
    upstream="k8s.io/cloud-provider/controllers/service",
    workers=1,
)
def decide(service: Service, view: View, _: datetime) -> Decision:
    """A Service of type LoadBalancer has one, and one that no longer is has none left."""
    wanted = service.spec.type == "LoadBalancer" and not service.deleting
    served = service.spec.type == "LoadBalancer" and PROVIDER.serves(service, view)
    if wanted and served:
        yield from _ensure(service, view)
    elif is_marked(service, PROVIDER.name) or (served and is_held(service)):
        yield from _clean_up(service, view)


def _ensure(service: Service, view: View) -> Decision:
    needed = hold(service, PROVIDER.name)
    if needed is None and PROVIDER.is_done(service, view):
        return
    yield _told(service, "EnsuringLoadBalancer", "Ensuring load balancer")
    if needed is not None:
        service = yield from _try(service, needed, "add load balancer cleanup finalizer")
    try:
        ingress = yield from PROVIDER.ensure(service, view)
    except Refused as refused:
        yield from _leave(service, view)
        yield from _refuse(service, f"failed to ensure load balancer: {refused}")
        return
    yield _told(service, "EnsuredLoadBalancer", "Ensured load balancer")
    if tuple(ingress) != service.status.loadBalancer.ingress:
        yield from _try(service, _status(service, ingress), "update load balancer status")


def _leave(service: Service, view: View) -> Decision:
    """What cannot be ensured stays as it is, but for an address that an older Service holds."""
    held = service.status.loadBalancer.ingress
    kept = [each for each in held if may_keep(service, each.ip, view)]
    if len(kept) < len(held):
        yield from _try(service, _status(service, kept), "update load balancer status")


def _clean_up(service: Service, view: View) -> Decision:
    yield _told(service, "DeletingLoadBalancer", "Deleting load balancer")
    try:
        yield from PROVIDER.release(service, view)
    except Refused as refused:
        yield from _refuse(service, f"failed to delete load balancer: {refused}")
        return
    stays = not service.deleting or len(service.metadata.finalizers) > 1
    if stays and service.status.loadBalancer.ingress:
        service = yield from _try(service, _status(service, ()), "update load balancer status")
    try:
        yield from _try(service, let_go(service), "remove load balancer cleanup finalizer")
    except NotFound:
        return
    yield _told(service, "DeletedLoadBalancer", "Deleted load balancer")


def _try(service: Service, patch: Patch, doing: str) -> Decision:
    """The write's answer; what goes wrong with it the user is told."""
    try:
        return (yield patch)
    except (Conflict, NotFound):
        raise
    except ApiError as error:
        yield _failure(service, f"failed to {doing}: {error}")
        raise


def _refuse(service: Service, reason: str) -> Decision:
    yield _failure(service, reason)
    yield Requeue(TELL_AGAIN, why=reason)


def _status(service: Service, ingress: Sequence[LoadBalancerIngress]) -> Patch:
    told = [{"ip": each.ip, "ipMode": each.ipMode} for each in ingress]
    why = f"it is reached at {', '.join(each.ip for each in ingress)}" if told else "it has no load balancer any more"
    return Patch(SERVICES, service, {"status": {"loadBalancer": {"ingress": told or None}}}, why, "status")


def _told(service: Service, reason: str, message: str) -> Event:
    return Event(SERVICES, service, reason, message)


def _failure(service: Service, reason: str) -> Event:
    return Event(SERVICES, service, "SyncLoadBalancerFailed", f"Error syncing load balancer: {reason}", "Warning")
