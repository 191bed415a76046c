"""Reading and annotating upstream's Leases, and the ControlPlane object: all that the takeover asks of the API server.

Used by the ControlPlane's handlers and by `understudy takeover`, `release` and `status`. It never writes the spec of a
Lease: that is the holders'.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from understudy.api.client import MERGE, Client
from understudy.errors import AlreadyExists, Forbidden, NotFound
from understudy.kinds.coordination import LEASES
from understudy.loop import roster
from understudy.takeover.read import found
from understudy.takeover.seen import CLUSTER, LEASE_OF, NAMESPACE, Seen, see

API = "understudy.dev/v1alpha1"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CONTROL_PLANES = f"/apis/{API}/controlplanes"

Object = dict[str, Any]


class Leases:
    """One cluster's. Everything raises ApiError and Lost."""

    def __init__(self, client: Client, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client, self._clock = client, clock

    async def look(self, component: str) -> Seen:
        """Who leads a component, who of ours is on call for it, and whether upstream could lead."""
        name, now = LEASE_OF[component], self._clock()
        candidates = await roster.listed(self._client, NAMESPACE, name, now)
        return see(
            name, await found(self._client, LEASES.path(NAMESPACE, name)), candidates, now, await self._pods(name)
        )

    async def annotate(self, component: str, annotations: Mapping[str, str | None]) -> None:
        """Write annotations, None takes one away. A Lease that is not there is made, with no holder."""
        name = LEASE_OF[component]
        metadata: Object = {"annotations": dict(annotations)}
        try:
            await self._client.call("PATCH", LEASES.path(NAMESPACE, name), {"metadata": metadata}, content_type=MERGE)
        except NotFound:
            metadata = {"name": name, "annotations": {key: text for key, text in annotations.items() if text}}
            body = {"apiVersion": LEASES.api, "kind": LEASES.kind, "metadata": metadata, "spec": {}}
            try:
                await self._client.call("POST", LEASES.path(NAMESPACE), body)
            except AlreadyExists:
                await self.annotate(component, annotations)

    async def control_plane(self) -> Object | None:
        """The ControlPlane, None if there is none or its kind is not even known."""
        return await found(self._client, f"{CONTROL_PLANES}/{CLUSTER}")

    async def direct(self, spec: Mapping[str, Any]) -> None:
        """Merge into the ControlPlane's spec."""
        await self._client.call("PATCH", f"{CONTROL_PLANES}/{CLUSTER}", {"spec": dict(spec)}, content_type=MERGE)

    async def report(self, status: Mapping[str, Any]) -> None:
        """Merge into the ControlPlane's status; nothing if it is gone meanwhile."""
        where = f"{CONTROL_PLANES}/{CLUSTER}/status"
        try:
            await self._client.call("PATCH", where, {"status": dict(status)}, content_type=MERGE)
        except NotFound:
            return

    async def _pods(self, lease: str) -> list[Object]:
        """Upstream's pods as kubeadm labels them; none where they are not shown to us."""
        try:
            answer = await self._client.call("GET", f"{PODS}?labelSelector=component%3D{lease}")
        except Forbidden:
            return []
        listed: list[Object] = msgspec.json.decode(answer)["items"]
        return listed
