"""What a scheduler is measured with: pods and nodes of the shapes of upstream's scheduler_perf, as data.

`scheduling` plays them. Answers to test/integration/scheduler_perf (misc, affinity and topology_spreading): the same
requests, constraints and numbers of low-priority pods a node; numbers of pods are the caller's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.stage import NAMESPACE, Body

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
MEASURED = "measured"
"""The label of the pods that are waited for."""
PAUSE = "registry.k8s.io/pause:3.10.1"
VICTIMS = 4
"""Pods on each node that preemption begins with."""


def pod(name: str, cpu: str = "100m", *, colour: str = "", **spec: Any) -> Body:
    """A pod of scheduler_perf's default size."""
    amounts = {"cpu": cpu, "memory": "500Mi"}
    container = {"name": "pause", "image": PAUSE, "ports": [{"containerPort": 80}], "resources": {"requests": amounts}}
    labels = {"color": colour} if colour else {}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


def nobody(_: int, __: int) -> Iterator[Body]:
    """No pods that were there before."""
    return iter(())


def term(colour: str) -> Body:
    """An affinity term about the pods of a colour on the same host."""
    picks = {"matchLabels": {"color": colour}}
    return {"labelSelector": picks, "topologyKey": HOST, "namespaces": [NAMESPACE, "elsewhere"]}


def apart(number: int) -> Body:
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": [term("green")]}
    return pod(f"apart-{number}", colour="green", affinity={"podAntiAffinity": terms})


def preferring(kind: str, colour: str) -> Callable[[int], Body]:
    """Pods with a preferred term of `kind` about each other."""
    terms = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term(colour)}]}
    return lambda number: pod(f"{colour}-{number}", colour=colour, affinity={kind: terms})


def spread(number: int) -> Body:
    picks = {"matchLabels": {"color": "blue"}}
    constraint = {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": picks}
    return pod(f"spread-{number}", colour="blue", topologySpreadConstraints=[constraint])


def basic(number: int) -> Body:
    return pod(f"pod-{number}")


def important(number: int) -> Body:
    return pod(f"important-{number}", "3", priority=10)


def mixed(number: int) -> Body:
    """Forty classes in turn: ten sizes, each alone, with a toleration, for two zones, and spread."""
    size, kind = number % 10, number // 10 % 4
    spec: Mapping[str, Any] = (
        {},
        {"tolerations": [{"key": "example.com/some", "operator": "Exists"}]},
        {"nodeSelector": {ZONE: "zone-a"}},
        spread(0)["spec"],
    )[kind]
    spec = {key: value for key, value in spec.items() if key != "containers"}
    return pod(f"mixed-{number}", f"{50 + 10 * size}m", colour="blue" if kind == 3 else "", **spec)


def lesser(nodes: int, _: int) -> Iterator[Body]:
    """Every node full of pods that have to leave when somebody more important comes."""
    for number in range(VICTIMS * nodes):
        more: Body = {"nodeName": f"node-{number % nodes}", "terminationGracePeriodSeconds": 0}
        yield pod(f"lesser-{number}", "900m", **more)


def hopeless(_: int, backlog: int) -> Iterator[Body]:
    """Important pods that fit nowhere."""
    return (pod(f"hopeless-{number}", "9", priority=10) for number in range(backlog))


def gated(_: int, backlog: int) -> Iterator[Body]:
    gates = [{"name": "example.com/later"}]
    return (pod(f"gated-{number}", schedulingGates=gates) for number in range(backlog))


def running(nodes: int, backlog: int) -> Iterator[Body]:
    return (pod(f"running-{number}", nodeName=f"node-{number % nodes}") for number in range(backlog))


@dataclass(frozen=True, slots=True)
class Workload:
    """`wanting` makes the pods that are measured, `there` those from before: of so many nodes and such a backlog.

    `live`: the measured ones come while the scheduler runs, not before it starts. `churn`: nodes, Services and pods
    come and go meanwhile. `most`: of so many pods, on so many nodes, how many are measured.
    """

    wanting: Callable[[int], Body] = basic
    there: Callable[[int, int], Iterator[Body]] = nobody
    live: bool = False
    churn: bool = False
    most: Callable[[int, int], int] = lambda size, _: size


WORKLOADS: Mapping[str, Workload] = {
    "basic": Workload(),
    "zone spread": Workload(spread),
    "host anti-affinity": Workload(apart, most=min),
    "preferred affinity": Workload(preferring("podAffinity", "red")),
    "preferred anti-affinity": Workload(preferring("podAntiAffinity", "yellow")),
    "preemption": Workload(important, lesser, live=True, most=lambda size, nodes: min(size // 5, nodes)),
    "unschedulable": Workload(there=hopeless, live=True),
    "gated": Workload(there=gated),
    "mixed": Workload(mixed),
    "churn": Workload(churn=True),
    "full": Workload(there=running),
}
