"""storage-version-migrator-controller: every object of a resource is written once more, in the version of today.

Runs only by name, where the API server offers storagemigration.k8s.io/v1alpha1 (feature gate StorageVersionMigrator).
A write without a change stores the object anew if it was stored in another version, and is nothing otherwise. Answers
to pkg/controller/storageversionmigrator: its two controllers are one decision here.
"""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.gated import STORAGE_VERSION_MIGRATIONS, StorageVersionMigration
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.loop.controller import Right, controller, may
from understudy.operators.common.conditions import body as written
from understudy.operators.common.conditions import with_
from understudy.plan.steps import Decision, Get, List, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import conditions, timestamp

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
REASONS = {
    RUNNING: "StorageVersionMigrationInProgress",
    SUCCEEDED: "StorageVersionMigrationSucceeded",
    FAILED: "StorageVersionMigrationFailed",
}
MAY_COME = timedelta(minutes=1)
"""How long a resource that is not served is waited for: its definition may be as young as the migration."""
LOOK_AGAIN = 5.0


@controller(
    "storage-version-migrator-controller",
    of=STORAGE_VERSION_MIGRATIONS,
    rights=(
        may("patch", STORAGE_VERSION_MIGRATIONS, "status"),
        Right(("get", "list", "patch"), "*", "*"),
    ),
    upstream="pkg/controller/storageversionmigrator",
    discovers=True,
    by_default=False,
)
def decide(migration: StorageVersionMigration, view: View, now: datetime) -> Decision:
    """The objects a StorageVersionMigration names are stored in the current version."""
    if any(conditions.is_true(migration.status.conditions, each) for each in (SUCCEEDED, FAILED)):
        return
    kind = kind_of(migration, view)
    if kind is None:
        yield from _wait_or_give_up(migration, now)
        return
    migration = yield from _begin(migration, kind, now)
    failed = 0
    for obj in (yield List(kind, "", why="each of them is to be written")):
        failed += not (yield from _rewrite(kind, obj))
        if failed:
            break
    outcome, message = (FAILED, "migration encountered unhandled error") if failed else (SUCCEEDED, "")
    yield _tell(migration, outcome, message, now)


def kind_of(migration: StorageVersionMigration, view: View) -> Kind[Obj] | None:
    """The resource in the version that was named, metadata only; None if it is not served."""
    named = migration.spec.resource
    api = f"{named.group}/{named.version}" if named.group else named.version
    for each in view.resources:
        kind = each.kind
        if (kind.group, kind.plural) == (named.group, named.resource) and {"list", "patch"} <= each.verbs:
            return Kind(api, kind.plural, kind.kind, Obj, kind.namespaced, metadata_only=True)
    return None


def _wait_or_give_up(migration: StorageVersionMigration, now: datetime) -> Generator[Step, Any, None]:
    if timestamp.parse(migration.metadata.creationTimestamp or "") + MAY_COME > now:
        yield Requeue(LOOK_AGAIN, why="what is to be migrated is not served yet")
    else:
        yield _tell(migration, FAILED, "resource does not exist in discovery", now)


def _begin(
    migration: StorageVersionMigration, kind: Kind[Obj], now: datetime
) -> Generator[Step, Any, StorageVersionMigration]:
    """Note from which state on objects are of the new version, and that the work is under way."""
    if not migration.status.resourceVersion:
        listed = yield Get(
            kind, "", "", why="objects written after this need no migration", raw=True, query={"limit": "1"}
        )
        body = {"status": {"resourceVersion": listed["metadata"]["resourceVersion"]}}
        migration = yield Patch(STORAGE_VERSION_MIGRATIONS, migration, body, "it is known where to begin", "status")
    if not conditions.is_true(migration.status.conditions, RUNNING):
        migration = yield _tell(migration, RUNNING, "", now)
    return migration


def _rewrite(kind: Kind[Obj], obj: Obj) -> Generator[Step, Any, bool]:
    """Write an object as it is. Changed or gone meanwhile means that it needs no migration."""
    try:
        yield Patch(kind, obj, {}, why="what is stored becomes of the current version")
    except (Conflict, NotFound):
        return True
    except ApiError:
        return False
    return True


def _tell(migration: StorageVersionMigration, outcome: str, message: str, now: datetime) -> Patch:
    """The write of a new condition; with the outcome the work is no longer under way."""
    told = {
        "type": outcome,
        "status": "True",
        "lastUpdateTime": timestamp.format(now),
        "reason": REASONS[outcome],
        **({"message": message} if message else {}),
    }
    held = migration.status.conditions
    kept = [written(each) | ({"status": "False"} if each.type == RUNNING else {}) for each in held]
    listed = [*kept, told] if outcome != RUNNING else with_(held, told)
    body = {"status": {"conditions": listed}}
    return Patch(STORAGE_VERSION_MIGRATIONS, migration, body, why=f"it is now {outcome}", subresource="status")
