"""Keeps what Envoy knows as the API server says it is: everything anew when routes change, one message when Pods do.

`component` hangs it on the stores. Changes that come together are told together; what comes out the same as before is
not told; a table that cannot be made is never told. Called from the stores' hooks and from `run`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from understudy.kinds.discovery import SERVICE_NAME
from understudy.kinds.meta import Key, Obj
from understudy.proxy.ingress.envoy.clusters import assignment
from understudy.proxy.ingress.envoy.listeners import Front
from understudy.proxy.ingress.envoy.render import ENDPOINTS, Resources, render, serialized
from understudy.proxy.ingress.kinds import (
    CLASSES,
    INGRESSES,
    SECRETS,
    SERVICES,
    SLICES,
    EndpointSlice,
    Ingress,
    IngressClass,
    Secret,
    Service,
)
from understudy.proxy.ingress.model import Certificate, RouteTable
from understudy.proxy.ingress.routes import World, endpoints, routes
from understudy.state.store import Index, Store

log = logging.getLogger(__name__)

TOGETHER = 0.002
"""Seconds in which changes are gathered: a rollout comes in bursts."""

_BY_SERVICE: Index[EndpointSlice] = Index("service", lambda each: (str(_service_of(each)),))


class Keeper:
    """`told` gets the resources when they have changed; `run` never returns. `table` is what they were made from."""

    def __init__(
        self, front: Front, fallback: Certificate, told: Callable[[Resources], None], *, nginx: bool = False
    ) -> None:
        self.ingresses: Store[Ingress] = Store(INGRESSES)
        self.classes: Store[IngressClass] = Store(CLASSES)
        self.services: Store[Service] = Store(SERVICES)
        self.slices: Store[EndpointSlice] = Store(SLICES)
        self.secrets: Store[Secret] = Store(SECRETS)
        self.table = RouteTable()
        self.made = asyncio.Event()
        self._front, self._fallback, self._told, self._nginx = front, fallback, told, nginx
        self._resources: Resources = {}
        self._whole = True
        self._of: set[Key] = set()
        self._wake = asyncio.Event()
        self.slices.hooks.append(self._saw_slice)
        for store in (self.ingresses, self.classes, self.services, self.secrets):
            store.hooks.append(self._saw)

    @property
    def stores(self) -> tuple[Store[Any], ...]:
        return self.ingresses, self.classes, self.services, self.slices, self.secrets

    async def run(self) -> None:
        """Make anew what is due, whenever something is."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(TOGETHER)
            self._wake.clear()
            self.turn()

    def wake(self) -> None:
        """Make everything anew: the stores are filled."""
        self._whole = True
        self._wake.set()

    def turn(self) -> None:
        """What is due now. If that fails, what was told before stays."""
        try:
            resources = self._anew() if self._whole else self._with_endpoints()
        except Exception:
            log.exception("the routes cannot be made: those of before stay. This is a bug")
            return
        finally:
            self._whole, self._of = False, set()
        if resources != self._resources:
            self._resources = resources
            self._told(resources)
        self.made.set()

    def _anew(self) -> Resources:
        self.table = routes(self.world())
        return render(self.table, self._front, self._fallback)

    def world(self) -> World:
        """What the stores hold."""
        services = {each.key: each for each in self.services.all()}
        return World(
            list(self.ingresses.all()),
            {each.name: each for each in self.classes.all()},
            services,
            {key: self.slices.by(_BY_SERVICE, str(key)) for key in services},
            {each.key: each for each in self.secrets.all()},
            self._nginx,
        )

    def _with_endpoints(self) -> Resources:
        """Only the endpoints of some Services are new."""
        held: Mapping[str, bytes] = self._resources.get(ENDPOINTS, {})
        new: dict[str, bytes] = {}
        for upstream in self.table.endpoints:
            key = Key(upstream.namespace, upstream.service)
            service = self.services.get(key)
            if key in self._of and service is not None:
                port = next((each.name for each in service.spec.ports if each.port == upstream.port), "")
                where = endpoints(self.slices.by(_BY_SERVICE, str(key)), port)
                new[str(upstream)] = serialized(assignment(upstream, where))
        return {**self._resources, ENDPOINTS: {**held, **new}}

    def _saw(self, new: Obj | None, old: Obj | None) -> None:
        if new is None or old is None or _meaning(new) != _meaning(old):
            self.wake()

    def _saw_slice(self, new: EndpointSlice | None, old: EndpointSlice | None) -> None:
        for each in (new, old):
            if each is not None:
                self._of.add(_service_of(each))
        self._wake.set()


def _service_of(each: EndpointSlice) -> Key:
    return Key(each.namespace, each.metadata.labels.get(SERVICE_NAME, ""))


def _meaning(each: Any) -> Any:
    """What of an object can change a route: not its status, nor who wrote it last."""
    if isinstance(each, Secret):
        return each.data
    return each.spec, each.metadata.annotations
