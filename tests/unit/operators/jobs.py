"""Jobs and their Pods as the server would send them; every test of the Job controller builds its world of these."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.unit.operators.decisions import make, owned_by, view_of
from understudy.kinds.batch import JOBS, Job
from understudy.kinds.core import PODS, Pod
from understudy.operators.job.facts import FINALIZER, INDEX
from understudy.state.view import View

UID = {"batch.kubernetes.io/controller-uid": "uid-work"}
INDEXED: Mapping[str, Any] = {"completionMode": "Indexed"}


def make_job(status: Mapping[str, Any] | None = None, restart: str = "Never", **parts: Any) -> Job:
    """A Job named work; `parts` of `ObjectMeta` go there, everything else is spec."""
    metadata = {name: parts.pop(name) for name in ("name", "uid", "deleting", "generation") if name in parts}
    spec = {
        "selector": {"matchLabels": UID},
        "template": {"metadata": {"labels": UID}, "spec": {"restartPolicy": restart, "containers": [{"name": "c"}]}},
        **parts,
    }
    return make(JOBS, metadata.pop("name", "work"), spec=spec, status=dict(status or {}), **metadata)


def make_job_pod(
    job: Job,
    name: str,
    phase: str = "Running",
    *,
    index: int | None = None,
    code: int | None = None,
    ended: str | None = None,
    ready: bool = False,
    tracked: bool = True,
    annotations: Mapping[str, str] | None = None,
    node: str = "node",
    **metadata: Any,
) -> Pod:
    """A Pod of the Job; with `code` or `ended` (a time) its container has ended."""
    state = {"terminated": {"exitCode": code or 0, "finishedAt": ended}} if ended or code is not None else {}
    condition = {"type": "Ready", "status": str(ready)}
    return make(
        PODS,
        name,
        labels=UID,
        owner=owned_by(job, JOBS),
        finalizers=[FINALIZER] if tracked else [],
        annotations={**({INDEX: str(index)} if index is not None else {}), **(annotations or {})},
        spec={"nodeName": node},
        status={
            "phase": phase,
            "conditions": [condition],
            "containerStatuses": [{"name": "c", "state": state}],
        },
        **metadata,
    )


def world(job: Job, pods: Iterable[Pod] = ()) -> View:
    """What a decision about this Job sees."""
    return view_of({JOBS: [job], PODS: list(pods)})
