"""The DaemonSet controller: one pod of a template on every node that wants one.

Run by `loop.runner` like every controller. This file holds the order of things; each policy has a file of its own:
`eligibility` (which nodes), `placing` (what is missing or out of place), `rolling` (the update), `revisions` (the
history), `backoff` (failed pods), `pods` (their bodies), `writing`, `status`, `wakes`. Answers to
pkg/controller/daemon, above all to `syncDaemonSet` in daemon_controller.go.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import ApiError, PartlyDone
from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS, DaemonSet
from understudy.kinds.core import PODS
from understudy.loop.controller import controller, may, owned
from understudy.operators.common.adoption import adopters, claim
from understudy.operators.daemonset import placing, revisions, rolling
from understudy.operators.daemonset.daemons import Daemons
from understudy.operators.daemonset.revisions import Revisions
from understudy.operators.daemonset.status import report
from understudy.operators.daemonset.wakes import NODE_CHANGES, REVISIONS, selector_of
from understudy.operators.daemonset.writing import carry_out
from understudy.plan.steps import Decision, Event, Requeue, Step
from understudy.state.view import View

SELECTING_ALL = "This daemon set is selecting all pods. A non-empty selector is required."


@controller(
    "daemonset-controller",
    of=DAEMON_SETS,
    watches=(
        owned(PODS, DAEMON_SETS),
        adopters(PODS, DAEMON_SETS, selector_of),
        REVISIONS,
        adopters(CONTROLLER_REVISIONS, DAEMON_SETS, selector_of),
        NODE_CHANGES,
    ),
    rights=(
        may("create delete patch", PODS),
        may("get create delete patch", CONTROLLER_REVISIONS),
        may("get", DAEMON_SETS),
        may("patch", DAEMON_SETS, "status"),
        may("update", DAEMON_SETS, "finalizers"),  # asked for by admission when pods block the owner's deletion
    ),
    source="daemonset-controller",
    upstream="pkg/controller/daemon",
    workers=2,
)
def decide(ds: DaemonSet, view: View, now: datetime) -> Decision:
    """One pod on every node that its template fits, all of the newest template in the end."""
    selector = selector_of(ds)
    if selector is None:
        return
    if selector.is_everything():
        yield Event(DAEMON_SETS, ds, "SelectingAll", SELECTING_ALL, type="Warning")
        return
    if ds.deleting:
        return  # its history may be gone already, so nothing true can be said about its pods
    known = yield from revisions.sync(ds, selector, view)
    daemons = Daemons(known.ds, selector, known.hash, view, now)
    daemons.take((yield from claim(known.ds, DAEMON_SETS, selector, PODS, view)))
    yield from _keep(daemons, known)


def _keep(daemons: Daemons, known: Revisions) -> Generator[Step, Any, None]:
    """Place, update, tell the status whatever came of it; raises what the writes met."""
    failure: ApiError | PartlyDone | None = None
    rested: float | None = None
    try:
        rested = yield from _act(daemons, known)
    except (ApiError, PartlyDone) as error:
        failure = error
    available = yield from report(daemons)
    if failure is not None:
        raise failure
    if rested is not None:
        yield Requeue(rested, why="a failed pod has rested long enough")
    if available is not None:
        yield Requeue(available, why="the next pod becomes available")


def _act(daemons: Daemons, known: Revisions) -> Generator[Step, Any, float | None]:
    """Answers the seconds until a failed pod may be replaced."""
    placed = placing.plan(daemons)
    yield from carry_out(daemons, placed)
    if daemons.ds.spec.updateStrategy.type == "RollingUpdate":
        yield from carry_out(daemons, rolling.plan(daemons))
    yield from revisions.forget(known, daemons.view)
    return placed.wait
