"""Which devices claims get on a node: every request after the other, every device that would do, until all fit.

The first solution is taken. Devices that are the same to a request are tried once, and after so many steps the search
gives up, where upstream gives up after so many seconds. Pure. Called by `inventory`. Answers to
k8s.io/dynamic-resource-allocation structured/internal/incubating (allocator_incubating.go), words of errors included.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from understudy.scheduler.devices.kinds import Asked, DeviceClass, DeviceConstraint, DeviceRequest, ResourceClaim
from understudy.scheduler.devices.pools import DeviceId, Offer, Pool

ALL, EXACT = "All", "ExactCount"
MOST = 32
"""Devices of one claim."""
STEPS = 20_000
EMPTY = "CEL expression empty (unsupported selector type?)"
TIMED_OUT = "timed out trying to allocate devices"

ClassOf = Callable[[str], DeviceClass | None]


class Unallocatable(Exception):
    """Something is wrong with the claim, a class or a pool: it says what."""


@dataclass(frozen=True, slots=True)
class Want:
    """One alternative of a request, `name` as results have it; `every` device there is, if all are wanted."""

    name: str
    base: str
    asked: Asked
    device_class: DeviceClass
    count: int
    every: tuple[Offer, ...] | None = None

    @property
    def admin(self) -> bool:
        """Whether it also takes devices that others have."""
        return bool(self.asked.adminAccess)


@dataclass(frozen=True, slots=True)
class Picked:
    """A device, and for what."""

    offer: Offer
    want: Want


@dataclass(slots=True)
class _Constraint:
    """The devices taken so far have that value."""

    of: DeviceConstraint
    values: list[object] = field(default_factory=list)

    def concerns(self, want: Want) -> bool:
        return not self.of.requests or want.base in self.of.requests or want.name in self.of.requests

    def admits(self, offer: Offer) -> bool:
        attribute = offer.attribute(self.of.matchAttribute or "")
        return attribute is not None and (not self.values or self.values[-1] == attribute)


def search(
    claims: Sequence[ResourceClaim], pools: Sequence[Pool], allocated: Container[DeviceId], class_of: ClassOf
) -> list[list[Picked]] | None:
    """The devices of each claim; None if there are not enough. Raises Unallocatable."""
    return _Search(claims, pools, allocated, class_of).run()


class _Search:
    def __init__(
        self, claims: Sequence[ResourceClaim], pools: Sequence[Pool], allocated: Container[DeviceId], class_of: ClassOf
    ) -> None:
        self._claims = claims
        self._pools = pools
        self._allocated = allocated
        self._class_of = class_of
        self._taken: dict[DeviceId, list[int]] = {}
        self._picked: list[list[Picked]] = [[] for _ in claims]
        self._steps = 0
        self._wants = [[self._alternatives(claim, each) for each in claim.spec.devices.requests] for claim in claims]
        self._constraints = [[_constraint(claim, at) for at in range(_number(claim))] for claim in claims]

    def run(self) -> list[list[Picked]] | None:
        return self._picked if self._request(0, 0) else None

    # What is wanted

    def _alternatives(self, claim: ResourceClaim, request: DeviceRequest) -> list[Want]:
        if request.exactly is not None:
            return [self._want(claim, request.name, request.name, request.exactly)]
        return [self._want(claim, f"{request.name}/{each.name}", request.name, each) for each in request.firstAvailable]

    def _want(self, claim: ResourceClaim, name: str, base: str, asked: Asked) -> Want:
        where = f"claim {claim.key}, request {asked.name or base}"
        if not asked.deviceClassName:
            raise Unallocatable(f"{where}: missing device class name (unsupported request type?)")
        found = self._class_of(asked.deviceClassName)
        if found is None:
            raise Unallocatable(f"{where}: could not retrieve device class {asked.deviceClassName}")
        want = Want(name, base, asked, found, asked.count)
        if asked.allocationMode == EXACT:
            return want
        if asked.allocationMode != ALL:
            raise Unallocatable(f"{where}: unsupported count mode {asked.allocationMode}")
        every = tuple(self._every(claim, where, want))
        return Want(name, base, asked, found, len(every), every)

    def _every(self, claim: ResourceClaim, where: str, want: Want) -> list[Offer]:
        for pool in self._pools:
            if pool.incomplete or pool.invalid:
                state = "being updated" if pool.incomplete else "invalid"
                raise Unallocatable(
                    f"{where}: asks for all devices, but resource pool {pool.name} is currently {state}"
                )
        return [offer for pool in self._pools for offer in pool.offers if self._selects(claim, want, offer)]

    def _selects(self, claim: ResourceClaim, want: Want, offer: Offer) -> bool:
        """Whether the class and the request are about this device."""
        if offer.device.bindingConditions:
            return False
        groups = (
            (f"class {want.device_class.name}", want.device_class.spec.selectors),
            (f"claim {claim.key}", want.asked.selectors),
        )
        for whose, selectors in groups:
            for number, selector in enumerate(selectors):
                said = offer.matches(selector.cel.expression) if selector.cel is not None else EMPTY
                if isinstance(said, str):
                    raise Unallocatable(f"{whose}: selector #{number}: {said}")
                if not said:
                    return False
        return True

    # What is found

    def _request(self, claim: int, number: int) -> bool:
        """Whether this request of that claim, and all that follow, can be satisfied."""
        if claim == len(self._claims):
            return True
        if number == len(self._wants[claim]):
            return self._request(claim + 1, 0)
        return any(self._devices(claim, number, want, 0) for want in self._wants[claim][number])

    def _devices(self, claim: int, number: int, want: Want, at: int) -> bool:
        self._steps += 1
        if self._steps > STEPS:
            raise Unallocatable(TIMED_OUT)
        if want.every is not None and not want.every:
            return False
        if at == want.count:
            return self._request(claim, number + 1)
        if len(self._picked[claim]) + want.count - at > MOST:
            return False
        if want.every is not None:
            return self._try(claim, number, want, at, want.every[at], must=True)
        return self._any(claim, number, want, at)

    def _any(self, claim: int, number: int, want: Want, at: int) -> bool:
        """Whether one of all devices leads to a solution."""
        for pool in self._pools:
            if pool.invalid:
                raise Unallocatable(f"pool {pool.name} is invalid: {pool.invalid}")
            tried: set[tuple[int, int]] = set()
            for offer in pool.offers:
                kind = (id(offer.slice), offer.kind)
                if (kind in tried and not want.admin) or not self._is_free(claim, want, offer):
                    continue
                if not self._selects(self._claims[claim], want, offer):
                    continue
                tried.add(kind)
                if self._try(claim, number, want, at, offer, must=False):
                    return True
        return False

    def _is_free(self, claim: int, want: Want, offer: Offer) -> bool:
        users = self._taken.get(offer.id, ())
        if want.admin:
            return claim not in users
        return not users and offer.id not in self._allocated

    def _try(self, claim: int, number: int, want: Want, at: int, offer: Offer, *, must: bool) -> bool:
        """Whether the rest can be satisfied with this device; as before if not. `must`: no other device would do."""
        if not self._is_free(claim, want, offer) or offer.device.consumesCounters:
            return False
        concerned = [each for each in self._constraints[claim] if each.concerns(want)]
        if not all(each.admits(offer) for each in concerned):
            if must:
                where = f"claim {self._claims[claim].key}, request {want.asked.name or want.base}"
                why = "because a claim constraint would not be satisfied"
                raise Unallocatable(f"{where}: cannot add device {offer.id} {why}")
            return False
        for each in concerned:
            each.values.append(offer.attribute(each.of.matchAttribute or ""))
        self._taken.setdefault(offer.id, []).append(claim)
        self._picked[claim].append(Picked(offer, want))
        if self._devices(claim, number, want, at + 1):
            return True
        self._picked[claim].pop()
        self._taken[offer.id].pop()
        for each in concerned:
            each.values.pop()
        return False


def _number(claim: ResourceClaim) -> int:
    return len(claim.spec.devices.constraints)


def _constraint(claim: ResourceClaim, at: int) -> _Constraint:
    found = claim.spec.devices.constraints[at]
    if found.matchAttribute is None:
        raise Unallocatable(f"claim {claim.key}, constraint #{at}: empty constraint (unsupported constraint type?)")
    return _Constraint(found)
