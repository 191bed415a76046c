"""Stand-ins for the rest of a cluster: a kubelet for all nodes and a binder, acting on the in-memory API server.

Both are driven by the server's changes and the event loop's timers, no tasks, so a test in virtual time stays
deterministic. What the kubelet writes is what upstream's does (pkg/kubelet/status/generate.go), as far as loops read.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change
from understudy.values import timestamp

Json = dict[str, Any]
Delay = float | Callable[[Json], float | None]
"""Seconds, perhaps depending on the pod; None is never."""

STRATEGIC = "application/strategic-merge-patch+json"
DONE = ("Succeeded", "Failed")
_encode = msgspec.json.Encoder().encode


class _Actor:
    """Reacts to changes of pods a while later; leaving the `with` block, or `close`, ends it with all it planned."""

    def __init__(self, api: FakeApi, user: str) -> None:
        self.api = api
        self._user = user
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._unsubscribe = api.on_change("pods", self.changed)
        self._catch_up = asyncio.get_running_loop().call_soon(self._look_around)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._unsubscribe()
        self._catch_up.cancel()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def look_at(self, pod: Json) -> None:
        """Plan what this pod needs next."""
        raise NotImplementedError

    def plan(self, what: str, pod: Json, delay: float | None, act: Callable[[str, str], None]) -> None:
        """Do `act(namespace, name)` in `delay` seconds, unless that is planned already for this very pod."""
        meta = pod["metadata"]
        key = (what, meta["uid"])
        if delay is not None and key not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(delay, self._fire, key, act, meta["namespace"], meta["name"])

    def call(self, method: str, path: str, body: Mapping[str, Any], content_type: str = "application/json") -> int:
        """Send a request; the status of the answer. A refusal is the pod's business, not an error."""
        answer = self.api.handle(method, path, _encode(body), content_type=content_type, user=self._user)
        return answer.status

    def _fire(self, key: tuple[str, str], act: Callable[[str, str], None], namespace: str, name: str) -> None:
        del self._timers[key]
        pod = self.api.get("pods", name, namespace)
        if pod is not None and pod["metadata"]["uid"] == key[1]:
            act(namespace, name)

    def _look_around(self) -> None:
        for pod in self.api.objects("pods"):
            self.look_at(pod)

    def changed(self, change: Change) -> None:
        """A pod was written."""
        if change.type != "DELETED":
            self.look_at(change.obj)


class Kubelet(_Actor):
    """Runs bound pods on every node: Running and Ready after `ready_after`, gone `stop_after` their deletion.

    Pods that do not restart for ever (of Jobs) end `complete_after` they run, with `exit_code(pod)`.
    """

    def __init__(
        self,
        api: FakeApi,
        *,
        ready_after: Delay = 0.0,
        stop_after: Delay = 0.0,
        complete_after: Delay | None = None,
        exit_code: Callable[[Json], int] = lambda _pod: 0,
    ) -> None:
        self._ready_after = ready_after
        self._stop_after = stop_after
        self._complete_after = complete_after
        self._exit_code = exit_code
        self._addresses = 0
        super().__init__(api, "kubelet")

    def look_at(self, pod: Json) -> None:
        phase = pod["status"].get("phase")
        if not pod["spec"].get("nodeName"):
            return
        if pod["metadata"].get("deletionTimestamp"):
            if pod["metadata"].get("deletionGracePeriodSeconds"):
                self.plan("stop", pod, _seconds(self._stop_after, pod), self._stop)
        elif phase == "Pending":
            self.plan("ready", pod, _seconds(self._ready_after, pod), self._start)
        elif phase == "Running" and pod["spec"]["restartPolicy"] != "Always":
            self.plan("complete", pod, _seconds(self._complete_after, pod), self._complete)

    def _start(self, namespace: str, name: str) -> None:
        self._addresses += 1
        address = f"10.{64 + (self._addresses >> 16)}.{self._addresses >> 8 & 255}.{self._addresses & 255}"
        addresses = {"podIP": address, "podIPs": [{"ip": address}], "hostIP": "192.168.0.1"}
        state = {"running": {"startedAt": _now()}}
        self._report(namespace, name, "Running", state, ready=True, more=addresses | {"startTime": _now()})

    def _complete(self, namespace: str, name: str) -> None:
        self._end(namespace, name, None)

    def _stop(self, namespace: str, name: str) -> None:
        pod = self.api.get("pods", name, namespace)
        assert pod is not None
        if pod["status"].get("phase") not in DONE:
            self._end(namespace, name, 137)
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        self.call("DELETE", _pod_path(namespace, name), body)

    def _end(self, namespace: str, name: str, code: int | None) -> None:
        pod = self.api.get("pods", name, namespace)
        assert pod is not None
        code = self._exit_code(pod) if code is None else code
        reason = "Error" if code else "Completed"
        state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": _now()}}
        self._report(namespace, name, "Failed" if code else "Succeeded", state, ready=False)

    def _report(
        self, namespace: str, name: str, phase: str, state: Json, *, ready: bool, more: Json | None = None
    ) -> None:
        pod = self.api.get("pods", name, namespace)
        assert pod is not None
        status = {
            "phase": phase,
            "conditions": _conditions(pod, phase, ready=ready),
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container.get("image", ""),
                    "ready": ready,
                    "started": ready,
                    "restartCount": 0,
                    "state": state,
                }
                for container in pod["spec"]["containers"]
            ],
        }
        self.call("PATCH", _pod_path(namespace, name) + "/status", {"status": status | (more or {})}, STRATEGIC)


class Binder(_Actor):
    """A scheduler without thought: binds each pending pod to the node that holds the fewest."""

    def __init__(self, api: FakeApi, nodes: Sequence[str], *, after: Delay = 0.0) -> None:
        self._nodes = nodes
        self._after = after
        self._held = Counter(_node_of(pod) for pod in api.objects("pods"))
        super().__init__(api, "binder")

    def look_at(self, pod: Json) -> None:
        if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
            self.plan("bind", pod, _seconds(self._after, pod), self._bind)

    def changed(self, change: Change) -> None:
        if change.old is not None:
            self._held[_node_of(change.old)] -= 1
        if change.type != "DELETED":
            self._held[_node_of(change.obj)] += 1
        super().changed(change)

    def _bind(self, namespace: str, name: str) -> None:
        node = min(self._nodes, key=lambda each: self._held[each])
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.call("POST", _pod_path(namespace, name) + "/binding", body)


def add_nodes(api: FakeApi, names: Sequence[str], *, cpu: str = "4", memory: str = "32Gi") -> None:
    """Ready, untainted nodes."""
    size = {"cpu": cpu, "memory": memory, "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": _now()}
    for name in names:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "spec": {},
            "status": {"capacity": size, "allocatable": size, "conditions": [ready]},
        }
        api.apply(node)
        api.apply(node)  # the first write gets a not-ready taint from the server, the second replaces the spec


def _conditions(pod: Json, phase: str, *, ready: bool) -> list[Json]:
    reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    flags = {"PodReadyToStartContainers": ready, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    old = {each["type"]: each for each in pod["status"].get("conditions", ())}
    result = []
    for name, flag in flags.items():
        condition: Json = {"type": name, "status": str(flag), "lastTransitionTime": _now()}
        if reason and name in ("Ready", "ContainersReady"):
            condition["reason"] = reason
        held = old.get(name)
        if held is not None and held["status"] == condition["status"]:
            condition["lastTransitionTime"] = held["lastTransitionTime"]
        result.append(condition)
    return result


def _node_of(pod: Json) -> str:
    return str(pod["spec"].get("nodeName", ""))


def _seconds(delay: Delay | None, pod: Json) -> float | None:
    return delay(pod) if callable(delay) else delay


def _now() -> str:
    return timestamp.format(loop_clock())


def _pod_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"
