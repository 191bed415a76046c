"""The two revisions a StatefulSet is between, and those it no longer needs.

Called by `decide`. What a revision holds and how it is named is in `common.history`. Answers to
`getStatefulSetRevisions`, `setMatchesLatestExistingRevision` and `truncateHistory` in
pkg/controller/statefulset/stateful_set_control.go.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from understudy.kinds.apps import CONTROLLER_REVISIONS, STATEFUL_SETS, ControllerRevision, StatefulSet
from understudy.kinds.core import Pod
from understudy.operators.common import history
from understudy.operators.common.adoption import claim
from understudy.operators.statefulset.identity import revision_of
from understudy.plan.steps import Patch, Step
from understudy.state.view import View
from understudy.values.hashes import equal_ignoring_hash
from understudy.values.selector import Selector


@dataclass(frozen=True, slots=True)
class Revisions:
    """`every` in their order, as they were; `update` may be newer than all of them."""

    every: Sequence[ControllerRevision]
    current: ControllerRevision
    update: ControllerRevision
    collisions: int


def revisions_of(ss: StatefulSet, selector: Selector, view: View) -> Generator[Step, Any, Revisions]:
    """Adopt what is orphaned, find the revision of the template or make it, and the one that was complete last."""
    known = chain(view.controlled(CONTROLLER_REVISIONS, ss), view.orphans(CONTROLLER_REVISIONS, ss.namespace))
    matching = [each for each in known if selector.matches(each.metadata.labels)]
    every = history.by_revision((yield from claim(ss, STATEFUL_SETS, selector, CONTROLLER_REVISIONS, view, matching)))
    update, collisions = yield from _wanted(ss, every)
    current = next((each for each in every if each.name == ss.status.currentRevision), update)
    return Revisions(every, current, update, collisions)


def forget_unused(ss: StatefulSet, revisions: Revisions, pods: Iterable[Pod]) -> Generator[Step, Any, None]:
    """Delete the oldest revisions beyond the limit that no pod is of."""
    limit = ss.spec.revisionHistoryLimit
    if limit is None or len(revisions.every) <= limit:
        return
    live = {revisions.current.name, revisions.update.name, *map(revision_of, pods)}
    idle = [each for each in revisions.every if each.name not in live]
    yield from history.forget(idle, len(idle) - limit, f"{limit} old revisions are kept")


def _wanted(
    ss: StatefulSet, every: Sequence[ControllerRevision]
) -> Generator[Step, Any, tuple[ControllerRevision, int]]:
    """The revision of the template: the newest, an older one that becomes the newest again, or a new one."""
    data, collisions = history.patch_of(ss.spec.template), ss.status.collisionCount or 0
    equal = history.with_data(every, data)
    if equal and equal[-1] is every[-1]:
        return equal[-1], collisions
    number = history.next_number(every)
    if equal:
        why = f"the template of revision {equal[-1].number} is wanted again"
        return (yield Patch(CONTROLLER_REVISIONS, equal[-1], {"revision": number}, why=why)), collisions
    if every and equal_ignoring_hash(history.template_of(every[-1]), ss.spec.template):
        return every[-1], collisions
    labels = (ss.spec.template.get("metadata") or {}).get("labels") or {}
    return (yield from history.record(ss, STATEFUL_SETS, data, number, labels, collisions))
