"""StatefulSets for the tests of their controller: a world of one set, its pods, claims and revisions, and a kubelet."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tests.unit.operators.decisions import EARLIER, NOW, Answer, make, owned_by, run, view_of
from understudy.kinds.apps import CONTROLLER_REVISIONS, STATEFUL_SETS, StatefulSet
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, PersistentVolumeClaim, Pod
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.operators.statefulset import decide
from understudy.plan.steps import Step
from understudy.state.view import View

APP = {"app": "web"}
KEY = Key("default", "web")
DATA = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def template(image: str = "web:1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "web", "image": image}], **spec}}


def stateful_set(replicas: int = 3, *, deleting: bool = False, parallel: bool = False, **spec: Any) -> StatefulSet:
    """As the server has it, `web`, of three pods in order."""
    given = {
        "replicas": replicas,
        "selector": {"matchLabels": APP},
        "template": template(),
        "serviceName": "web",
        "revisionHistoryLimit": 10,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "podManagementPolicy": "Parallel" if parallel else "OrderedReady",
        **spec,
    }
    return make(STATEFUL_SETS, "web", labels=APP, spec=given, deleting=deleting)


class World:
    """The stores, and what happens in them. `decide` plays one decision, `settle` goes on until all is quiet."""

    def __init__(self, ss: StatefulSet, *, pods: Iterable[Pod] = (), claims: Iterable[Obj] = ()) -> None:
        held: Mapping[Kind[Any], Iterable[Obj]] = {STATEFUL_SETS: [ss], PODS: pods, CONTROLLER_REVISIONS: []}
        self.view: View = view_of({**held, PERSISTENT_VOLUME_CLAIMS: claims})

    @property
    def ss(self) -> StatefulSet:
        found = self.view.get(STATEFUL_SETS, *KEY)
        assert found is not None
        return found

    @property
    def pods(self) -> list[Pod]:
        return sorted(self.view.all(PODS), key=lambda pod: (len(pod.name), pod.name))

    @property
    def names(self) -> list[str]:
        return [pod.name for pod in self.pods]

    @property
    def claims(self) -> list[PersistentVolumeClaim]:
        return sorted(self.view.all(PERSISTENT_VOLUME_CLAIMS), key=lambda claim: claim.name)

    def pod(self, name: str) -> Pod:
        found = self.view.get(PODS, "default", name)
        assert found is not None, f"no pod {name}"
        return found

    def revision(self, name: str) -> str:
        return self.pod(name).metadata.labels["controller-revision-hash"]

    def decide(self, answer: Answer | None = None, now: datetime = NOW) -> list[Step]:
        return run(decide(self.ss, self.view, now), self.view, answer)

    def settle(self, watch: Callable[["World"], None] = lambda _: None, limit: int = 200) -> int:
        """Decide and let the kubelet work until neither has anything to do; answers the number of rounds."""
        for rounds in range(limit):
            before = self.revisions
            self.decide()
            watch(self)
            self.kubelet()
            watch(self)
            if self.revisions == before:
                return rounds
        raise AssertionError(f"still busy after {limit} rounds: {self.names}")

    @property
    def revisions(self) -> list[str]:
        kinds: list[Kind[Any]] = [STATEFUL_SETS, PODS, PERSISTENT_VOLUME_CLAIMS, CONTROLLER_REVISIONS]
        return [obj.metadata.resourceVersion for kind in kinds for obj in self.view.all(kind)]

    def kubelet(self) -> None:
        """What is new runs, and what is to go is gone."""
        for pod in list(self.view.all(PODS)):
            if pod.deleting:
                self.view.store(PODS).removed(pod.key, pod.uid)
            elif not pod.status.phase or pod.status.phase == "Pending":
                self.become(pod.name)

    def become(self, name: str, phase: str = "Running", ready: bool = True, since: str = EARLIER) -> None:
        """A pod changes its phase, and whether it is ready."""
        conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": since}]
        self.change(PODS, name, spec={"nodeName": "node"}, status={"phase": phase, "conditions": conditions})

    def want(self, **spec: Any) -> None:
        """The user changes the set."""
        self.change(STATEFUL_SETS, "web", spec=spec)

    def image(self, image: str) -> None:
        self.want(template=template(image))

    def change(self, kind: Kind[Any], name: str, **parts: dict[str, Any]) -> Obj:
        """Somebody else changes an object: the given fields of its parts."""
        held: Obj | None = self.view.get(kind, "default", name)
        assert held is not None, f"no {kind.plural} {name}"
        body = msgspec.to_builtins(held)
        for part, fields in parts.items():
            body[part] = {**body[part], **fields}
        body["metadata"] = {**body["metadata"], "resourceVersion": make(kind, "newer").metadata.resourceVersion}
        body["metadata"]["generation"] += kind is STATEFUL_SETS and "spec" in parts
        changed: Obj = msgspec.convert(body, kind.type)
        self.view.store(kind).listed(changed)
        return changed

    def owners(self, claim: str) -> list[str]:
        """Who owns a claim, by kind and name."""
        found = self.view.get(PERSISTENT_VOLUME_CLAIMS, "default", claim)
        assert found is not None
        return [f"{each.kind}/{each.name}" for each in found.metadata.ownerReferences]


def running(name: str, ss: StatefulSet, **more: Any) -> Pod:
    """A pod of the set that runs and is ready, of no revision."""
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": EARLIER}]}
    labels = {**APP, "statefulset.kubernetes.io/pod-name": name}
    spec = {"nodeName": "node"}
    owner = owned_by(ss, STATEFUL_SETS)
    return make(PODS, name, **{"labels": labels, "owner": owner, "spec": spec, "status": status, **more})


def grown(ss: StatefulSet) -> World:
    """A world in which the set has come to be."""
    world = World(ss)
    world.settle()
    return world
