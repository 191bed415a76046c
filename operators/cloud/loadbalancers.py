"""What the service controller needs of whatever makes load balancers: a cloud, or a pool of addresses.

`servicelb.pools.Pools` is the one that is built in. Answers to the interface LoadBalancer of k8s.io/cloud-provider
(cloud.go).
"""

from collections.abc import Generator, Sequence
from typing import Any, Protocol

from understudy.kinds.core import LoadBalancerIngress, Service
from understudy.plan.steps import Step
from understudy.state.view import View


class Refused(Exception):
    """There can be no such load balancer, for a reason the user is told; it is tried again later."""


class LoadBalancers(Protocol):
    """Pure, as decisions are: what it wants done outside it yields as steps."""

    name: str
    """What a Service is marked with whose load balancer it has made."""

    def serves(self, service: Service, view: View) -> bool:
        """Whether a Service of type LoadBalancer is its business at all."""

    def is_done(self, service: Service, view: View) -> bool:
        """Whether the load balancer is there and the Service's status tells how to reach it."""

    def ensure(self, service: Service, view: View) -> Generator[Step, Any, Sequence[LoadBalancerIngress]]:
        """Make the load balancer, or change it; answers how it is reached. Raises Refused, ApiError."""

    def release(self, service: Service, view: View) -> Generator[Step, Any, None]:
        """Undo all that `ensure` has done outside of the Service. Raises Refused, ApiError."""
