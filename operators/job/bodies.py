"""The Pods a Job creates: its template, the finalizer, and for Indexed Jobs what tells a Pod its index.

`scaling` calls this. Answers to the end of `manageJob` in pkg/controller/job/job_controller.go and to the annotations,
labels and variables of indexed_job_utils.go.
"""

from collections.abc import Iterable
from typing import Any

from understudy.kinds.batch import JOBS, Job
from understudy.kinds.core import Pod
from understudy.operators.common.pods import pod_from_template
from understudy.operators.job import failure
from understudy.operators.job.facts import (
    FAILURES,
    FINALIZER,
    IGNORED_FAILURES,
    INDEX,
    failures_of,
    ignored_failures_of,
)

VARIABLE = "JOB_COMPLETION_INDEX"
LONGEST_PREFIX = 58
"""What the server leaves of a name for its random end."""

Body = dict[str, Any]


def pod_of(job: Job) -> Body:
    """The body every Pod of the Job begins with; of a Job that is not Indexed it is all."""
    body = pod_from_template(job.spec.template, job, JOBS)
    finalizers = body["metadata"].get("finalizers") or []
    if FINALIZER not in finalizers:
        body["metadata"]["finalizers"] = [*finalizers, FINALIZER]
    return body


def indexed_pod_of(job: Job) -> Body:
    """The same, with the variable in every container that does not set it itself."""
    body = pod_of(job)
    spec = dict(body["spec"])
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = list(_with_variable(spec[kind]))
    return body | {"spec": spec}


def numbered(body: Body, job: Job, index: int, replaced: Pod | None) -> Body:
    """An `indexed_pod_of` with its index; where failures are limited by index, with those of the Pod it replaces."""
    metadata = body["metadata"]
    annotations = {**metadata.get("annotations", {}), INDEX: str(index)}
    if job.spec.backoffLimitPerIndex is not None:
        annotations |= _failures(job, replaced)
    own = {
        "generateName": _prefix(job.name, index),
        "annotations": annotations,
        "labels": {**metadata.get("labels", {}), INDEX: str(index)},
    }
    return body | {"metadata": metadata | own, "spec": body["spec"] | {"hostname": f"{job.name}-{index}"}}


def _with_variable(containers: Iterable[Body]) -> Iterable[Body]:
    variable = {"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}}
    for each in containers:
        env = each.get("env") or []
        present = any(held.get("name") == VARIABLE for held in env)
        yield each if present else {**each, "env": [*env, variable]}


def _failures(job: Job, replaced: Pod | None) -> dict[str, str]:
    if replaced is None:
        return {FAILURES: "0"}
    counts = failure.judge(job, replaced).counts
    counted, ignored = failures_of(replaced) + counts, ignored_failures_of(replaced) + (not counts)
    return {FAILURES: str(counted)} | ({IGNORED_FAILURES: str(ignored)} if ignored else {})


def _prefix(name: str, index: int) -> str:
    end = f"-{index}-"
    return name[: LONGEST_PREFIX - len(end)] + end
