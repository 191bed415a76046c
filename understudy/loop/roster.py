"""Who is on call: each candidate keeps a small Lease of its own beside the one it would take.

`loop.process` keeps it, `understudy takeover`, `status` and the ControlPlane's status read it: without it nobody could
say whether a takeover would find anyone. The pattern is that of kube-apiserver's identity Leases
(KEP-1965, pkg/controlplane/controller/leasegc): a label to find them by, and those long dead are tidied away.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from understudy.api.client import MERGE, Client
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound
from understudy.kinds.coordination import LEASES
from understudy.loop.call import CHOICE
from understudy.values import timestamp

log = logging.getLogger(__name__)

CANDIDATE_FOR = "understudy.dev/candidate-for"
STATE = "understudy.dev/state"
STANDING_BY, WAITING, LEADING = "standing by", "waiting", "leading"
PERIOD = 10.0
"""Seconds between two signs of life."""
DURATION = 40
"""Seconds without one after which a candidate counts as gone, as with nodes."""
FORGOTTEN = 600.0
"""Seconds after which the Lease of one that is gone is removed by the next that comes."""
LOOK = 0.5
"""Seconds between two looks at our own state."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One process on call, by its last sign of life. `state` is STANDING_BY, WAITING (it has the Lease) or LEADING."""

    name: str
    identity: str
    state: str
    choice: str
    silent: float
    """Seconds since its last sign of life."""

    @property
    def alive(self) -> bool:
        return self.silent < DURATION


def candidates(leases: Iterable[Mapping[str, Any]], now: datetime) -> list[Candidate]:
    """The candidates among Leases as the server lists them, dead ones too, by name."""
    return sorted((_candidate(lease, now) for lease in leases), key=lambda each: each.name)


def _candidate(lease: Mapping[str, Any], now: datetime) -> Candidate:
    metadata, spec = lease["metadata"], lease.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    renewed = spec.get("renewTime")
    silent = now.timestamp() - timestamp.seconds(renewed) if renewed else float(DURATION)
    identity = spec.get("holderIdentity") or ""
    return Candidate(metadata["name"], identity, annotations.get(STATE, ""), annotations.get(CHOICE, "*"), silent)


async def listed(client: Client, namespace: str, lease: str, now: datetime) -> list[Candidate]:
    """The candidates for a Lease. Raises ApiError, Lost."""
    where = f"{LEASES.path(namespace)}?labelSelector={CANDIDATE_FOR}%3D{lease}"
    answer: dict[str, Any] = msgspec.json.decode(await client.call("GET", where))
    return candidates(answer["items"], now)


class Roster:
    """Our own entry. `state` tells how we are, `choice` what we run; errors are logged and tried again."""

    def __init__(
        self, client: Client, namespace: str, lease: str, identity: str, state: Callable[[], tuple[str, str]]
    ) -> None:
        self._client, self._namespace, self._lease, self._identity = client, namespace, lease, identity
        self._state = state
        self.name = f"understudy-{lease}-{re.sub('[^a-z0-9]+', '-', identity.lower().partition(':')[2]).strip('-')}"

    async def run(self) -> None:
        """Show a sign of life every PERIOD and whenever our state changes, until cancelled."""
        loop = asyncio.get_running_loop()
        shown, due = ("", ""), 0.0
        await self._try(self._tidy())
        while True:
            state = self._state()
            if (state != shown or loop.time() >= due) and await self._try(self._show(state)):
                shown, due = state, loop.time() + PERIOD
            await asyncio.sleep(LOOK)

    async def others(self) -> bool:
        """Whether another candidate is there to take over from us; False if that cannot be learnt."""
        try:
            async with asyncio.timeout(2):
                found = await listed(self._client, self._namespace, self._lease, datetime.now(UTC))
        except (ApiError, Lost, TimeoutError):
            return False
        return any(each.alive and each.name != self.name for each in found)

    async def leave(self) -> None:
        """Take our entry away; at the worst it runs out."""
        await self._try(self._client.call("DELETE", LEASES.path(self._namespace, self.name)))

    async def _show(self, state: tuple[str, str]) -> None:
        labels, annotations = {CANDIDATE_FOR: self._lease}, {STATE: state[0], CHOICE: state[1]}
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION,
            "renewTime": timestamp.format_micro(datetime.now(UTC)),
        }
        body = {"metadata": {"name": self.name, "labels": labels, "annotations": annotations}, "spec": spec}
        try:
            await self._client.call("PATCH", LEASES.path(self._namespace, self.name), body, content_type=MERGE)
        except NotFound:
            whole = {"apiVersion": LEASES.api, "kind": LEASES.kind, **body}
            await self._client.call("POST", LEASES.path(self._namespace), whole)

    async def _tidy(self) -> None:
        for each in await listed(self._client, self._namespace, self._lease, datetime.now(UTC)):
            if each.silent > FORGOTTEN:
                await self._client.call("DELETE", LEASES.path(self._namespace, each.name))

    async def _try(self, work: Any) -> bool:
        try:
            async with asyncio.timeout(PERIOD / 2):
                await work
        except (ApiError, Lost, TimeoutError) as error:
            log.warning("cannot tell that we are on call for lease %s/%s: %s", self._namespace, self._lease, error)
            return False
        return True


def on_call_rules() -> list[dict[str, Any]]:
    """The PolicyRules a process on call needs in its Lease's namespace, beside those of its loops."""
    verbs = ["create", "delete", "get", "list", "patch", "update"]
    return [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs}]
