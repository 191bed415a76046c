"""What users do with Jobs, step by step. `sequences` adds these to its own.

Pods that run on until they are told otherwise are annotated so; which of several equal ones ends means nothing.
"""

from typing import Any

from tests.oracle.acts import Act, Body, Create, Kubectl, Patch, PatchSome, Sequence, Step
from tests.oracle.bodies import KWOK, template

INDEX = "batch.kubernetes.io/job-completion-index"
RUNS_ON = {f"{KWOK}/complete-delay": "1h"}
ENDS_BADLY = {f"{KWOK}/fail": "true"}
INDEXED: Body = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}


def step(name: str, *acts: Act, still: float = 3.0) -> Step:
    return Step(name, acts, still)


def job(annotations: dict[str, str] | None = None, restart: str = "Never", **spec: Any) -> Create:
    """A Job whose Pods end well at once, unless annotated."""
    pods = template(annotations=annotations, restartPolicy=restart)
    return Create("Job", {"metadata": {"name": "work"}, "spec": {"template": pods, **spec}})


def _spec(**fields: object) -> Patch:
    return Patch("Job", "work", {"spec": fields})


def _pods(body: Body, labels: str = "app=web", count: int = 1000) -> PatchSome:
    return PatchSome("Pod", labels, body, count)


def _succeed(labels: str = "app=web", count: int = 1000) -> PatchSome:
    return _pods({"metadata": {"annotations": {f"{KWOK}/complete-delay": "0s"}}}, labels, count)


def _fail(labels: str = "app=web", code: int = 1) -> PatchSome:
    annotations = {f"{KWOK}/complete-delay": "0s", f"{KWOK}/fail": "true", f"{KWOK}/exit-code": str(code)}
    return _pods({"metadata": {"annotations": annotations}}, labels)


def _rule(action: str, *codes: int) -> Body:
    return {"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": list(codes)}}]}


def _deletion(cascade: str) -> Sequence:
    delete = Kubectl(f"delete job work --cascade={cascade} --wait=false")
    return Sequence(
        f"job-deletion-{cascade}",
        (step("create", job(RUNS_ON, parallelism=2, completions=4)), step("delete", delete, still=5)),
    )


ENDS = (
    Sequence("job-runs", (step("create", job(completions=3, parallelism=2), still=4),)),
    Sequence(
        "job-queue",
        (
            step("create", job(RUNS_ON, parallelism=2)),
            step("one is done", _succeed(count=1)),
            step("all are done", _succeed()),
        ),
    ),
    Sequence("job-fails", (step("create", job(ENDS_BADLY, backoffLimit=0), still=4),)),
    Sequence("job-retries", (step("create", job(ENDS_BADLY, backoffLimit=1), still=14),)),
    Sequence(
        "job-deadline",
        (step("create", job(RUNS_ON, activeDeadlineSeconds=9), still=2), step("the deadline passes", still=12)),
    ),
    Sequence(
        "job-ttl",  # set after the end, so that the Pods have been seen
        (step("create", job()), step("no longer needed", _spec(ttlSecondsAfterFinished=1), still=5)),
    ),
    *map(_deletion, ("background", "foreground", "orphan")),
)

NUMBERS = (
    Sequence(
        "job-parallelism",
        (
            step("create", job(RUNS_ON, parallelism=2, completions=6)),
            step("up", _spec(parallelism=4)),
            step("one is done", _succeed(count=1)),
            step("down", _spec(parallelism=1)),
            step("none", _spec(parallelism=0)),
        ),
    ),
    Sequence(
        "job-suspended",
        (
            step("create", job(RUNS_ON, parallelism=2, completions=2, suspend=True)),
            step("resume", _spec(suspend=False)),
            step("suspend", _spec(suspend=True)),
            step("and on", _spec(suspend=False)),
            step("done", _succeed()),
        ),
    ),
    Sequence(
        "job-pod-deleted",
        (
            step("create", job(RUNS_ON)),
            step("delete", Kubectl("delete pods -l app=web --wait=false"), still=13),
        ),
    ),
    Sequence(
        "job-replacement",
        (
            step("create", job(RUNS_ON | {f"{KWOK}/termination-delay": "4s"}, podReplacementPolicy="Failed")),
            step("delete", Kubectl("delete pods -l app=web --grace-period=30 --wait=false"), still=20),
        ),
    ),
    Sequence(
        "job-adoption",
        (
            step("create", job(RUNS_ON, parallelism=2, completions=2)),
            step("orphaned", _pods({"metadata": {"ownerReferences": None}}, count=1)),
            step("released", _pods({"metadata": {"labels": {"batch.kubernetes.io/controller-uid": None}}})),
        ),
    ),
    Sequence("job-managed-elsewhere", (step("create", job(managedBy="example.com/queue")),)),
)

POLICIES = (
    Sequence("job-indexed", (step("create", job(RUNS_ON, **INDEXED)), step("done", _succeed()))),
    Sequence(
        "job-elastic",
        (
            step("create", job(RUNS_ON, **INDEXED)),
            step("down", _spec(completions=1, parallelism=1)),
            step("up", _spec(completions=2, parallelism=2)),
            step("done", _succeed()),
        ),
    ),
    Sequence(
        "job-index-fails",
        (
            step("create", job(RUNS_ON, backoffLimitPerIndex=0, **INDEXED)),
            step("one fails", _fail(f"{INDEX}=1")),
            step("others are done", _succeed(f"{INDEX}!=1")),
        ),
    ),
    Sequence(
        "job-failed-indexes",
        (
            step("create", job(RUNS_ON, backoffLimitPerIndex=0, maxFailedIndexes=0, **INDEXED)),
            step("one fails", _fail(f"{INDEX}=1"), still=4),
        ),
    ),
    Sequence(
        "job-success-policy",
        (
            step("create", job(RUNS_ON, successPolicy={"rules": [{"succeededIndexes": "0"}]}, **INDEXED)),
            step("the first is done", _succeed(f"{INDEX}=0"), still=4),
        ),
    ),
    Sequence(
        "job-exit-code",
        (
            step("create", job(RUNS_ON, podFailurePolicy=_rule("FailJob", 42), **INDEXED)),
            step("one fails", _fail(f"{INDEX}=1", 42), still=4),
        ),
    ),
    Sequence(
        "job-fail-index",
        (
            step("create", job(RUNS_ON, podFailurePolicy=_rule("FailIndex", 42), backoffLimitPerIndex=2, **INDEXED)),
            step("one fails", _fail(f"{INDEX}=1", 42)),
            step("others are done", _succeed(f"{INDEX}!=1")),
        ),
    ),
    Sequence(
        "job-ignored",
        (
            step("create", job(RUNS_ON, podFailurePolicy=_rule("Ignore", 7), backoffLimit=0)),
            step("it fails", _fail(code=7), still=14),
        ),
    ),
)

JOBS = (*ENDS, *NUMBERS, *POLICIES)
