"""Keeps the zone as the API server says it is: one Service's change makes only its own names anew.

`component` hangs it on the stores. Many changes at once (the first list, a rollout of thousands of Services) are worked
off in small portions, so that questions are answered in between. Answers to CoreDNS plugin/kubernetes/controller.go.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from understudy.dns.kinds import ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES, EndpointSlice, Pod, Service
from understudy.dns.own import Names as OwnNames
from understudy.dns.records import Names, Zone, of_pod, of_service
from understudy.kinds.meta import Key, Obj
from understudy.state.store import Index, Store

log = logging.getLogger(__name__)

PORTION = 50
"""Services and Pods whose names are made before questions have their turn: some milliseconds."""
POD = "pod/"
"""Begins the name by which a Pod is told: no Service is called so."""

_BY_SERVICE: Index[EndpointSlice] = Index("service", lambda each: (f"{each.namespace}/{each.service}",))


class Told(Protocol):
    """Who holds a copy of the zone: the table of this process, the other processes."""

    def put(self, owner: Key, names: Names) -> None: ...
    def put_namespace(self, name: str, *, there: bool) -> None: ...
    def declare(self, names: OwnNames) -> None: ...


class Keeper:
    """`services`, `slices` and `namespaces` are filled by watches; `run` never returns. `own`: what users declared.

    `with_pods`: so is `pods`, and each has the names of its addresses.
    """

    def __init__(self, origin: str, told: Told, *, with_pods: bool = False) -> None:
        self.services: Store[Service] = Store(SERVICES)
        self.slices: Store[EndpointSlice] = Store(ENDPOINT_SLICES)
        self.namespaces: Store[Obj] = Store(NAMESPACES)
        self.pods: Store[Pod] = Store(PODS)
        self.own = OwnNames()
        self._with_pods = with_pods
        self._origin = origin
        self._told = told
        self._due: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self.services.hooks.append(self._saw_service)
        self.slices.hooks.append(self._saw_slice)
        self.namespaces.hooks.append(self._saw_namespace)
        self.pods.hooks.append(self._saw_pod)

    @property
    def stores(self) -> tuple[Store[Any], ...]:
        stores: tuple[Store[Any], ...] = (self.services, self.slices, self.namespaces)
        return (*stores, self.pods) if self._with_pods else stores

    def __len__(self) -> int:
        """Services and Pods whose names are still to be made."""
        return len(self._due)

    async def run(self) -> None:
        """Work off what is due, whenever there is something."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                self.turn()
                await asyncio.sleep(0)

    async def settled(self) -> None:
        """Returns when nothing is due; `run` must be running."""
        while self._due:
            await asyncio.sleep(0)

    def turn(self) -> None:
        """One portion."""
        for key in list(self._due)[:PORTION]:
            del self._due[key]
            try:
                self._told.put(key, self.names_of(key))
            except Exception:  # one odd Service must not keep all others from their names
                log.exception("the names of %s cannot be made: this is a bug", key)

    def names_of(self, key: Key) -> Names:
        """All names there are because of the Service, or of the Pod; none if it is not there."""
        if key.name.startswith(POD):
            pod = self.pods.get(Key(key.namespace, key.name.removeprefix(POD)))
            return of_pod(pod, self._origin) if pod is not None else {}
        service = self.services.get(key)
        if service is None:
            return {}
        return of_service(service, self.slices.by(_BY_SERVICE, f"{key.namespace}/{key.name}"), self._origin)

    def replay(self, told: Told) -> Callable[[], bool]:
        """Tell a newcomer everything, a portion a call; False when that was the last."""
        told.declare(self.own)
        for name in list(self.namespaces.keys()):
            told.put_namespace(name.name, there=True)
        left = [*self.services.keys(), *map(_told_as, self.pods.keys())]

        def more() -> bool:
            portion, left[:] = left[:PORTION], left[PORTION:]
            for key in portion:
                told.put(key, self.names_of(key))
            return bool(left)

        return more

    def _mark(self, key: Key) -> None:
        self._due[key] = None
        self._wake.set()

    def _saw_service(self, new: Service | None, old: Service | None) -> None:
        if new is None or old is None or new.spec != old.spec:
            either = new or old
            assert either is not None
            self._mark(either.key)

    def _saw_slice(self, new: EndpointSlice | None, old: EndpointSlice | None) -> None:
        if new is not None and old is not None and _part(new) == _part(old):
            return
        for each in (new, old):
            if each is not None and each.service:
                self._mark(Key(each.namespace, each.service))

    def _saw_pod(self, new: Pod | None, old: Pod | None) -> None:
        either = new or old
        assert either is not None
        if new is None or old is None or (new.status.podIPs, new.over) != (old.status.podIPs, old.over):
            self._mark(_told_as(either.key))

    def _saw_namespace(self, new: Obj | None, old: Obj | None) -> None:
        either = new or old
        assert either is not None
        self._told.put_namespace(either.name, there=new is not None)


class Copy:
    """The zone and the table of one process, told what changes. `now` dates the zone's serial, in seconds."""

    def __init__(self, zone: Zone, forget: Callable[[set[str]], None], now: Callable[[], float]) -> None:
        self._zone, self._forget, self._now = zone, forget, now

    def put(self, owner: Key, names: Names) -> None:
        self._changed(self._zone.put(owner, names))

    def put_namespace(self, name: str, *, there: bool) -> None:
        self._changed(self._zone.put_namespace(name, there=there))

    def put_own(self, source: str, names: OwnNames) -> None:
        self._changed(self._zone.own.put(source, names))

    def _changed(self, names: set[str]) -> None:
        if names:
            self._zone.serial = int(self._now()) & 0xFFFFFFFF
            self._forget(names)


def _told_as(pod: Key) -> Key:
    return Key(pod.namespace, POD + pod.name)


def _part(each: EndpointSlice) -> tuple[Any, ...]:
    return each.service, each.endpoints, each.ports
