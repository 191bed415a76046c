"""The revision of the current template and those of earlier ones: created, numbered, told apart, forgotten.

Called by `decide` before anything is placed, since new pods are labelled with the revision's hash. Answers to
`constructHistory`, `snapshot`, `dedupCurHistories` and `cleanupHistory` in pkg/controller/daemon/update.go.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple

from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS, ControllerRevision, DaemonSet
from understudy.kinds.core import PODS
from understudy.operators.common import history
from understudy.operators.common.adoption import claim
from understudy.operators.common.history import REVISION_LABEL
from understudy.plan.steps import Delete, Patch, Step
from understudy.state.view import View
from understudy.values import gojson
from understudy.values.selector import Selector


class Revisions(NamedTuple):
    """`ds` as it is now (a collision is counted in its status), the hash new pods are labelled with, and the rest."""

    ds: DaemonSet
    hash: str
    old: list[ControllerRevision]


def sync(ds: DaemonSet, selector: Selector, view: View) -> Generator[Step, Any, Revisions]:
    """Bring the history in order: one revision for the current template, with the highest number."""
    found = yield from claim(ds, DAEMON_SETS, selector, CONTROLLER_REVISIONS, view)
    every = yield from _labelled(found)
    data = history.patch_of(ds.spec.template)
    current = history.with_data(every, data)
    old = [each for each in every if each not in current]
    number = history.next_number(old)
    if not current:
        ds, revision = yield from _snapshot(ds, data, number)
        return Revisions(ds, revision.metadata.labels[REVISION_LABEL], old)
    revision = yield from _one_of(ds, current, view)
    if revision.number < number:
        why = f"the template of revision {revision.number} is current again"
        yield Patch(CONTROLLER_REVISIONS, revision, {"revision": number}, why=why)
    return Revisions(ds, revision.metadata.labels[REVISION_LABEL], old)


def forget(revisions: Revisions, view: View) -> Generator[Step, Any, None]:
    """Delete the oldest revisions beyond the limit, but for those that pods still have."""
    limit, old = revisions.ds.spec.revisionHistoryLimit, revisions.old
    if limit is None or len(old) <= limit:
        return
    live = {pod.metadata.labels.get(REVISION_LABEL) for pod in view.controlled(PODS, revisions.ds)}
    idle = [each for each in old if each.metadata.labels.get(REVISION_LABEL) not in live]
    yield from history.forget(idle, len(old) - limit, f"{limit} old revisions are kept")


def _labelled(revisions: Iterable[ControllerRevision]) -> Generator[Step, Any, list[ControllerRevision]]:
    """All of them with a hash label; one that somebody else made is labelled with its name, which is unique."""
    every: list[ControllerRevision] = []
    for each in revisions:
        if REVISION_LABEL not in each.metadata.labels:
            body = {"metadata": {"labels": {REVISION_LABEL: each.name}}}
            each = yield Patch(CONTROLLER_REVISIONS, each, body, why="pods are told apart by this label")
        every.append(each)
    return every


def _snapshot(
    ds: DaemonSet, data: dict[str, Any], number: int
) -> Generator[Step, Any, tuple[DaemonSet, ControllerRevision]]:
    """Create the revision of the current template. A name that is taken by another raises the collision count."""
    raw = gojson.encode(data)
    template = (ds.spec.template.get("metadata") or {}).get("labels") or {}
    while True:
        collisions = ds.status.collisionCount
        hash_ = history.hash_of(raw, collisions)
        name = history.name_of(ds.name, hash_)
        body = history.body(ds, DAEMON_SETS, name, raw, number, {**template, REVISION_LABEL: hash_})
        revision = yield from history.create(ds, body, data)
        if revision is not None:
            return ds, revision
        status = {"collisionCount": (collisions or 0) + 1}
        ds = yield Patch(DAEMON_SETS, ds, {"status": status}, why=f"{name} is another revision", subresource="status")


def _one_of(
    ds: DaemonSet, current: Sequence[ControllerRevision], view: View
) -> Generator[Step, Any, ControllerRevision]:
    """The one revision to keep of several with the same template: the newest. Pods of the others become its own."""
    *doubles, kept = history.by_revision(current)
    if not doubles:
        return kept
    hash_ = kept.metadata.labels[REVISION_LABEL]
    others = {each.metadata.labels[REVISION_LABEL] for each in doubles} - {hash_}
    for pod in view.controlled(PODS, ds):
        if pod.metadata.labels.get(REVISION_LABEL) in others:
            body = {"metadata": {"labels": {REVISION_LABEL: hash_}}}
            yield Patch(PODS, pod, body, why="its revision is there twice", guard="uid")
    for each in doubles:
        yield Delete(CONTROLLER_REVISIONS, each, why=f"the same as revision {kept.number}")
    return kept
