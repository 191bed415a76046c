"""Cases for the scheduler's oracle, drawn from a seed: a small cluster and one pod that wants a node.

`case(seed)` is what `__main__` and the tests send to both sides. Clusters are small and their words few, so that things
collide: labels match, ports clash, room runs out. Everything drawn is what an API server would let pass. Answers to
nothing upstream; what is drawn is what its plugins look at.
"""

import random
from collections.abc import Mapping
from typing import Any, Literal

from tests.oracle_scheduler import (
    drawn_arguments,
    drawn_devices,
    drawn_nodes,
    drawn_pods,
    drawn_surroundings,
    drawn_volumes,
)

Json = dict[str, Any]
Draw = random.Random
Topic = tuple[drawn_pods.Interest, ...]

TopicName = Literal[
    "resources",
    "nodes",
    "ports",
    "images",
    "spread",
    "defaults",
    "company",
    "preemption",
    "everything",
    "arguments",
    "volumes",
    "devices",
]
TOPICS: Mapping[TopicName, Topic] = {
    "resources": ("resources", "overhead", "levels"),
    "nodes": ("selector", "affinity", "tolerations", "name"),
    "ports": ("ports", "resources"),
    "images": ("images", "resources"),
    "spread": ("spread", "selector", "tolerations"),
    "defaults": ("resources",),
    "company": ("company", "resources"),
    "preemption": ("priority", "resources", "ports", "company"),
    "everything": drawn_pods.INTERESTS,
    "arguments": ("resources", "affinity", "company"),
    "volumes": ("resources",),
    "devices": (),
}
"""What a case is about: what its pods may ask for. More of them make rarer combinations, fewer reach deeper."""


def case(seed: int, topic: TopicName | None = None) -> Json:
    """The case of that number: `objects`, `pod`, plugins' arguments, and `topic` for whoever reads it.

    The same number, the same case.
    """
    rng = random.Random(seed)
    chosen = rng.choice(list(TOPICS)) if topic is None else topic
    interests = TOPICS[chosen]
    crowded = chosen == "preemption"
    nodes = drawn_nodes.nodes(rng, crowded=crowded)
    names = [each["metadata"]["name"] for each in nodes]
    there = [
        drawn_pods.placed(rng, number, rng.choice(names), interests)
        for number in range(rng.choice((0, 4, 12)) + 4 * crowded)
        if names
    ]
    drawn_pods.part_ports(there)
    around = drawn_surroundings.surroundings(rng, owned=chosen in ("defaults", "arguments"), budgets=crowded)
    pod = drawn_pods.waiting(rng, "new", interests)
    if crowded:
        pod["spec"]["priority"] = rng.choice((5, 10, 10))
        there += nominated(rng, names, interests)
    if chosen == "volumes":
        around += drawn_volumes.storage(rng, names)
        for each in (*there, pod):
            drawn_volumes.mount(rng, each)
    if chosen == "devices":
        around += drawn_devices.devices(rng, names)
        drawn_devices.claim(rng, pod, rng.sample(drawn_devices.CLAIMS, rng.choice((1, 1, 2))))
    made = {"topic": chosen, "objects": [*around, *nodes, *there], "pod": pod}
    if chosen == "arguments":
        made["pluginConfig"] = drawn_arguments.arguments(rng)
    return made


def nominated(rng: Draw, names: list[str], interests: Topic) -> list[Json]:
    """Perhaps a pod others are leaving a node for."""
    if not names or rng.random() < 0.7:
        return []
    pod = drawn_pods.waiting(rng, "promised", interests)
    pod["spec"]["priority"] = rng.choice((5, 10, 20))
    pod["status"] = {"nominatedNodeName": rng.choice(names)}
    return [pod]
