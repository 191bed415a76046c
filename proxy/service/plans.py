"""A plan is how a new connection to an address is treated: its traffic class and how many endpoints there are. Pure.

Services alike in that share the chain of the plan; `service-ips` maps each address to its plan's number and `plans`
the number to the chain. Chains are added when a plan is first needed and cleared away at the next full
synchronization. Answers to the service, external and local chains of pkg/proxy/nftables/proxier.go.
"""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from understudy.proxy.service.layout import LOCAL_SLOTS, SLOT_KEY
from understudy.proxy.service.statements import (
    CLIENT,
    Chain,
    Field,
    FindSlot,
    Forget,
    FromHere,
    Mark,
    RandomSlot,
    Remember,
    Rule,
    Translate,
    Within,
    goto,
    jump,
)


class Traffic(Enum):
    """To a cluster IP or to an address from outside; `*_LOCAL` where its policy is Local."""

    INTERNAL = "internal"
    INTERNAL_LOCAL = "internal-local"
    EXTERNAL = "external"
    EXTERNAL_LOCAL = "external-local"

    __hash__ = object.__hash__  # that of Enum is written in Python, and plans are looked up for each Service


INTERNAL, INTERNAL_LOCAL, EXTERNAL, EXTERNAL_LOCAL = Traffic
LOCAL = (INTERNAL_LOCAL, EXTERNAL_LOCAL)


class Plan(NamedTuple):
    """`every` is how many endpoints there are, `local` how many on this node, 0 if the class does
    not look at them. `affinity` in seconds, 0: none.
    """

    traffic: Traffic
    every: int
    local: int
    affinity: int

    @property
    def chain(self) -> str:
        return f"{self.traffic.value}-{self.every}-{self.local}-{self.affinity}"


_OFF_CLUSTER = Within((Field.SOURCE,), "pod-cidrs", absent=True)
_POD = Within((Field.SOURCE,), "pod-cidrs")


def chain_of(plan: Plan) -> Chain:
    """Its chain; those it names are `affinity_chains`."""
    return Chain(plan.chain, tuple(_rules(plan)))


def _rules(plan: Plan) -> Iterator[Rule]:
    anywhere = tuple(_pick(plan.every, 0, plan.affinity))
    on_this_node = tuple(_pick(plan.local, LOCAL_SLOTS, plan.affinity))
    if plan.traffic is EXTERNAL_LOCAL:
        yield from ((_POD, *rule) for rule in anywhere)
        if anywhere:
            yield FromHere(), Mark()
        yield from ((FromHere(), *rule) for rule in anywhere)
        yield from on_this_node
        return
    yield (Mark(),) if plan.traffic is EXTERNAL else (_OFF_CLUSTER, Mark())
    yield from on_this_node if plan.traffic is INTERNAL_LOCAL else anywhere


def _pick(count: int, offset: int, affinity: int) -> Iterator[Rule]:
    """Rules that choose one of `count` endpoints: the client's own, if it has one."""
    if not count:
        return
    choose = "choose-local" if offset else "choose"
    if affinity:
        _, known, fresh = _names(local=bool(offset), timeout=affinity)
        yield (jump(known),)
        yield RandomSlot(count, offset), jump(fresh)
    yield RandomSlot(count, offset), goto(choose)


def _names(*, local: bool, timeout: int) -> tuple[str, str, str]:
    ending = f"{memory_of(local=local)}-{timeout}"
    return f"pin-{ending}", f"known-{ending}", f"fresh-{ending}"


def memory_of(*, local: bool) -> str:
    """The map of clients' choices. A client of all endpoints must not meet its choice where only local ones count."""
    return "affinity-local" if local else "affinity"


def affinity_chains(timeout: int) -> Iterator[Chain]:
    """Six chains for each timeout in seconds: the client's endpoint if known and still there, else a new one to keep.

    The slot holds the endpoint's token then. `pin` keeps it and goes there; a token without an endpoint is forgotten.
    """
    for local in (False, True):
        memory = memory_of(local=local)
        pin, known, fresh = _names(local=local, timeout=timeout)
        yield Chain(
            pin,
            (
                (Remember(CLIENT, memory, timeout),),
                (Translate(SLOT_KEY, "affinity-endpoints"),),
                (Forget(CLIENT, memory),),
            ),
        )
        yield Chain(known, ((FindSlot(CLIENT, memory), jump(pin)),))
        yield Chain(fresh, ((FindSlot(SLOT_KEY, "affinity-slots"), jump(pin)),))
