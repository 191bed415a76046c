"""The StatefulSet controller: numbered pods, each with a name and claims of its own, in order or all at once.

Run by `loop.runner` like every controller. This file holds the order of things; each policy has a file of its own:
`replicas` (the wanted pods), `scaling` (those beyond), `rolling` (the update), `revisions`, `status`; under them `pods`
and `claims` (what is written), `retention` (who owns a claim), `identity`. Answers to pkg/controller/statefulset, above
all to `updateStatefulSet` in stateful_set_control.go.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import ApiError, PartlyDone
from understudy.kinds.apps import CONTROLLER_REVISIONS, STATEFUL_SETS, StatefulSet
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS
from understudy.loop.controller import On, controller, may, owned
from understudy.operators.common.adoption import adopters, claim
from understudy.operators.common.pods import until_available
from understudy.operators.statefulset.claims import is_gone, sets_of
from understudy.operators.statefulset.identity import ordinal_of
from understudy.operators.statefulset.replicas import keep_in_order, keep_together
from understudy.operators.statefulset.revisions import Revisions, forget_unused, revisions_of
from understudy.operators.statefulset.rolling import roll
from understudy.operators.statefulset.round import Round
from understudy.operators.statefulset.scaling import scale_down
from understudy.operators.statefulset.status import report, status_of
from understudy.plan.steps import Decision, Requeue, Step
from understudy.state.view import View
from understudy.values import selector as selectors
from understudy.values.selector import Selector


def selector_of(ss: StatefulSet) -> Selector | None:
    """Which pods and revisions are its own; None if its selector cannot be read, and then nothing is done about it."""
    try:
        return selectors.from_spec(ss.spec.selector)
    except ValueError:
        return None


@controller(
    "statefulset-controller",
    of=STATEFUL_SETS,
    watches=(
        owned(PODS, STATEFUL_SETS),
        adopters(PODS, STATEFUL_SETS, selector_of),
        On(PERSISTENT_VOLUME_CLAIMS, sets_of, when=is_gone),
    ),
    reads=(CONTROLLER_REVISIONS,),
    rights=(
        may("create delete patch", PODS),
        may("create patch", PERSISTENT_VOLUME_CLAIMS),
        may("create delete get patch", CONTROLLER_REVISIONS),
        may("get", STATEFUL_SETS),
        may("patch", STATEFUL_SETS, "status"),
        may("update", STATEFUL_SETS, "finalizers"),  # asked for by admission when pods block the owner's deletion
        may("update", PODS, "finalizers"),  # the same when claims block a pod's
    ),
    source="statefulset-controller",
    upstream="pkg/controller/statefulset",
    workers=5,
)
def decide(ss: StatefulSet, view: View, now: datetime) -> Decision:
    """Keeps numbered pods running, each with its own name and claims, and updates them from the highest down."""
    selector = selector_of(ss)
    if selector is None:
        return
    if ss.deleting:
        yield from _watch_it_end(ss, view, now)
        return
    revisions = yield from revisions_of(ss, selector, view)
    yield from claim(ss, STATEFUL_SETS, selector, PODS, view, belongs=lambda pod: ordinal_of(ss, pod) is not None)
    round_ = Round(ss, view, now, revisions.current, revisions.update)
    error: ApiError | PartlyDone | None = None
    try:
        yield from _act(round_)
    except (ApiError, PartlyDone) as met:
        error = met
    yield from _settle(round_, revisions)
    if error is not None:
        raise error


def _act(round_: Round) -> Generator[Step, Any, None]:
    """What is to be done first: the wanted pods, then those beyond, then the update."""
    keep = keep_in_order if round_.in_order else keep_together
    if not (yield from keep(round_)):
        return
    if not (yield from scale_down(round_)):
        return
    yield from roll(round_)


def _settle(round_: Round, revisions: Revisions) -> Generator[Step, Any, None]:
    """Tell how it is now, forget what is not needed any more, and look again when the next pod becomes available."""
    round_.refresh()
    ss, pods, now = round_.ss, round_.pods.values(), round_.now
    status = status_of(ss, pods, round_.current.name, round_.update.name, revisions.collisions, now)
    yield from report(ss, status)
    yield from forget_unused(ss, revisions, pods)
    wait = until_available(pods, ss.spec.minReadySeconds, now)
    if wait is not None:
        yield Requeue(wait, why="the next pod becomes available")


def _watch_it_end(ss: StatefulSet, view: View, now: datetime) -> Generator[Step, Any, None]:
    """A set on its way out creates and deletes nothing, but it tells how many pods are left."""
    pods = [pod for pod in view.controlled(PODS, ss) if ordinal_of(ss, pod) is not None]
    held = ss.status
    yield from report(ss, status_of(ss, pods, held.currentRevision, held.updateRevision, held.collisionCount or 0, now))
