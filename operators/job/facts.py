"""What a Job's object and one Pod of it tell by themselves.

Every file of this folder calls it. Answers to the small predicates of pkg/controller/job/job_controller.go and
indexed_job_utils.go, and to `getFinishedTime` in backoff_utils.go.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from understudy.kinds.batch import Job
from understudy.kinds.core import ContainerStatus, Pod
from understudy.operators.common.pods import ready_condition
from understudy.values import conditions, selector, timestamp
from understudy.values.selector import Selector

CONTROLLER_NAME = "kubernetes.io/job-controller"
"""What `spec.managedBy` says of Jobs that are ours."""
FINALIZER = "batch.kubernetes.io/job-tracking"
"""Holds a Pod until it is counted."""
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"

_INT32 = 2**31


# Jobs


def selector_of(job: Job) -> Selector | None:
    """Which Pods are its own; None if that cannot be read."""
    try:
        return selector.from_spec(job.spec.selector)
    except ValueError:
        return None


def is_managed(job: Job) -> bool:
    """Whether it is ours, and no other controller's by `spec.managedBy`."""
    return job.spec.managedBy in (None, CONTROLLER_NAME)


def is_finished(job: Job) -> bool:
    """Whether it is Complete or Failed, for good."""
    held = job.status.conditions
    return conditions.is_true(held, "Complete") or conditions.is_true(held, "Failed")


def is_indexed(job: Job) -> bool:
    """Whether each of its completions has a number."""
    return job.spec.completionMode == "Indexed"


def completions_of(job: Job) -> int:
    """The completions of an Indexed Job, which always has them."""
    return job.spec.completions or 0


def replaces_only_failed(job: Job) -> bool:
    """Whether a Pod that is being deleted keeps its place until it has ended."""
    return job.spec.podReplacementPolicy == "Failed" or job.spec.podFailurePolicy is not None


# Pods


def is_tracked(pod: Pod) -> bool:
    """Whether it has the finalizer, and so is not done with."""
    return FINALIZER in pod.metadata.finalizers


def has_failed(pod: Pod, job: Job) -> bool:
    """Whether it counts as failed: also on its way out, unless only ended Pods are replaced."""
    phase = pod.status.phase
    if phase == "Failed":
        return True
    return pod.deleting and phase != "Succeeded" and not replaces_only_failed(job)


def index_of(pod: Pod) -> int | None:
    """Its completion index; None if it has none that can be read."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() and text.isascii() else None


def has_index(pod: Pod, completions: int) -> bool:
    """Whether it has an index, one of those the Job still has."""
    index = index_of(pod)
    return index is not None and index < completions


def failures_of(pod: Pod) -> int:
    """How often its index had failed before it, failures that do not count left out."""
    return _number(pod, FAILURES)


def ignored_failures_of(pod: Pod) -> int:
    """How often its index had failed before it in ways that do not count."""
    return _number(pod, IGNORED_FAILURES)


def finished_at(pod: Pod) -> datetime:
    """When it ended: told by its containers, else by its condition Ready, its deletion, its creation."""
    from_containers = _last_end(pod)
    if from_containers is not None:
        return from_containers
    ready = ready_condition(pod)
    if ready is not None and ready.status == "False" and ready.lastTransitionTime:
        return timestamp.parse(ready.lastTransitionTime)
    deleted = pod.metadata.deletionTimestamp
    if deleted is not None:
        return timestamp.parse(deleted) - timedelta(seconds=pod.metadata.deletionGracePeriodSeconds or 0)
    return timestamp.parse(pod.metadata.creationTimestamp or "1970-01-01T00:00:00Z")


def _last_end(pod: Pod) -> datetime | None:
    """The end of the last container or sidecar; None if it has not come, or nobody tells of one."""
    last = _latest(None, pod.status.containerStatuses)
    sidecars = {each.name for each in pod.spec.initContainers if each.restartPolicy == "Always"}
    return _latest(last, (each for each in pod.status.initContainerStatuses if each.name in sidecars))


def _latest(last: datetime | None, statuses: Iterable[ContainerStatus]) -> datetime | None:
    for each in statuses:
        terminated = each.state.terminated
        if terminated is None or not terminated.finishedAt:
            return None
        moment = timestamp.parse(terminated.finishedAt)
        last = moment if last is None else max(last, moment)
    return last


def _number(pod: Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    value = int(text) if text.isdecimal() and text.isascii() else 0
    return value if value < _INT32 else 0
