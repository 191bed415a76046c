"""Which Pods a Service selects and which Services a Pod belongs to: both ways in time that grows with the answer.

The endpointslice and the endpoints controller ask this, in their decisions and to be woken. It answers to
GetPodServiceMemberships and GetServicesToUpdateOnPodChange in k8s.io/endpointslice/util/controller_utils.go; upstream
compares every Service of the namespace with every changed Pod, here both are filed under labels.
"""

from collections.abc import Iterable, Iterator

from understudy.kinds.core import NODES, PODS, SERVICES, Node, Pod, Service
from understudy.kinds.meta import Key
from understudy.loop.controller import On
from understudy.operators.common.pods import BY_NODE, is_ready
from understudy.operators.common.service_endpoints import ZONE, has_endpoint
from understudy.state.store import Index
from understudy.state.view import View


def selects(service: Service) -> bool:
    """Whether its endpoints are the controllers' business: it has a selector and is not ExternalName."""
    return service.spec.selector is not None and service.spec.type != "ExternalName"


def pods_of(service: Service, view: View) -> list[Pod]:
    """The Pods that match its selector, oldest filed first; an empty selector matches all of the namespace."""
    namespace, selector = service.namespace, service.spec.selector or {}
    if not selector:
        return view.in_namespace(PODS, namespace)
    filed = (view.by(PODS, BY_LABEL, _filed(namespace, *label)) for label in selector.items())
    found = min(filed, key=len)
    if len(selector) == 1:
        return found
    wanted = selector.items()
    return [pod for pod in found if wanted <= pod.metadata.labels.items()]


def services_of(pod: Pod, view: View) -> Iterator[Key]:
    """The Services whose selector matches it."""
    labels = pod.metadata.labels.items()
    for value in _own_labels(pod):
        for service in view.by(SERVICES, BY_SELECTOR, value):
            if (service.spec.selector or {}).items() <= labels:
                yield service.key
    for service in view.by(SERVICES, BY_SELECTOR, _filed(pod.namespace, "", "")):
        yield service.key


def endpoint_changed(new: Pod | None, old: Pod | None) -> bool:
    """Whether any of its Services may have to show it, to stop that, or to show something else of it."""
    is_shown = new is not None and has_endpoint(new)
    was_shown = old is not None and has_endpoint(old)
    if new is None or old is None or not (is_shown and was_shown):
        return is_shown or was_shown
    return (
        is_ready(new) != is_ready(old)
        or new.deleting != old.deleting
        or new.metadata.labels != old.metadata.labels
        or new.metadata.uid != old.metadata.uid
        or new.status.podIPs != old.status.podIPs
        or (new.spec.hostname, new.spec.subdomain) != (old.spec.hostname, old.spec.subdomain)
    )


def zone_changed(new: Node | None, old: Node | None) -> bool:
    """Whether the endpoints on a Node show another zone, or may be shown at all, since it came or went."""
    return new is None or old is None or new.metadata.labels.get(ZONE) != old.metadata.labels.get(ZONE)


def _services_on(node: Node, view: View) -> Iterable[Key]:
    return {key for pod in view.by(PODS, BY_NODE, node.name) for key in services_of(pod, view)}


def _filed(namespace: str, label: str, value: str) -> str:
    return f"{namespace}/{label}={value}"


def _own_labels(pod: Pod) -> list[str]:
    namespace = pod.metadata.namespace
    return [f"{namespace}/{label}={value}" for label, value in pod.metadata.labels.items()]


def _one_of_selector(service: Service) -> tuple[str, ...]:
    """One label of the selector is enough to find it: a matching Pod has them all."""
    if not selects(service):
        return ()
    label, value = min((service.spec.selector or {}).items(), default=("", ""))
    return (_filed(service.namespace, label, value),)


BY_LABEL: Index[Pod] = Index("label", _own_labels)
BY_SELECTOR: Index[Service] = Index("one label of the selector", _one_of_selector)

ON_PODS = On(PODS, services_of, endpoint_changed)
"""A Pod wakes its Services, those of its old labels too, when something changed that an endpoint shows."""
ON_NODES = On(NODES, _services_on, zone_changed)
