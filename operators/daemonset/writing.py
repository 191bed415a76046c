"""Carries a plan out: events, deletes, creates, at most 250 of each at a time.

Called by `decide` for the plans of `placing` and `rolling`. Answers to `syncNodes` in
pkg/controller/daemon/daemon_controller.go and to `RealPodControl` in pkg/controller/controller_utils.go.
"""

from collections.abc import Generator, Sequence
from typing import Any

from understudy.errors import Forbidden, PartlyDone
from understudy.kinds.apps import DAEMON_SETS
from understudy.kinds.core import PODS, Pod
from understudy.operators.daemonset.daemons import Daemons, Plan
from understudy.operators.daemonset.pods import Bodies
from understudy.plan.steps import Create, Delete, Event, Step, Together

BURST = 250
"""Pods created or deleted by one plan at most; the rest follows with the next decision."""


def carry_out(daemons: Daemons, plan: Plan) -> Generator[Step, Any, None]:
    """Delete and create what the plan says. Raises PartlyDone, after both were tried."""
    for message in plan.warnings:
        yield Event(DAEMON_SETS, daemons.ds, "FailedDaemonPod", message, type="Warning")
    for message in plan.notes:
        yield Event(DAEMON_SETS, daemons.ds, "SucceededDaemonPod", message)
    errors: list[PartlyDone] = []
    if plan.delete:
        yield from _delete(daemons, plan.delete[:BURST], errors)
    if plan.create:
        yield from _create(daemons, plan.create[:BURST], errors)
    if plan.delete or plan.create:
        daemons.look_again()
    if errors:
        raise errors[0]


def _delete(daemons: Daemons, victims: Sequence[Pod], errors: list[PartlyDone]) -> Generator[Step, Any, None]:
    ds = daemons.ds
    error: PartlyDone | None = None
    try:
        yield Together([Delete(PODS, pod, why=f"out of place on {pod.spec.nodeName or 'no node'}") for pod in victims])
    except PartlyDone as partly:
        error = partly
    for pod in victims:
        if error is None or _is_gone(daemons, pod):
            yield Event(DAEMON_SETS, ds, "SuccessfulDelete", f"Deleted pod: {pod.name}")
    if error is not None:
        yield Event(DAEMON_SETS, ds, "FailedDelete", f"Error deleting: {error.cause}", type="Warning")
        errors.append(error)


def _is_gone(daemons: Daemons, pod: Pod) -> bool:
    now = daemons.view.get(PODS, pod.namespace, pod.name)
    return now is None or now.uid != pod.uid or now.deleting


def _create(daemons: Daemons, nodes: Sequence[str], errors: list[PartlyDone]) -> Generator[Step, Any, None]:
    ds, bodies = daemons.ds, Bodies(daemons.ds, daemons.hash)
    error: PartlyDone | None = None
    creates = [
        Create(PODS, ds.namespace, bodies.on(node, daemons.failures.get(node, 0)), why=f"for {node}") for node in nodes
    ]
    try:
        created: Sequence[Pod] = yield Together(creates, slow_start=True)
    except PartlyDone as partly:
        created, error = partly.done, partly
    for pod in created:
        yield Event(DAEMON_SETS, ds, "SuccessfulCreate", f"Created pod: {pod.name}")
    if error is None or (isinstance(error.cause, Forbidden) and error.cause.namespace_terminating):
        return  # in a namespace that is going away nothing can be created, and nothing needs to be
    yield Event(DAEMON_SETS, ds, "FailedCreate", f"Error creating: {error.cause}", type="Warning")
    errors.append(error)
