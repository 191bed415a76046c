"""Processor time of the machinery's three hot paths, in microseconds, without a server: a pod's price before the wire.

Run by hand: `python tests/bench/hot_paths.py [--pods 5000] [--rounds 5]`. Prints the median and the range of the rounds
and the budget beside it, and exits with 1 if a median is above its budget:

- a watch event: a line of 1.3 KB decoded, filed under three indexes, hooks called, a key queued
- a decision's step: a create through the runner's and applier's hands, with an answer that is there already
- a store write: the answer to an own write entered, indexes and hooks included
- a decision of the scheduler: the best of 5,000 nodes for one more pod of a kind, all default plugins, counted there
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import msgspec
import uvloop

from understudy.api.client import Client
from understudy.api.transport import Answer
from understudy.api.watch import Watch
from understudy.kinds.apps import REPLICA_SETS
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key, Obj, ObjectMeta
from understudy.loop.controller import Controller, may, owned
from understudy.loop.run import Manager
from understudy.plan.steps import Create, Decision, Together
from understudy.scheduler.cycle import Placement
from understudy.scheduler.shape import PodInfo
from understudy.state.store import BY_CONTROLLER, BY_NAMESPACE, ORPHANS, Store
from understudy.state.view import View
from understudy.testing import scheduling

NODES = 5000
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs-1", "controller": True}
TEMPLATE = {
    "nodeName": "node-1",
    "restartPolicy": "Always",
    "containers": [
        {
            "name": "web",
            "image": "registry.example/web:1.2.3",
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            "terminationMessagePath": "/dev/termination-log",
            "imagePullPolicy": "IfNotPresent",
        }
    ],
}
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def pod(number: int, revision: int) -> dict[str, Any]:
    since = "2026-01-01T00:00:00Z"
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"web-{number}",
            "generateName": "web-",
            "namespace": "default",
            "uid": f"uid-{number}",
            "resourceVersion": str(revision),
            "creationTimestamp": since,
            "labels": {"app": "web", "pod-template-hash": "7d4c5b9f6c"},
            "ownerReferences": [OWNER],
        },
        "spec": TEMPLATE,
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "podIPs": [{"ip": "10.0.0.1"}],
            "conditions": [{"type": each, "status": "True", "lastTransitionTime": since} for each in CONDITIONS],
            "containerStatuses": [{"name": "web", "ready": True, "restartCount": 0}],
        },
    }


def encoded(number: int, revision: int) -> bytes:
    return json.dumps(pod(number, revision), separators=(",", ":")).encode()


class Ready:
    """A transport whose answers are there before they are asked for; its streams say nothing."""

    def __init__(self, answers: list[bytes] | None = None) -> None:
        self.fence = float("inf")
        self.answers = answers or []

    async def request(self, method: str, path: str, body: bytes | None = None, **_: Any) -> Answer:
        return Answer(201, self.answers.pop())

    async def stream(self, path: str, on_line: Callable[[bytes], None], **_: Any) -> Answer:
        raise AssertionError("no stream here is read")

    async def close(self) -> None: ...


def filed() -> Store[Pod]:
    """A store as the ReplicaSet controller has it: three indexes, one hook."""
    store = Store(PODS)
    for index in (BY_CONTROLLER, BY_NAMESPACE, ORPHANS):
        store.by(index, "")
    keys, view = owned(PODS, REPLICA_SETS).keys, View({})
    woken: set[Key] = set()

    def wake(new: Pod | None, old: Pod | None) -> None:
        for state in (new, old):
            woken.update(keys(state, view) if state is not None else ())

    store.hooks.append(wake)
    return store


async def watch_events(pods: int) -> float:
    """Each pod is added, then modified three times."""
    watch = Watch(Client(Ready()), filed())
    lines = [
        b'{"type":"%s","object":%s}' % (b"MODIFIED" if turn else b"ADDED", encoded(number, turn * pods + number + 1))
        for turn in range(4)
        for number in range(pods)
    ]
    return _timed(watch._line, lines)


async def store_writes(pods: int) -> float:
    """Each pod is written twice."""
    store = filed()
    decode = msgspec.json.Decoder(Pod).decode
    answers = [decode(encoded(number, turn * pods + number + 1)) for turn in range(2) for number in range(pods)]
    return _timed(store.wrote, answers)


async def decision_steps(pods: int) -> float:
    """One decision that creates every pod, from its key to the last answer in the store."""
    body = {"metadata": {"generateName": "web-", "ownerReferences": [OWNER]}, "spec": TEMPLATE}

    def decide(obj: Obj, view: View, now: datetime) -> Decision:
        yield Together([Create(PODS, "default", body, "one is missing") for _ in range(pods)], slow_start=True)

    controller = Controller("bench", REPLICA_SETS, decide, (), (may("create", PODS),), "bench", reads=(PODS,))
    client = Client(Ready([encoded(number, number + 2) for number in range(pods)]))
    manager = Manager(client, [controller], clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    manager.stores |= {PODS.id: filed(), REPLICA_SETS.id: Store(REPLICA_SETS)}
    manager.stores[REPLICA_SETS.id].seen(REPLICA_SETS.type(ObjectMeta("web", "default", "rs-1", "1")))
    [runner] = manager.runners
    started = time.process_time()
    runner.start()
    while len(runner.queue):
        await asyncio.sleep(0)
    spent = time.process_time() - started
    assert len(manager.stores[PODS.id]) == pods
    await manager.stop()
    return spent / pods * 1e6


async def placements(pods: int) -> float:
    """Pods of one shape, one after the other."""
    cluster = scheduling.Cluster()
    for number in range(NODES):
        cluster.add_node(scheduling.node(f"node-{number}", cpu="32", memory="64Gi"))
    state, rng = cluster.state, random.Random(1)
    infos = [cluster.describe(scheduling.pod(f"web-{number}")) for number in range(pods)]
    state.cycle.choose(infos[0], 0.5)

    def place(info: PodInfo) -> None:
        said = state.cycle.choose(info, rng.random())
        assert isinstance(said, Placement)
        state.cache.assume(info.pod, info.shape.usage, info.badge, said.node)

    return _timed(place, infos)


def _timed(work: Callable[[Any], object], each: Sequence[Any]) -> float:
    started = time.process_time()
    for one in each:
        work(one)
    return (time.process_time() - started) / len(each) * 1e6


PATHS: dict[str, tuple[Callable[[int], Coroutine[Any, Any, float]], float]] = {
    "watch event": (watch_events, 25.0),
    "store write": (store_writes, 10.0),
    "create step": (decision_steps, 100.0),
    "placement": (placements, 60.0),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pods", type=int, default=5000)
    arguments.add_argument("--rounds", type=int, default=5)
    asked = arguments.parse_args()
    over = 0
    for name, (measure, budget) in PATHS.items():
        found = []
        for _ in range(asked.rounds):
            gc.collect()
            found.append(uvloop.run(measure(asked.pods)))
        over += median(found) > budget
        print(f"{name:<12} {median(found):6.1f} µs  ({min(found):.1f} to {max(found):.1f}; budget {budget:g})")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
