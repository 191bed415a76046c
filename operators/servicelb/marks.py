"""How a Service tells that somebody has made its load balancer, and who.

The finalizer is upstream's and says only that there is something to clean up; whose work it is says our annotation.
Answers to needsCleanup, addFinalizer and removeFinalizer in k8s.io/cloud-provider controllers/service/controller.go.
"""

from understudy.kinds.core import SERVICES, Service
from understudy.plan.steps import Patch

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
MARK = "understudy.dev/load-balancer"


def is_marked(service: Service, provider: str) -> bool:
    """Whether that provider of ours has made its load balancer."""
    return service.metadata.annotations.get(MARK) == provider


def is_held(service: Service) -> bool:
    """Whether it stays until its load balancer is cleaned up."""
    return FINALIZER in service.metadata.finalizers


def is_unclaimed(service: Service) -> bool:
    """Whether nobody has begun to make it a load balancer."""
    return MARK not in service.metadata.annotations and not is_held(service)


def hold(service: Service, provider: str) -> Patch | None:
    """The write that says there is something to clean up, and by whom; None if it says so."""
    if is_held(service) and is_marked(service, provider):
        return None
    finalizers = list(dict.fromkeys([*service.metadata.finalizers, FINALIZER]))
    body = {"metadata": {"finalizers": finalizers, "annotations": {MARK: provider}}}
    return Patch(SERVICES, service, body, why="it must not go before its load balancer is cleaned up")


def let_go(service: Service) -> Patch:
    """The write that says there is nothing to clean up any more."""
    finalizers = [each for each in service.metadata.finalizers if each != FINALIZER]
    body = {"metadata": {"finalizers": finalizers or None, "annotations": {MARK: None}}}
    return Patch(SERVICES, service, body, why="its load balancer is cleaned up")
