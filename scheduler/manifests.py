"""The pods that manifests mean, as the API server would store them, as far as the scheduler reads them. Pure.

Of Pods, and of what makes pods from a template and a number. Defaults are those of admission: priorities, tolerations,
requests from limits. Called by `cli` for `simulate`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from understudy.kinds.kind import Kind
from understudy.scheduler.kinds import REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS, Pod
from understudy.scheduler.surroundings import Surroundings

Json = dict[str, Any]
DEFAULT_SCHEDULER = "default-scheduler"
MOST = 100_000
"""More pods than that are a mistake."""
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_OWNERS: Mapping[str, Kind[Any]] = {
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": STATEFUL_SETS,
    "ReplicationController": REPLICATION_CONTROLLERS,
}


class Unknown(ValueError):
    """A manifest that cannot be simulated."""


@dataclass(frozen=True, slots=True)
class Priorities:
    """PriorityClasses by name, and the value of pods that name none."""

    values: Mapping[str, int] = field(default_factory=dict)
    fallback: int = 0

    def of(self, spec: Mapping[str, Any]) -> int:
        """Raises Unknown."""
        name = spec.get("priorityClassName")
        if "priority" in spec:
            return int(spec["priority"])
        if not name:
            return self.fallback
        if name not in self.values:
            raise Unknown(f"no PriorityClass with name {name} was found")
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Owner:
    """What pods of a manifest belong to, as their default spreading sees it."""

    kind: str
    name: str
    namespace: str
    selector: Any


def pods(manifests: Iterable[Json], namespace: str, priorities: Priorities) -> tuple[list[Pod], list[Owner]]:
    """The pods these manifests mean, and the owners they would have. Raises Unknown."""
    found: list[Pod] = []
    owners: list[Owner] = []
    for manifest in _each(manifests):
        try:
            count, template, owner = _meant(manifest, namespace)
            if len(found) + count > MOST:
                raise Unknown(f"more than {MOST} pods in all")
            found += (_pod(manifest, template, namespace, owner, number, priorities) for number in range(count))
        except Unknown as error:
            raise Unknown(f"{_title(manifest)}: {error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise Unknown(f"{_title(manifest)}: it is not as the API has it: {error}") from error
        if owner is not None:
            owners.append(owner)
    return found, owners


def know(surroundings: Surroundings, owner: Owner) -> None:
    """Let pods of that owner be spread as those of an owner that is there."""
    kind = _OWNERS[owner.kind]
    meta = {"name": owner.name, "namespace": owner.namespace, "uid": f"simulated-{owner.name}"}
    made = msgspec.convert({"metadata": meta, "spec": {"selector": owner.selector}}, kind.type)
    surroundings.saw_owner(kind.id, made, None)


def _each(manifests: Iterable[Json]) -> Iterator[Json]:
    for manifest in manifests:
        if str(manifest.get("kind", "")).endswith("List") and isinstance(manifest.get("items"), list):
            yield from _each(manifest["items"])
        else:
            yield manifest


def _meant(manifest: Json, namespace: str) -> tuple[int, Json, Owner | None]:
    """How many pods of which template, and whose."""
    kind, spec = manifest.get("kind"), manifest.get("spec") or {}
    if kind == "Pod":
        return 1, manifest, None
    if kind == "CronJob":
        return _meant({**manifest, "kind": "Job", "spec": (spec.get("jobTemplate") or {}).get("spec") or {}}, namespace)
    template = spec.get("template")
    if not isinstance(template, dict):
        raise Unknown(
            f"{_title(manifest)}: only Pods and what makes them from a template and a number can be simulated"
        )
    if kind == "Job":
        asked, completions = spec.get("parallelism", 1), spec.get("completions")
        return min(asked, asked if completions is None else completions), template, None
    if kind == "DaemonSet":
        raise Unknown("how many pods a DaemonSet has depends on the nodes; give a Pod instead")
    return spec.get("replicas", 1), template, _owner(manifest, namespace)


def _owner(manifest: Json, namespace: str) -> Owner | None:
    kind, meta = str(manifest.get("kind")), manifest.get("metadata") or {}
    kind = "ReplicaSet" if kind == "Deployment" else kind
    if kind not in _OWNERS:
        return None
    return Owner(kind, meta.get("name", ""), meta.get("namespace") or namespace, manifest["spec"].get("selector"))


def _pod(
    manifest: Json, template: Json, namespace: str, owner: Owner | None, number: int, priorities: Priorities
) -> Pod:
    outer, meta, spec = manifest.get("metadata") or {}, template.get("metadata") or {}, template.get("spec") or {}
    if not spec.get("containers"):
        raise Unknown("it has no containers")
    name = outer.get("name") or outer.get("generateName", "pod-")
    name = name if manifest.get("kind") == "Pod" else f"{name}-{number}"
    space = outer.get("namespace") or meta.get("namespace") or namespace
    metadata = {
        **{key: meta[key] for key in ("labels", "annotations") if meta.get(key)},
        "name": name,
        "namespace": space,
        "uid": f"simulated-{space}-{name}",
        "ownerReferences": [] if owner is None else [_reference(owner)],
    }
    return msgspec.convert({"metadata": metadata, "spec": _defaulted(spec, priorities)}, Pod)


def _defaulted(spec: Json, priorities: Priorities) -> Json:
    return {
        "schedulerName": DEFAULT_SCHEDULER,
        **spec,
        "priority": priorities.of(spec),
        "containers": [_container(each) for each in spec["containers"]],
        "initContainers": [_container(each) for each in spec.get("initContainers") or ()],
        "tolerations": [*(spec.get("tolerations") or ()), *_tolerations()],
    }


def _reference(owner: Owner) -> Json:
    api = _OWNERS[owner.kind].api
    return {
        "apiVersion": api,
        "kind": owner.kind,
        "name": owner.name,
        "uid": f"simulated-{owner.name}",
        "controller": True,
    }


def _container(given: Json) -> Json:
    """What it may use at most it asks for, unless it says otherwise."""
    resources = given.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    asked = {name: str(amount) for name, amount in {**limits, **requests}.items()}
    return {**given, "resources": {"requests": asked}}


def _tolerations() -> list[Json]:
    """Those that admission gives to every pod."""
    return [{"key": key, "operator": "Exists", "effect": "NoExecute"} for key in _TAINTS]


def _title(manifest: Json) -> str:
    name = (manifest.get("metadata") or {}).get("name", "")
    return f"{manifest.get('kind', 'a document without kind')} {name}".rstrip()
