"""Arguments of plugins for the scheduler's oracle, as a KubeSchedulerConfiguration or SchedulerProfile has them.

Called by `drawn`.
"""

import random
from typing import Any

from tests.oracle_scheduler.drawn_pods import KEYS, node_affinity

Json = dict[str, Any]

RESOURCES = ("cpu", "memory", "ephemeral-storage", "example.com/gpu")
SHAPES = (
    ((0, 0), (100, 10)),
    ((0, 10), (50, 3), (100, 0)),
    ((20, 2), (80, 9)),
    ((37, 7),),
    ((0, 1), (99, 9), (100, 4)),
)


def arguments(rng: random.Random) -> list[Json]:
    """`pluginConfig`: arguments of some plugins."""
    makers = {
        "NodeResourcesFit": _fit,
        "NodeResourcesBalancedAllocation": _balanced,
        "InterPodAffinity": _company,
        "PodTopologySpread": _spread,
        "NodeAffinity": _added,
    }
    chosen = rng.sample(list(makers), rng.choice((1, 2, 5)))
    return [{"name": name, "args": makers[name](rng)} for name in chosen]


def _resources(rng: random.Random, heaviest: int) -> list[Json]:
    names = rng.sample(RESOURCES, rng.choice((1, 2, 3)))
    return [{"name": name, "weight": rng.randint(1, heaviest)} for name in names]


def _fit(rng: random.Random) -> Json:
    kind = rng.choice(("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"))
    strategy: Json = {"type": kind, "resources": _resources(rng, 5)}
    if kind == "RequestedToCapacityRatio":
        points = [{"utilization": utilization, "score": score} for utilization, score in rng.choice(SHAPES)]
        strategy["requestedToCapacityRatio"] = {"shape": points}
    made: Json = {"scoringStrategy": strategy}
    if rng.random() < 0.2:
        made |= rng.choice(({"ignoredResources": ["example.com/gpu"]}, {"ignoredResourceGroups": ["example.com"]}))
    return made


def _balanced(rng: random.Random) -> Json:
    return {"resources": _resources(rng, 1)}


def _company(rng: random.Random) -> Json:
    return {
        "hardPodAffinityWeight": rng.choice((0, 1, 50, 100)),
        "ignorePreferredTermsOfExistingPods": rng.random() < 0.5,
    }


def _spread(rng: random.Random) -> Json:
    pairs = [(key, action) for key in KEYS for action in ("DoNotSchedule", "ScheduleAnyway")]
    chosen = rng.sample(pairs, rng.choice((0, 1, 2)))
    constraints = [
        {"topologyKey": key, "whenUnsatisfiable": action, "maxSkew": rng.choice((1, 2, 5))} for key, action in chosen
    ]
    return {"defaultingType": "List", "defaultConstraints": constraints}


def _added(rng: random.Random) -> Json:
    return {"addedAffinity": node_affinity(rng)}
