"""What is asked of HTTP extenders and what their answers mean: the configuration, and the bodies both ways. Pure.

`consult` asks, `http` sends. Field names are Go's, with capitals; answers are read whatever their case, as Go does.
Answers to pkg/scheduler/extender.go and k8s.io/kube-scheduler/extender/v1/types.go.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from understudy.scheduler.framework import MAX_SCORE
from understudy.scheduler.preemption import Plan
from understudy.scheduler.shape import Shape

TIMEOUT = 5.0
"""Seconds an extender has, unless it says otherwise."""
HIGHEST = 10
"""The highest score an extender gives (MaxExtenderPriority)."""
NAME = "Extender"
"""What stands for a plugin's name where an extender refused."""

Json = dict[str, Any]
_DURATION = re.compile(r"([0-9.]+)(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class Managed(Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    ignoredByScheduler: bool = False


class Tls(Struct, forbid_unknown_fields=True, frozen=True):
    insecure: bool = False
    serverName: str = ""
    caData: str = ""


class Extender(Struct, forbid_unknown_fields=True, frozen=True):
    """One extender, as a SchedulerProfile describes it."""

    urlPrefix: str
    filterVerb: str = ""
    prioritizeVerb: str = ""
    preemptVerb: str = ""
    bindVerb: str = ""
    weight: int = 0
    enableHTTPS: bool = False
    tlsConfig: Tls = field(default_factory=Tls)
    httpTimeout: str = ""
    nodeCacheCapable: bool = False
    ignorable: bool = False
    managedResources: tuple[Managed, ...] = ()

    @property
    def timeout(self) -> float:
        """Seconds."""
        found = _DURATION.findall(self.httpTimeout)
        return sum(float(number) * _SECONDS[unit] for number, unit in found) or TIMEOUT

    def url(self, verb: str) -> str:
        return f"{self.urlPrefix.rstrip('/')}/{verb}"

    def concerned(self, shape: Shape) -> bool:
        """Whether such pods are its business."""
        managed = {each.name for each in self.managedResources}
        return not managed or any(name in managed for name, _ in shape.usage.requests)


class ExtenderFailed(Exception):
    """An extender that cannot be done without gave no answer, or not a good one."""


def check(extenders: Sequence[Extender]) -> None:
    """Raises ValueError for what cannot be."""
    for each in extenders:
        if not each.urlPrefix.startswith(("http://", "https://")):
            raise ValueError(f"extenders: urlPrefix {each.urlPrefix!r} is neither http nor https")
        if each.prioritizeVerb and each.weight <= 0:
            raise ValueError(f"extenders: {each.urlPrefix} prioritizes and has no weight")
    if sum(bool(each.bindVerb) for each in extenders) > 1:
        raise ValueError("extenders: only one can bind")


def ignored(extenders: Iterable[Extender]) -> list[str]:
    """The resources that NodeResourcesFit leaves to them."""
    return [each.name for one in extenders for each in one.managedResources if each.ignoredByScheduler]


def nodes_body(extender: Extender, pod: Json, names: Sequence[str], nodes: Mapping[str, Json]) -> Json:
    """What it is asked to filter or prioritize; `nodes` are the objects, for those that do not know them."""
    if extender.nodeCacheCapable:
        return {"Pod": pod, "Nodes": None, "NodeNames": list(names)}
    items = [nodes[name] for name in names if name in nodes]
    return {"Pod": pod, "Nodes": {"kind": "NodeList", "apiVersion": "v1", "items": items}, "NodeNames": None}


class Filtered(Struct):
    """What is left, and why the others are not; `final`: those of them that no preemption helps."""

    left: list[str]
    failed: dict[str, str]
    final: set[str]


def filtered(extender: Extender, names: Collection[str], answer: Any) -> Filtered:
    """The answer to a filter. Raises ExtenderFailed."""
    said = _lower(answer)
    if said.get("error"):
        raise ExtenderFailed(str(said["error"]))
    left = _left(extender, said)
    strange = [name for name in left if name not in names]
    if strange:
        raise ExtenderFailed(
            f'extender "{extender.urlPrefix}" claims a filtered node "{strange[0]}" which is not found in the input '
            "node list"
        )
    unresolvable: dict[str, str] = said.get("failedandunresolvablenodes") or {}
    return Filtered(left, {**(said.get("failednodes") or {}), **unresolvable}, set(unresolvable))


def _left(extender: Extender, said: Json) -> list[str]:
    names = said.get("nodenames")
    if extender.nodeCacheCapable and names is not None:
        return [str(name) for name in names]
    items = _lower(said.get("nodes") or {}).get("items") or ()
    return [str(each["metadata"]["name"]) for each in items]


def priorities(extender: Extender, answer: Any) -> dict[str, int]:
    """The answer to a prioritize: what is added to each node's score. Raises ExtenderFailed."""
    if not isinstance(answer, list):
        raise ExtenderFailed(f'extender "{extender.urlPrefix}" did not answer with a list of hosts')
    scores = [_lower(each) for each in answer]
    scale = extender.weight * (MAX_SCORE // HIGHEST)
    return {str(each.get("host", "")): int(each.get("score", 0)) * scale for each in scores}


def preempt_body(extender: Extender, pod: Json, plans: Iterable[Plan], pods: Mapping[str, Json]) -> Json:
    """What it is asked about victims; `pods` are the objects by uid, for those that do not know them."""

    def victims(plan: Plan) -> Json:
        uids = [each.pod.uid for each in plan.victims]
        found = [{"UID": uid} if extender.nodeCacheCapable else pods.get(uid, {}) for uid in uids]
        return {"Pods": found, "NumPDBViolations": plan.violations}

    told = {plan.node: victims(plan) for plan in plans}
    if extender.nodeCacheCapable:
        return {"Pod": pod, "NodeNameToVictims": None, "NodeNameToMetaVictims": told}
    return {"Pod": pod, "NodeNameToVictims": told, "NodeNameToMetaVictims": None}


def spared(extender: Extender, answer: Any) -> dict[str, tuple[list[str], int]]:
    """The answer about victims: by node their uids, and how many budgets break. Raises ExtenderFailed."""
    found = {}
    for node, each in (_lower(answer).get("nodenametometavictims") or {}).items():
        victims = _lower(each or {})
        uids = [str(_lower(one)["uid"]) for one in victims.get("pods") or ()]
        if uids:
            found[node] = uids, int(victims.get("numpdbviolations") or 0)
        elif not extender.ignorable:
            raise ExtenderFailed(f'expected at least one victim pod on node "{node}"')
    return found


def bind_body(name: str, namespace: str, uid: str, node: str) -> Json:
    return {"PodName": name, "PodNamespace": namespace, "PodUID": uid, "Node": node}


def bind_error(answer: Any) -> str:
    return str(_lower(answer).get("error") or "")


def _lower(answer: Any) -> Json:
    """An object with its field names in lower case. Raises ExtenderFailed if it is none."""
    if not isinstance(answer, dict):
        raise ExtenderFailed("an extender did not answer with an object")
    return {key.lower(): value for key, value in answer.items()}
