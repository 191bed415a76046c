"""Pods that still have a Job's finalizer and no Job that would take it off: without this they could never go.

Their Job is gone, or finished, or had the same name and another uid; or they are nobody's. Called by `decide` and, for
Jobs that are gone, by `gone`. Answers to `syncOrphanPod` and `handleSingleOrphanPod` in
pkg/controller/job/job_controller.go.
"""

from collections.abc import Generator, Iterable
from typing import Any

from understudy.errors import NotFound, PartlyDone
from understudy.kinds.batch import JOBS
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key, controller_of, is_controlled_by
from understudy.operators.job.facts import is_finished, is_managed, is_tracked
from understudy.operators.job.scaling import drop_finalizer
from understudy.plan.steps import Step, Together
from understudy.state.store import Index
from understudy.state.view import View


def _job_key(pod: Pod) -> tuple[str, ...]:
    reference = controller_of(pod) if is_tracked(pod) else None
    if reference is None or (reference.kind, reference.apiVersion) != (JOBS.kind, JOBS.api):
        return ()
    return (str(Key(pod.namespace, reference.name)),)


TRACKED: Index[Pod] = Index("tracked by job", _job_key)
"""Pods with the finalizer, by namespace and name of the Job that controls them."""


def own_key(pod: Pod, _: View) -> Iterable[Key]:
    """A Pod with the finalizer that nobody controls is looked after by its own key."""
    return (pod.key,) if is_tracked(pod) and controller_of(pod) is None else ()


def free(key: Key, view: View) -> Generator[Step, Any, None]:
    """Let the strays go that belonged to the Job of that name, and the Pod of that name if nobody controls it."""
    named = view.get(PODS, *key)
    nobodys = [named] if named is not None and is_tracked(named) and controller_of(named) is None else []
    pods = nobodys + _strays(key, view)
    if not pods:
        return
    try:
        yield Together([drop_finalizer(pod, "no Job will count it") for pod in pods])
    except PartlyDone as partly:
        if not isinstance(partly.cause, NotFound):
            raise


def _strays(key: Key, view: View) -> list[Pod]:
    job, pods = view.get(JOBS, *key), view.by(PODS, TRACKED, str(key))
    if job is None or (is_managed(job) and is_finished(job)):
        return pods
    return [pod for pod in pods if not is_controlled_by(pod, job)]
