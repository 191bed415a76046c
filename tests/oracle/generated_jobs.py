"""What users do with Jobs, and with CronJobs that are suspended: what may come next.

Called by `generated`. Pods run on until told otherwise, and each is told once; no pod is deleted by hand, since what
then follows waits for a back-off.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tests.oracle.acts import Body, Create, Patch, PatchSome
from tests.oracle.bodies import KWOK
from tests.oracle.generated_moves import CASCADES, MOST_PODS, Move, deletion
from tests.oracle.sequences_cronjob import YEARLY, cron_job
from tests.oracle.sequences_job import INDEX, RUNS_ON, job


def _annotated(labels: str, count: int = 1000, **words: str) -> PatchSome:
    """What ends the pods of a Job, each once: those that ended get a label."""
    annotations = {f"{KWOK}/{word}": value for word, value in {"complete-delay": "0s", **words}.items()}
    body = {"metadata": {"annotations": annotations, "labels": {"ended": "yes"}}}
    return PatchSome("Pod", f"app=web,ended!=yes{labels}", body, count)


@dataclass(frozen=True, slots=True)
class Work:
    """A Job called work whose pods run on until told. `fragile`: nothing may fail."""

    completions: int
    parallelism: int
    indexed: bool = False
    fragile: bool = False
    suspended: bool = False
    done: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    there: bool = True
    pods: int = 0

    @property
    def waiting(self) -> list[int]:
        """Indexes that have not ended; of pods without, as many numbers."""
        return [each for each in range(self.completions) if each not in self.done | self.failed]

    @property
    def active(self) -> list[int]:
        return [] if self.suspended or self.over else self.waiting[: self.parallelism]

    @property
    def over(self) -> bool:
        return not self.waiting or bool(self.failed and not self.indexed)

    def created(self) -> Create:
        spec: Body = {"completions": self.completions, "parallelism": self.parallelism, "suspend": self.suspended}
        if self.indexed:
            spec |= {"completionMode": "Indexed"} | ({"backoffLimitPerIndex": 0} if self.fragile else {})
        elif self.fragile:
            spec |= {"backoffLimit": 0}
        return job(RUNS_ON, **spec)

    def offers(self) -> Iterator[list[Move]]:
        if self.there:
            for offer in (_suspend, _sized, _ends, _ends, _fails, _job_deleted):
                yield [each for each in offer(self) if isinstance(each.then, Work) and each.then.pods <= MOST_PODS]


def _worked(have: Work, **fields: object) -> Work:
    """With the pods that begin or are deleted because of it."""
    then = replace(have, **fields)  # type: ignore[arg-type]
    return replace(then, pods=have.pods + len({*then.active} ^ {*have.active}))


def _job_spec(**spec: object) -> Patch:
    return Patch("Job", "work", {"spec": spec})


def _suspend(have: Work) -> Iterator[Move]:
    if not have.over:
        said = "resume" if have.suspended else "suspend"
        then = _worked(have, suspended=not have.suspended)
        yield Move(said, (_job_spec(suspend=not have.suspended),), then, still=3.0)


def _sized(have: Work) -> Iterator[Move]:
    """Which of several indexes has to go at a lower parallelism is nobody's promise: all, or those past the end."""
    if have.over or (have.indexed and have.fragile):
        return
    for count in range(5):
        if have.indexed and count:
            then = _worked(
                have, completions=count, parallelism=count, done=frozenset(each for each in have.done if each < count)
            )
            yield Move(f"elastic to {count}", (_job_spec(completions=count, parallelism=count),), then, still=3.0)
        elif count != have.parallelism:
            then = _worked(have, parallelism=count)
            yield Move(f"parallelism {count}", (_job_spec(parallelism=count),), then, still=3.0)


def _ends(have: Work) -> Iterator[Move]:
    """Any one index, or as many as run: one after the other or all at once."""
    for position, index in enumerate(have.active):
        one = frozenset({index}) if have.indexed else frozenset(have.active[: position + 1])
        act = _annotated(f",{INDEX}={index}") if have.indexed else _annotated("", len(one))
        says = f"index {index} is done" if have.indexed else f"{len(one)} are done"
        yield Move(says, (act,), _worked(have, done=have.done | one), still=3.0)


def _fails(have: Work) -> Iterator[Move]:
    if not have.fragile:
        return
    for index in have.active if have.indexed else have.active[:1]:
        act = _annotated(f",{INDEX}={index}" if have.indexed else "", 1, fail="true")
        says = f"index {index} fails" if have.indexed else "one fails"
        yield Move(says, (act,), _worked(have, failed=have.failed | {index}), still=4.0)


def _job_deleted(have: Work) -> Iterator[Move]:
    if not have.done | have.failed:  # before that, in written ones
        return
    for cascade in CASCADES:
        yield Move(f"delete, {cascade}", deletion("job/work", cascade), replace(have, there=False), still=5.0)


SETTINGS: Mapping[str, tuple[object, ...]] = {
    "schedule": (YEARLY, "59 23 31 2 *", "@yearly"),
    "timeZone": ("Europe/Berlin", "Etc/UTC", None),
    "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
    "successfulJobsHistoryLimit": (0, 3),
    "failedJobsHistoryLimit": (0, 1),
    "startingDeadlineSeconds": (60, None),
}


@dataclass(frozen=True, slots=True)
class Clockwork:
    """A suspended CronJob: whatever is asked of it, nothing is to come of it."""

    there: bool = True

    def created(self) -> Create:
        return cron_job(suspend=True)

    def offers(self) -> Iterator[list[Move]]:
        if not self.there:
            yield [Move("create again", (self.created(),), Clockwork())]
            return
        for key, values in SETTINGS.items():
            yield [Move(f"{key} {value}", (Patch("CronJob", "web", {"spec": {key: value}}),), self) for value in values]
        gone = Clockwork(there=False)
        yield [Move(f"delete, {cascade}", deletion("cronjob/web", cascade), gone) for cascade in CASCADES]


def jobs() -> Iterator[Work]:
    """All that a sequence may begin with."""
    for suspended in (False, True):
        for fragile in (False, True):
            for count in range(1, 5):
                yield Work(count, count, True, fragile, suspended, pods=count)
                yield Work(5, count, False, fragile, suspended, pods=count)
