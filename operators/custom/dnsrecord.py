"""The kopf handlers of DNSZone and DNSRecord: each object's status says whether it is answered, and if not, why.

`operators.custom.operator` runs them. The decision is `dns.ownership.settle`, which the servers answer by, too. An
event only wakes a round; a round goes by what the server says then, and writes those statuses that are not right. kopf
leaves no mark on the objects.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import kopf
import msgspec

from understudy.api.client import MERGE, Client
from understudy.api.transport import Lost
from understudy.dns.kinds import DNS_RECORDS, DNS_ZONES, DNSRecord, DNSZone
from understudy.dns.ownership import Settled, Verdict, settle
from understudy.errors import ApiError, NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key
from understudy.loop.rights import Rule
from understudy.values import timestamp

log = logging.getLogger(__name__)

Object = dict[str, Any]
PAUSE = 0.1
"""Seconds in which events gather."""
RETRY = 2.0
RIGHTS: list[Rule] = [
    {"apiGroups": ["understudy.dev"], "resources": ["dnsrecords", "dnszones"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["understudy.dev"], "resources": ["dnsrecords/status", "dnszones/status"], "verbs": ["patch"]},
]


class Registrar:
    """`event` wakes it, `run` makes the rounds. `domain` is the cluster's."""

    def __init__(self, client: Client, domain: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client, self._domain, self._clock = client, domain, clock
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def event(self, **_: Any) -> None:
        """Something changed."""
        self._due.set()

    async def start(self, **_: Any) -> None:
        """Begin to make rounds."""
        self._task = asyncio.get_running_loop().create_task(self.run(), name="dns records")

    async def stop(self, **_: Any) -> None:
        """End at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self) -> None:
        """One round after the other, whenever something changed."""
        while True:
            await self._due.wait()
            await asyncio.sleep(PAUSE)
            self._due.clear()
            try:
                await self.round()
            except (ApiError, Lost) as error:
                log.warning("the status of DNS records could not be brought up to date: %s", error)
                self._due.set()
                await asyncio.sleep(RETRY)

    async def round(self) -> int:
        """Look at all, write what is not right; how many that were. Raises ApiError, Lost."""
        zones, records = await self._list(DNS_ZONES), await self._list(DNS_RECORDS)
        settled = settle(
            msgspec.convert(zones, list[DNSZone]), msgspec.convert(records, list[DNSRecord]), (), self._domain
        )
        writes = list(statuses(zones, records, settled, timestamp.format(self._clock())).items())
        for path, status in writes:
            await self._report(path, status)
        return len(writes)

    async def _list(self, kind: Kind[Any]) -> list[Object]:
        try:
            found: Object = msgspec.json.decode(await self._client.call("GET", kind.path()))
        except NotFound:
            return []
        return list(found["items"])

    async def _report(self, path: str, status: Object) -> None:
        try:
            await self._client.call("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)
        except NotFound:
            log.debug("%s is gone meanwhile", path)


def statuses(zones: list[Object], records: list[Object], settled: Settled, now: str) -> dict[str, Object]:
    """The statuses to write, by the object's path: only those that are not as they should be."""
    wanted: dict[str, Object] = {}
    for each in zones:
        name = each["metadata"]["name"]
        status = _status(each, settled.zones[name], now, {"records": settled.counts.get(name, 0)})
        if status != each.get("status"):
            wanted[DNS_ZONES.path(name=name)] = status
    for each in records:
        meta = each["metadata"]
        verdict = settled.records[Key(meta["namespace"], meta["name"])]
        status = _status(each, verdict, now, {"zone": verdict.zone} if verdict.zone else {})
        if status != each.get("status"):
            wanted[DNS_RECORDS.path(meta["namespace"], meta["name"])] = status
    return wanted


def _status(each: Object, verdict: Verdict, now: str, more: Mapping[str, Any]) -> Object:
    old = ((each.get("status") or {}).get("conditions") or [{}])[0]
    says = "True" if verdict.accepted else "False"
    since = old.get("lastTransitionTime") if old.get("status") == says else None
    generation = each["metadata"].get("generation", 0)
    condition = {
        "type": "Accepted",
        "status": says,
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
        "reason": verdict.reason,
        "message": verdict.message,
    }
    return {"observedGeneration": generation, **more, "conditions": [condition]}


def enlisted(registry: kopf.OperatorRegistry, registrar: Registrar) -> None:
    """Put the handlers into the registry."""
    for kind in (DNS_ZONES, DNS_RECORDS):
        kopf.on.event("understudy.dev", "v1alpha1", kind.plural, id="dns", registry=registry)(registrar.event)
    kopf.on.startup(id="dns-begin", registry=registry)(registrar.start)
    kopf.on.cleanup(id="dns-end", registry=registry)(registrar.stop)
