"""endpointslicemirroring-controller: Endpoints that people write by hand are shown as EndpointSlices, for the proxies.

Only those of a Service without a selector: for the others another controller makes slices from the Pods. One concern a
file: `mirror` (what is to be shown), `slices` (the objects). Answers to pkg/controller/endpointslicemirroring, KEP-752.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from understudy.errors import Forbidden, PartlyDone
from understudy.kinds.core import ENDPOINTS, SERVICES, Endpoints, Service
from understudy.kinds.discovery import ENDPOINT_SLICES
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.endpointslicemirroring.mirror import MAX_ENDPOINTS, Mirror, mirror
from understudy.operators.endpointslicemirroring.slices import ON_SLICES, changes, deletes, mirrored
from understudy.plan.steps import Create, Decision, Delete, Event, Patch, Together
from understudy.state.view import View

SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
"""On Endpoints that are no Service's but somebody's lock, as leader election used to be done."""


def _same_key(service: Service, _: View) -> Iterable[Key]:
    return (service.key,)


def _selector_changed(new: Service | None, old: Service | None) -> bool:
    """It came or went without a selector, or got or lost one."""
    return _is_selectorless(new) != _is_selectorless(old)


def _is_selectorless(service: Service | None) -> bool:
    return service is not None and service.spec.selector is None


def gone(key: Key, view: View, _: datetime) -> Decision:
    """There are no Endpoints of that name: nothing is shown of them."""
    yield from _written([], [], deletes(mirrored(key, view), why="the Endpoints are gone"))


@controller(
    "endpointslice-mirroring-controller",
    of=ENDPOINTS,
    watches=(On(SERVICES, _same_key, _selector_changed), ON_SLICES),
    rights=(may("create patch delete", ENDPOINT_SLICES), may("update", ENDPOINTS, "finalizers")),
    source="endpoint-slice-mirroring-controller",
    upstream="pkg/controller/endpointslicemirroring",
    gone=gone,
    seeds=(SERVICES,),
)
def decide(endpoints: Endpoints, view: View, _: datetime) -> Decision:
    """Endpoints of a Service without a selector are shown by EndpointSlices too."""
    held = mirrored(endpoints.key, view)
    if not _is_mirrored(endpoints, view):
        yield from _written([], [], deletes(held, why="these Endpoints are not to be mirrored"))
        return
    wanted = mirror(endpoints.subsets or ())
    yield from _complaints(endpoints, wanted)
    creates, patches, unwanted = changes(endpoints, held, wanted.groups)
    if endpoints.deleting:  # the garbage collector deletes slices now, and must not be raced
        creates = []
    yield from _written(creates, patches, unwanted)


def _is_mirrored(endpoints: Endpoints, view: View) -> bool:
    metadata = endpoints.metadata
    if metadata.labels.get(SKIP) == "true" or LEADER in metadata.annotations:
        return False
    return _is_selectorless(view.get(SERVICES, *endpoints.key))


def _complaints(endpoints: Endpoints, wanted: Mirror) -> Decision:
    if wanted.invalid:
        message = f"Skipped {wanted.invalid} invalid IP addresses when mirroring to EndpointSlices"
        yield Event(ENDPOINTS, endpoints, "InvalidIPAddress", message, "Warning")
    if wanted.surplus:
        message = (
            f"A max of {MAX_ENDPOINTS} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            f"{wanted.invalid + wanted.surplus} addresses were skipped"
        )
        yield Event(ENDPOINTS, endpoints, "TooManyAddressesToMirror", message, "Warning")


def _written(creates: Sequence[Create], patches: Sequence[Patch], unwanted: Sequence[Delete]) -> Decision:
    """Creates first, so that an address that moves is never missing; deletes last."""
    for steps in (creates, patches, unwanted):
        try:
            if steps:
                yield Together(steps)
        except PartlyDone as partly:
            if isinstance(partly.cause, Forbidden) and partly.cause.namespace_terminating:
                return
            raise
