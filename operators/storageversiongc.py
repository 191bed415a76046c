"""storageversion-garbage-collector-controller: StorageVersions forget API servers that are gone.

Runs only by name, where the API server offers internal.apiserver.k8s.io/v1alpha1 (feature gates APIServerIdentity and
StorageVersionAPI). An API server is there as long as its identity Lease is. Answers to pkg/controller/storageversiongc
and, for the version all agree on, to apiserver pkg/storageversion/updater.go.
"""

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from understudy.errors import NotFound
from understudy.kinds.coordination import LEASES, Lease
from understudy.kinds.gated import STORAGE_VERSIONS, ServerStorageVersion, StorageVersion
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.common.conditions import with_
from understudy.plan.steps import Decision, Delete, Get, Patch, Step
from understudy.state.view import View
from understudy.values import conditions, timestamp

NAMESPACE = "kube-system"
IDENTITY, API_SERVER = "apiserver.kubernetes.io/identity", "kube-apiserver"
EQUAL = "AllEncodingVersionsEqual"


def _is_identity(lease: Lease | None) -> bool:
    return lease is not None and lease.metadata.labels.get(IDENTITY) == API_SERVER


def _written_by(lease: Lease, view: View) -> Iterable[Key]:
    """The resources an API server has said how it writes."""
    if lease.namespace != NAMESPACE:
        return []
    every = view.all(STORAGE_VERSIONS)
    return [each.key for each in every if any(one.apiServerID == lease.name for one in each.status.storageVersions)]


def _goes(new: Lease | None, old: Lease | None) -> bool:
    return _is_identity(old) and not _is_identity(new)


@controller(
    "storageversion-garbage-collector-controller",
    of=STORAGE_VERSIONS,
    watches=(On(LEASES, _written_by, _goes),),
    rights=(may("delete", STORAGE_VERSIONS), may("patch", STORAGE_VERSIONS, "status"), may("get", LEASES)),
    upstream="pkg/controller/storageversiongc",
    workers=1,
    by_default=False,
)
def decide(resource: StorageVersion, view: View, now: datetime) -> Decision:
    """A StorageVersion names only API servers that are there, and goes with the last of them."""
    listed = resource.status.storageVersions
    gone = set()
    for each in listed:
        if not (yield from _is_there(each.apiServerID, view)):
            gone.add(each.apiServerID)
    kept = [each for each in listed if each.apiServerID not in gone]
    if not gone:
        return
    if kept:
        body = {"status": _status(resource, kept, now)}
        yield Patch(STORAGE_VERSIONS, resource, body, why="an API server it names is gone", subresource="status")
    else:
        yield Delete(STORAGE_VERSIONS, resource, why="every API server it names is gone", unchanged=True)


def _is_there(server: str, view: View) -> Generator[Step, Any, bool]:
    """Whether an API server of that identity lives; only the server's own word counts against it."""
    if _is_identity(view.get(LEASES, NAMESPACE, server)):
        return True
    try:
        return _is_identity((yield Get(LEASES, NAMESPACE, server, why="an API server that seems to be gone")))
    except NotFound:
        return False


def _status(resource: StorageVersion, kept: Sequence[ServerStorageVersion], now: datetime) -> dict[str, Any]:
    """What is left, and the version all of them write, if it is the same."""
    common = kept[0].encodingVersion if len({each.encodingVersion for each in kept}) == 1 else None
    held = conditions.find(resource.status.conditions, EQUAL)
    status = "True" if common is not None else "False"
    before = resource.status.commonEncodingVersion
    changed = held is None or held.status != status or (None not in (before, common) and before != common)
    told = {
        "type": EQUAL,
        "status": status,
        "observedGeneration": resource.metadata.generation,
        "lastTransitionTime": timestamp.format(now) if changed or held is None else held.lastTransitionTime,
        "reason": "CommonEncodingVersionSet" if common is not None else "CommonEncodingVersionUnset",
        "message": "Common encoding version set" if common is not None else "Common encoding version unset",
    }
    return {
        "storageVersions": [msgspec.to_builtins(each) for each in kept],
        "commonEncodingVersion": common,
        "conditions": with_(resource.status.conditions, told),
    }
