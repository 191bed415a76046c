"""Routes to the pods of the other nodes: what is missing in the kernel and what is too much. Pure.

Ours are known by their protocol number, so nobody else's route is ever touched, not even one to the same pods: ours
goes before it. Used by `keeper`, carried out by `linux`. Answers to syncRoute in kindnetd's routes.go.
"""

from collections.abc import Collection
from typing import NamedTuple

PROTOCOL = 117
"""`proto` of our routes in the kernel: a number no routing daemon uses (/etc/iproute2/rt_protos)."""


class Route(NamedTuple):
    """To the addresses of `destination` (a CIDR) by way of `gateway`, both in their shortest form, one family."""

    destination: str
    gateway: str

    @property
    def ipv6(self) -> bool:
        return ":" in self.destination

    def __str__(self) -> str:
        return f"{self.destination} via {self.gateway}"


class Refusal(NamedTuple):
    """The kernel would not take `route`, because of `cause`, in words."""

    route: Route
    cause: str


class Plan(NamedTuple):
    """What to do, in this order: the new way first, so that a gateway changes without a gap."""

    add: tuple[Route, ...]
    drop: tuple[Route, ...]


def plan(desired: Collection[Route], held: Collection[Route]) -> Plan:
    """From what we hold in the kernel to what is desired, in a fixed order."""
    wanted, there = set(desired), set(held)
    return Plan(tuple(sorted(wanted - there)), tuple(sorted(there - wanted)))
