"""DaemonSets, their nodes, pods and revisions for the tests of the DaemonSet controller."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.unit.operators.decisions import EARLIER, NOW, Answer, make, owned_by, run, view_of
from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS, ControllerRevision, DaemonSet
from understudy.kinds.core import NODES, PODS, Node, Pod
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.operators.common import history
from understudy.operators.common.history import REVISION_LABEL
from understudy.operators.common.pods import is_ready
from understudy.operators.daemonset import decide
from understudy.operators.daemonset.daemons import Daemons
from understudy.operators.daemonset.pods import node_of
from understudy.operators.daemonset.wakes import selector_of
from understudy.plan.steps import Step
from understudy.state.view import View
from understudy.values import gojson

APP = {"app": "agent"}


def template(image: str = "agent:2", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "agent", "image": image}], **spec}}


def hash_of(image: str = "agent:2", **spec: Any) -> str:
    """The hash of that template's revision."""
    return history.hash_of(gojson.encode(history.patch_of(template(image, **spec))), None)


def daemon_set(
    *,
    image: str = "agent:2",
    pods: Mapping[str, Any] | None = None,
    surge: int | str = 0,
    unavailable: int | str = 1,
    strategy: str = "RollingUpdate",
    status: Mapping[str, Any] | None = None,
    deleting: bool = False,
    generation: int = 1,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> DaemonSet:
    """The DaemonSet "agent"; `pods` are fields of its pod spec."""
    rolling = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    how = {"type": strategy, **(rolling if strategy == "RollingUpdate" else {})}
    defaults = {"selector": {"matchLabels": APP}, "revisionHistoryLimit": 10, "updateStrategy": how}
    return make(
        DAEMON_SETS,
        "agent",
        annotations=annotations,
        deleting=deleting,
        generation=generation,
        spec={**defaults, "template": template(image, **(pods or {})), **spec},
        status=dict(status or {}),
    )


def node(name: str, labels: Mapping[str, str] | None = None, taints: Sequence[Mapping[str, str]] = ()) -> Node:
    return make(NODES, name, labels=labels, spec={"taints": list(taints)})


def nodes(count: int) -> list[Node]:
    return [node(f"n{number}") for number in range(count)]


def pod(
    name: str,
    on: str = "",
    *,
    wants: str = "",
    image: str = "agent:2",
    phase: str = "Running",
    ready: bool = True,
    since: str = EARLIER,
    labels: Mapping[str, str] | None = None,
    owner: DaemonSet | None = None,
    orphan: bool = False,
    **metadata: Any,
) -> Pod:
    """A pod of "agent" on a node, or made for the one it `wants`; of the revision of `image`."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}
    field = {"key": "metadata.name", "operator": "In", "values": [wants]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}} if wants else None
    return make(
        PODS,
        name,
        labels={**APP, REVISION_LABEL: hash_of(image)} if labels is None else labels,
        owner=None if orphan else owned_by(owner or daemon_set(), DAEMON_SETS),
        spec={"nodeName": on, "affinity": affinity},
        status={"phase": phase, "conditions": [condition]},
        **metadata,
    )


def revision(number: int, image: str = "agent:2", name: str = "", **metadata: Any) -> ControllerRevision:
    """A revision of "agent" as `decide` makes it."""
    value = hash_of(image)
    metadata.setdefault("labels", {**APP, REVISION_LABEL: value})
    metadata.setdefault("owner", owned_by(daemon_set(), DAEMON_SETS))
    data = history.patch_of(template(image))
    return make(CONTROLLER_REVISIONS, name or f"agent-{value}", revision=number, data=data, **metadata)


def world(
    ds: DaemonSet,
    nodes: Iterable[Node] = (),
    pods: Iterable[Pod] = (),
    revisions: Iterable[ControllerRevision] | None = None,
) -> View:
    """With the revision of agent:2 as number 1, unless told otherwise."""
    known = [revision(1)] if revisions is None else revisions
    objects: dict[Kind[Any], Iterable[Obj]] = {
        DAEMON_SETS: [ds],
        NODES: nodes,
        PODS: pods,
        CONTROLLER_REVISIONS: known,
    }
    return view_of(objects)


def decided(view: View, now: datetime = NOW, answer: Answer | None = None) -> list[Step]:
    """The steps of one decision about "agent"."""
    ds = view.get(DAEMON_SETS, "default", "agent")
    assert ds is not None
    return run(decide(ds, view, now), view, answer)


def daemons(view: View, now: datetime = NOW) -> Daemons:
    """What a decision would know; the revision is that of agent:2."""
    ds = view.get(DAEMON_SETS, "default", "agent")
    assert ds is not None
    selector = selector_of(ds)
    assert selector is not None
    known = Daemons(ds, selector, hash_of(), view, now)
    known.look_again()
    return known


def places(view: View) -> dict[str, list[str]]:
    """Names of the pods that are not on their way out, by the node they are on or made for."""
    found = daemons(view).pods
    return {name: sorted(each.name for each in pods if not each.deleting) for name, pods in found.items()}


# A kubelet of five lines


def moving(view: View) -> list[Pod]:
    """The pods a kubelet has something to do for: those on their way out and those that do not run yet."""
    return [each for each in view.all(PODS) if each.deleting or not is_ready(each)]


def move(view: View, moved: Pod) -> None:
    """Let a pod end if it is being deleted; else bind it to its node and let it get ready."""
    store = view.store(PODS)
    if moved.deleting:
        store.removed(moved.key, moved.uid)
        return
    node = node_of(moved)
    assert node is not None
    labels = moved.metadata.labels
    running = pod(moved.name, node, labels=labels, uid=moved.uid)
    assert store.wrote(running)
