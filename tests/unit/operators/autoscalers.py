"""Autoscalers, their targets and metrics for the unit tests of the hpa controller: a small world that answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tests.unit.operators.decisions import NOW, make, run, view_of
from understudy.errors import ApiError, NotFound
from understudy.kinds.apps import DEPLOYMENTS
from understudy.kinds.autoscaling import HORIZONTAL_POD_AUTOSCALERS, HorizontalPodAutoscaler
from understudy.kinds.core import PODS, Pod
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Obj
from understudy.operators import hpa
from understudy.plan.steps import Get, Patch, Replace, Step
from understudy.state.view import View
from understudy.values import timestamp

Json = dict[str, Any]
EARLY = "2026-01-02T11:00:00Z"


def cpu(percent: int = 50) -> Json:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def external(target: str = "10", by: str = "averageValue", name: str = "queue") -> Json:
    kind = {"averageValue": "AverageValue", "value": "Value"}[by]
    return {"type": "External", "external": {"metric": {"name": name}, "target": {"type": kind, by: target}}}


def autoscaler(name: str = "web", *metrics: Json, status: Json | None = None, **spec: Any) -> HorizontalPodAutoscaler:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    whole = {"scaleTargetRef": reference, "maxReplicas": 10, "metrics": [*metrics] or [cpu()], **spec}
    return make(HORIZONTAL_POD_AUTOSCALERS, name, spec=whole, status=status or {})


def pod(
    name: str,
    *,
    request: str | None = "100m",
    phase: str = "Running",
    ready: bool = True,
    started: str = EARLY,
    **more: Any,
) -> Pod:
    requests = {"cpu": request, "memory": "1Mi"} if request else {}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": started}
    spec = {"containers": [{"name": "c", "resources": {"requests": requests}}], **more.pop("spec", {})}
    status = {"phase": phase, "conditions": [condition], "startTime": started}
    return make(PODS, name, labels={"app": "web"}, spec=spec, status=status, **more)


def pods(count: int) -> list[Pod]:
    return [pod(f"web-{number}") for number in range(count)]


def pod_metrics(usage: Mapping[str, str], now: datetime = NOW) -> Json:
    items = [
        {
            "metadata": {"name": name},
            "timestamp": timestamp.format(now),
            "window": "30s",
            "containers": [{"name": "c", "usage": {"cpu": amount, "memory": "1Mi"}}],
        }
        for name, amount in usage.items()
    ]
    return {"metadata": {}, "items": items}


@dataclass
class World:
    """`metrics` answers by path without /apis and query: a body, or an error to raise. `decide` plays one round."""

    hpas: Sequence[HorizontalPodAutoscaler]
    pods: Sequence[Pod] = ()
    replicas: int = 2
    selector: str = "app=web"
    metrics: dict[str, Any] = field(default_factory=dict)
    written: list[int] = field(default_factory=list)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    status_refusal: Exception | None = None
    seen: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.view: View = view_of({HORIZONTAL_POD_AUTOSCALERS: self.hpas, PODS: self.pods})
        deployments: Kind[Obj] = Kind("apps/v1", "deployments", "Deployment", Obj, metadata_only=True)
        self.view.resources = [Resource(deployments, frozenset())]

    def decide(self, after: float = 0, name: str = "web") -> list[Step]:
        return run(hpa.decide(self.held(name), self.view, NOW + timedelta(seconds=after)), self.view, self._answer)

    def held(self, name: str = "web") -> HorizontalPodAutoscaler:
        found = self.view.get(HORIZONTAL_POD_AUTOSCALERS, "default", name)
        assert found is not None
        return found

    def conditions(self, name: str = "web") -> dict[str, tuple[str, str]]:
        found = self.held(name).status.conditions or []
        return {each.type: (each.status, each.reason) for each in found}

    def use(self, amount: str, now: datetime = NOW) -> None:
        """Every Pod uses so much cpu."""
        self.metrics[RESOURCES] = pod_metrics({each.name: amount for each in self.pods}, now)

    def _answer(self, step: Step) -> Any:
        self.seen.append(step)
        if isinstance(step, Patch) and self.status_refusal is not None:
            raise self.status_refusal
        if isinstance(step, Get):
            return self._get(step)
        if isinstance(step, Replace):
            if self.refusals:
                raise self.refusals.pop(0)
            assert step.subresource == "scale"
            self.replicas = step.body["spec"]["replicas"]
            self.written.append(self.replicas)
            return step.body
        return None

    def _get(self, step: Get) -> Any:
        path = step.kind.path(step.namespace, step.name)
        self.asked.append((path, step.query))
        if path == f"{DEPLOYMENTS.path('default')}/{step.name}" and step.name.endswith("/scale"):
            metadata = {"name": step.name.removesuffix("/scale"), "namespace": "default", "uid": "u"}
            status = {"replicas": self.replicas, "selector": self.selector}
            return {"metadata": metadata, "spec": {"replicas": self.replicas}, "status": status}
        answer = self.metrics.get(path.removeprefix("/apis/"), NotFound(404, "", "404 page not found"))
        if isinstance(answer, ApiError):
            raise answer
        return answer if step.raw else msgspec.convert(answer, step.kind.type)


RESOURCES = "metrics.k8s.io/v1beta1/namespaces/default/pods"
