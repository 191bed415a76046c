"""addresspool-controller: each AddressPool tells how many addresses it has, how many are in use, and what is wrong.

Ours alone, upstream has no such kind. Three conditions: `Ready` (the addresses can be read), `Exhausted` (none is left)
and `Conflicting` (an address is also in another pool, or another pool is the default).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from understudy.kinds.core import SERVICES, Service
from understudy.kinds.meta import Condition, Key, Obj
from understudy.kinds.pools import ADDRESS_POOLS, AddressPool
from understudy.loop.controller import On, controller, may
from understudy.operators.common import conditions as bodies
from understudy.operators.servicelb.addresses import Range, parse
from understudy.operators.servicelb.holders import addresses_of
from understudy.operators.servicelb.pools import default_pool, held_in
from understudy.plan.steps import Decision, Patch
from understudy.state.view import View
from understudy.values import conditions, timestamp


def _pools(_: Obj, view: View) -> Iterable[Key]:
    return [pool.key for pool in view.all(ADDRESS_POOLS)]


def _moves(new: Service | None, old: Service | None) -> bool:
    return (addresses_of(new) if new else []) != (addresses_of(old) if old else [])


def redefined(new: Obj | None, old: Obj | None) -> bool:
    """A pool is there, is gone or has another spec; its status is its own business."""
    return new is None or old is None or new.metadata.generation != old.metadata.generation


@controller(
    "addresspool-controller",
    of=ADDRESS_POOLS,
    watches=(On(SERVICES, _pools, _moves), On(ADDRESS_POOLS, _pools, redefined)),
    rights=(may("patch", ADDRESS_POOLS, "status"),),
    source="addresspool-controller",
    upstream="",
    workers=1,
)
def decide(pool: AddressPool, view: View, now: datetime) -> Decision:
    """The status of a pool of addresses says what is in use, and what is wrong with it."""
    ranges, fault = _read(pool)
    total = sum(each.size for each in ranges)
    assigned = len(held_in(ranges, view))
    told = [_ready(fault), _exhausted(total, assigned), _conflicting(pool, ranges, view)]
    status = {
        "observedGeneration": pool.metadata.generation,
        "addresses": str(total),
        "assigned": assigned,
        "conditions": [_dated(each, pool, now) for each in told],
    }
    if status != _held(pool):
        yield Patch(ADDRESS_POOLS, pool, {"status": status}, f"{assigned} of {total} addresses in use", "status")


def _read(pool: AddressPool) -> tuple[Sequence[Range], str]:
    try:
        return parse(pool.spec.addresses), ""
    except ValueError as error:
        return (), str(error)


def _ready(fault: str) -> Condition:
    if fault:
        return Condition("Ready", "False", reason="InvalidAddresses", message=fault)
    return Condition("Ready", "True", reason="AddressesValid", message="Services can be given its addresses")


def _exhausted(total: int, assigned: int) -> Condition:
    message = f"{assigned} of {total} addresses are in use"
    if assigned < total:
        return Condition("Exhausted", "False", reason="AddressesFree", message=message)
    return Condition("Exhausted", "True", reason="AllInUse", message=message)


def _conflicting(pool: AddressPool, ranges: Sequence[Range], view: View) -> Condition:
    for other in sorted(view.all(ADDRESS_POOLS), key=lambda each: each.name):
        shared = [str(each) for each in ranges if _meets(each, _read(other)[0])]
        if other.uid != pool.uid and shared:
            message = f"{', '.join(shared)} is also, in whole or in part, in AddressPool {other.name}"
            return Condition("Conflicting", "True", reason="Overlaps", message=message)
    first = default_pool(view)
    if pool.spec.default and first is not None and first.uid != pool.uid:
        message = f"AddressPool {first.name} is older and the default"
        return Condition("Conflicting", "True", reason="AnotherIsDefault", message=message)
    return Condition("Conflicting", "False", reason="NoConflict", message="no other pool is in its way")


def _meets(one: Range, others: Sequence[Range]) -> bool:
    return any(one.overlaps(other) for other in others)


def _dated(told: Condition, pool: AddressPool, now: datetime) -> dict[str, Any]:
    """Its time moves only with its status."""
    held = conditions.find(pool.status.conditions, told.type)
    same = held is not None and held.status == told.status
    since = held.lastTransitionTime if held is not None and same else timestamp.format(now)
    return {**bodies.body(told), "lastTransitionTime": since, "observedGeneration": pool.metadata.generation}


def _held(pool: AddressPool) -> dict[str, Any]:
    status = pool.status
    return {
        "observedGeneration": status.observedGeneration,
        "addresses": status.addresses,
        "assigned": status.assigned,
        "conditions": [bodies.body(each) for each in status.conditions],
    }
