"""A small world in virtual time in which a Job lives through bad weather, and the judge of its promises.

`test_job_storms` draws a `History` and hands it to `play`. The world is an in-memory API server, a kubelet, a binder
and a process with the Job controller, which may be killed and started again at any change it makes.
"""

import asyncio
import itertools
import random
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import msgspec

from tests.scenarios.stage import NODES
from tests.scenarios.storms import lived
from understudy.api.client import MERGE, Client
from understudy.loop.controller import REGISTRY
from understudy.loop.run import Manager
from understudy.operators import job as _job  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change
from understudy.testing.faults import Faults
from understudy.testing.kubelet import Binder, Kubelet

Json = dict[str, Any]
NAME = "work"
PATH = f"/apis/batch/v1/namespaces/default/jobs/{NAME}"
FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
DEADLINE = 3000.0
"""Seconds in which a Job must come to its end: a few failures in a row, and the longest pauses of queues."""


@dataclass(frozen=True)
class History:
    """`failing` of a hundred Pods fail; `rate` is the share of requests that go wrong, `event_rate` of watch events.

    The process dies at each of the changes numbered in `crashes`, counted from the last one; `taken` says which changes
    of Pods make a user delete the Pod; `edits` are changes of the spec, each some seconds after the one before. In the
    end the Job is not suspended.
    """

    spec: Json = field(default_factory=dict)
    seed: int = 0
    failing: int = 0
    rate: float = 0.0
    event_rate: float = 0.0
    crashes: tuple[int, ...] = ()
    taken: tuple[int, ...] = ()
    edits: tuple[tuple[float, Json], ...] = ()


def a_job(name: str = NAME, restart: str = "Never", **spec: Any) -> Json:
    template = {"spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "app"}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def play(history: History) -> "Judge":
    """Live through it, then calm down; answers the judge of it all."""
    return lived(_play(history))


async def _play(history: History) -> "Judge":
    api = FakeApi(seed=history.seed)
    judge = Judge(api)
    with ExitStack() as stack:
        stack.enter_context(Binder(api, NODES))
        stack.enter_context(_kubelet(api, history))
        stack.callback(_thief(api, history))
        api.apply(a_job(**history.spec))
        user = asyncio.create_task(_edit(api, history))
        await _run(api, history)
        await user
    return judge


async def _run(api: FakeApi, history: History) -> None:
    """One life of the process after the other; the last one in good weather."""
    for number, step in enumerate(history.crashes):
        process = Process(api, history, number)
        await _change(api, step)
        await process.die()
    last = Process(api, history, len(history.crashes))
    await asyncio.sleep(100.0)
    last.faults.calm()
    await asyncio.sleep(DEADLINE)
    await last.die()


async def _edit(api: FakeApi, history: History) -> None:
    """A user who changes her mind."""
    for pause, spec in (*history.edits, (50.0, {"suspend": False, "parallelism": 2})):
        await asyncio.sleep(pause)
        body = msgspec.json.encode({"spec": spec})
        if history.edits:
            assert api.handle("PATCH", PATH, body, content_type=MERGE, user="user").status == 200


def _kubelet(api: FakeApi, history: History) -> Kubelet:
    def lot(pod: Json, word: str) -> int:
        return crc32(f"{history.seed} {word} {pod['metadata']['name']}".encode()) % 100

    return Kubelet(
        api,
        stop_after=1.0,
        complete_after=lambda pod: lot(pod, "time") / 20,
        exit_code=lambda pod: int(lot(pod, "code") < history.failing),
    )


def _thief(api: FakeApi, history: History) -> Callable[[], None]:
    """Somebody who deletes Pods that are on a node (others would need the Pod garbage collector to end)."""
    numbers = itertools.count()

    def steal(change: Change) -> None:
        if change.type != "DELETED" and change.obj["spec"].get("nodeName") and next(numbers) in history.taken:
            asyncio.get_running_loop().call_soon(take, change.obj["metadata"]["name"])

    def take(name: str) -> None:
        if api.get("pods", name):
            api.delete("pods", name)

    return api.on_change("pods", steal)


async def _change(api: FakeApi, number: int) -> None:
    """Return with the change of that number from now on, or when nothing changes any more."""
    enough, left = asyncio.Event(), [number]

    def count(_: Change) -> None:
        left[0] -= 1
        if left[0] < 0:
            enough.set()

    ends = [api.on_change(kind, count) for kind in ("pods", "jobs.batch")]
    with suppress(TimeoutError):
        async with asyncio.timeout(300):
            await enough.wait()
    for end in ends:
        end()


class Process:
    """The controller with a connection of its own."""

    def __init__(self, api: FakeApi, history: History, number: int) -> None:
        seed = history.seed + number
        self.faults = Faults(seed, rate=history.rate, event_rate=history.event_rate)
        self._client = Client(api.transport(f"process-{number}", self.faults))
        controllers = (REGISTRY["job-controller"],)
        self._manager = Manager(self._client, controllers, clock=loop_clock, rng=random.Random(seed))
        self._work = asyncio.create_task(self._run())

    async def die(self) -> None:
        """As on SIGKILL: connections break first, so nothing can be told any more."""
        await self._client.close()
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work
        await self._manager.stop()

    async def _run(self) -> None:
        await self._manager.start()
        await self._manager.lead()
        await asyncio.Event().wait()


class Judge:
    """`broken`: the promises that were broken, each with the moment and the numbers.

    What counts is how a Pod was when its finalizer went: ended well, ended badly, or dropped as one too many.
    """

    def __init__(self, api: FakeApi) -> None:
        self.broken: list[str] = []
        self.succeeded: dict[str, int] = {}
        self.failed: set[str] = set()
        self.dropped: set[str] = set()
        self.created = 0
        self._api = api
        api.on_change("jobs.batch", self._job_changed)
        api.on_change("pods", self._pod_changed)

    @property
    def job(self) -> Json:
        found = self._api.get("jobs.batch", NAME)
        assert found is not None
        return found

    @property
    def pods(self) -> list[Json]:
        return self._api.objects("pods")

    def problems(self) -> list[str]:
        """What was not as it should be on the way, and what is not at the end; empty if all is well."""
        found, status = list(self.broken), self.job["status"]
        indexed = self.job["spec"]["completionMode"] == "Indexed"
        well = len(set(self.succeeded.values())) if indexed else len(self.succeeded)
        if not is_over(self.job):
            found.append(f"not over: {status}")
        if status.get("succeeded", 0) != well:
            found.append(f"{well} succeeded, the status says {status}")
        if status.get("failed", 0) != len(self.failed):
            found.append(f"{len(self.failed)} failed, the status says {status}")
        held = [pod["metadata"]["name"] for pod in self.pods if FINALIZER in pod["metadata"].get("finalizers", ())]
        return found + [f"{name} is still held" for name in held]

    def _pod_changed(self, change: Change) -> None:
        old, uid = change.old, change.obj["metadata"]["uid"]
        if old is None:
            self.created += 1
            self._check(not is_over(self.job), "a Pod of a Job that is over")
            return
        held = [FINALIZER in each["metadata"].get("finalizers", ()) for each in (old, change.obj)]
        if held == [True, False] or (change.type == "DELETED" and held[0]):
            self._let_go(uid, old)

    def _let_go(self, uid: str, pod: Json) -> None:
        self._check(uid not in {*self.succeeded, *self.failed, *self.dropped}, f"{uid} is let go twice")
        noted = uid in ((self.job["status"].get("uncountedTerminatedPods") or {}).get("failed") or ())
        index, phase = pod["metadata"].get("annotations", {}).get(INDEX), pod["status"]["phase"]
        well, enough = phase == "Succeeded", has(self.job, "SuccessCriteriaMet")
        badly = phase == "Failed" or (not well and "deletionTimestamp" in pod["metadata"])
        if noted or (badly and not enough):
            self.failed.add(uid)  # also if it ended well after all, while it was being deleted
        if well and (not noted or index is not None):
            self.succeeded[uid] = int(index or 0)
        elif uid not in self.failed:
            self.dropped.add(uid)

    def _job_changed(self, change: Change) -> None:
        new = change.obj
        old = change.old or new
        for problem in invalid(new, old):
            self._check(False, problem)

    def _check(self, kept: bool, what: str) -> None:
        if not kept:
            self.broken.append(f"{loop_clock():%M:%S.%f} {what}")


def invalid(new: Json, old: Json) -> list[str]:
    """What the server would refuse in this status (pkg/apis/batch/validation, pkg/registry/batch/job/strategy.go)."""
    status, before = new.get("status", {}), old.get("status", {})
    terminal = is_over(new)
    uncounted = status.get("uncountedTerminatedPods") or {}
    noted = [*(uncounted.get("succeeded") or ()), *(uncounted.get("failed") or ())]
    rules = {
        "a counter decreased": any(status.get(each, 0) < before.get(each, 0) for each in ("succeeded", "failed")),
        "more ready than active": status.get("ready", 0) > status.get("active", 0),
        "over with active Pods": terminal and status.get("active", 0) > 0,
        "over with terminating Pods": terminal and status.get("terminating", 0) > 0,
        "over with uncounted Pods": terminal and bool(noted),
        "over without a start": terminal and "startTime" not in status,
        "noted twice": len(set(noted)) != len(noted),
        "too many noted": len(noted) > 500,
        "Complete unannounced": has(new, "Complete") and not has(new, "SuccessCriteriaMet"),
        "Failed unannounced": has(new, "Failed") and not has(new, "FailureTarget"),
        "both ways": has(new, "SuccessCriteriaMet") and has(new, "FailureTarget"),
        "Complete without a time": has(new, "Complete") != ("completionTime" in status),
        "no longer over": is_over(old) and not terminal,
        "a verdict taken back": any(has(old, each) and not has(new, each) for each in VERDICTS),
    }
    return [f"{rule}: {status}" for rule, is_broken in rules.items() if is_broken]


VERDICTS = ("SuccessCriteriaMet", "FailureTarget", "Complete", "Failed")


def has(job: Json, condition: str) -> bool:
    held = job.get("status", {}).get("conditions", ())
    return any((each["type"], each["status"]) == (condition, "True") for each in held)


def is_over(job: Json) -> bool:
    return has(job, "Complete") or has(job, "Failed")
