"""What a pod wants of a node, apart from who it is: pods of equal shape are the same to every plugin.

A Deployment's thousand pods have one shape, so what was worked out for the first serves them all: `shapes` finds it,
`cycle` keeps its masks and scores by shape, `queue` parks and wakes pods by shape. Answers to the PreFilter and
PreScore states of upstream's plugins.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from understudy.kinds.meta import Key
from understudy.scheduler.images import full_name
from understudy.scheduler.kinds import Node, NodeAffinity, NodeTerms, Pod, PodSpec, PreferredTerm, Toleration
from understudy.scheduler.resources import RESIZE, pod_requests, scored_requests
from understudy.scheduler.terms import ALONE, Badge, Social
from understudy.scheduler.volumes.sources import Mount, mounts
from understudy.values import conditions, node_selector
from understudy.values.node_selector import NodeSelector, Term

if TYPE_CHECKING:
    from understudy.scheduler.asked import Asked

NAME_FIELD = "metadata.name"
_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - the API's word for "every address of the node"


class HostPort(NamedTuple):
    """A port of the node that a container takes for itself; `address` is 0.0.0.0 for all of the node's."""

    protocol: str
    port: int
    address: str

    def conflicts(self, other: "HostPort") -> bool:
        """Whether both cannot be on one node (`HostPortInfo.CheckConflict`)."""
        same = self.protocol == other.protocol and self.port == other.port
        return same and (_ALL_ADDRESSES in (self.address, other.address) or self.address == other.address)


class Usage(NamedTuple):
    """What a pod takes from its node: resources by name, the cpu and memory it counts for in scores, ports, volumes."""

    requests: tuple[tuple[str, int], ...]
    scored: tuple[int, int]
    ports: tuple[HostPort, ...]
    mounts: tuple[Mount, ...] = ()


Preferred = tuple[tuple[int, Term], ...]
"""Weights and terms."""
Wishes = tuple[tuple[str, Hashable], ...]
"""What plugins read from the pod (`framework.Asking`), by the plugin's name."""


class Wish(NamedTuple):
    """All that distinguishes one shape from another: hashable, compared once when a pod arrives."""

    node_name: str
    usage: Usage
    selector: tuple[tuple[str, str], ...]
    required: NodeTerms | None
    preferred: tuple[PreferredTerm, ...]
    tolerations: tuple[Toleration, ...]
    images: tuple[str, ...]
    social: Social
    wishes: Wishes


class Shape:
    """Compared by identity: `Shapes` makes one for all pods that want the same.

    `selector` and `required` must both hold for a node; None restricts nothing. `names`, if given, are the only nodes
    its affinity can match; `conflict`: its affinity names no node that could be. `social` is None for the many pods
    that want nothing of others nor others of them: nothing is ever counted for those. `wishes` are what plugins read
    from the pod, by their names; `asked` the plugins whose business it is, put there by `shapes`.
    """

    __slots__ = (
        "asked",
        "conflict",
        "images",
        "names",
        "node_name",
        "preferred",
        "required",
        "selector",
        "social",
        "tolerations",
        "usage",
        "wishes",
    )

    asked: "Asked"

    def __init__(self, wish: Wish) -> None:
        self.node_name = wish.node_name
        self.usage = wish.usage
        self.selector = wish.selector
        self.tolerations = wish.tolerations
        self.images = wish.images
        self.wishes = dict(wish.wishes)
        self.social = None if wish.social == ALONE else wish.social
        self.required = _selector(wish.required)
        self.preferred = preferences(wish.preferred)
        names = _names(wish.required)
        self.conflict = names is not None and not names
        self.names = None if self.conflict else names

    def admits(self, node: Node) -> bool:
        """Whether `selector` and `required` hold for that node."""
        labels = node.metadata.labels
        if any(labels.get(key) != value for key, value in self.selector):
            return False
        return self.required is None or self.required.matches(labels, node.name)


@dataclass(slots=True)
class PodInfo:
    """A pod on its way through the scheduler; `version` of its surroundings when it was described."""

    pod: Pod
    shape: Shape
    badge: Badge
    version: int = 0

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    @property
    def key(self) -> Key:
        return self.pod.key

    @property
    def priority(self) -> int:
        return self.pod.spec.priority


def host_ports(pod: Pod) -> tuple[HostPort, ...]:
    """The node's ports the pod takes, those of containers that run only at its start left out (`GetHostPorts`)."""
    sidecars = [each for each in pod.spec.initContainers if each.restartPolicy == "Always"]
    ports = {
        HostPort(port.protocol or "TCP", port.hostPort, port.hostIP or _ALL_ADDRESSES)
        for container in (*sidecars, *pod.spec.containers)
        for port in container.ports
        if port.hostPort > 0
    }
    return tuple(sorted(ports))


def usage_of(pod: Pod) -> Usage:
    """What the pod takes from whatever node it is on."""
    requests = pod_requests(pod)
    asked = sorted((name, amount) for name, amount in requests.items() if amount)
    volumes = pod.spec.volumes
    mounted = mounts(pod.namespace, pod.name, pod.uid, volumes) if volumes else ()
    return Usage(tuple(asked), scored_requests(pod, requests), host_ports(pod), mounted)


def same_usage(old: Pod, new: Pod) -> bool:
    """Whether `usage_of` must answer the same for both: a cheap look that saves the sum."""
    before, after = old.spec, new.spec
    return (
        before.containers == after.containers
        and before.initContainers == after.initContainers
        and before.resources == after.resources
        and before.overhead == after.overhead
        and old.status.containerStatuses == new.status.containerStatuses
        and old.status.initContainerStatuses == new.status.initContainerStatuses
        and conditions.find(old.status.conditions, RESIZE) == conditions.find(new.status.conditions, RESIZE)
    )


def wish_of(pod: Pod, social: Social, wishes: Wishes = ()) -> Wish:
    """All that the pod wants of a node."""
    spec = pod.spec
    affinity = (spec.affinity.nodeAffinity if spec.affinity else None) or NodeAffinity()
    return Wish(
        node_name=spec.nodeName,
        usage=usage_of(pod),
        selector=tuple(sorted(spec.nodeSelector.items())),
        required=affinity.required,
        preferred=affinity.preferred,
        tolerations=spec.tolerations,
        images=_images(spec),
        social=social,
        wishes=wishes,
    )


def _images(spec: PodSpec) -> tuple[str, ...]:
    if len(spec.containers) == 1 and not spec.initContainers:
        return (full_name(spec.containers[0].image),)
    return tuple(sorted(full_name(each.image) for each in (*spec.initContainers, *spec.containers)))


def _selector(required: NodeTerms | None) -> NodeSelector | None:
    return None if required is None else node_selector.from_spec(msgspec.to_builtins(required))


def preferences(preferred: tuple[PreferredTerm, ...]) -> Preferred:
    """Weights and terms; a term that cannot be read attracts to no node."""
    found: list[tuple[int, Term]] = []
    for each in preferred:
        try:
            found.append((each.weight, node_selector.term(msgspec.to_builtins(each.preference))))
        except ValueError:
            continue
    return tuple(found)


def _names(required: NodeTerms | None) -> frozenset[str] | None:
    """The nodes named by every term's matchFields; None unless each of the terms names some."""
    if required is None or not required.nodeSelectorTerms:
        return None
    found: set[str] = set()
    for term in required.nodeSelectorTerms:
        named = [
            frozenset(each.values) for each in term.matchFields if each.key == NAME_FIELD and each.operator == "In"
        ]
        if not named:
            return None
        found |= frozenset.intersection(*named)
    return frozenset(found)
