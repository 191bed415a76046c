"""Nodes for the scheduler's oracle. Called by `drawn`."""

import random
from typing import Any

Json = dict[str, Any]

ZONES = ("a", "b", "c")
CPUS = ("4", "2", "1500m", "3920m", "16", "750m")
MEMORIES = ("8Gi", "4Gi", "7901556Ki", "3G", "1500M", "64Gi")
PODS = ("110", "110", "8", "2")
FORBIDDING = ("NoSchedule", "NoExecute")
TAINTS = (
    ("dedicated", "db", "NoSchedule"),
    ("dedicated", "web", "NoSchedule"),
    ("flaky", "", "PreferNoSchedule"),
    ("old", "very", "PreferNoSchedule"),
    ("leaving", "", "NoExecute"),
    ("node.kubernetes.io/unschedulable", "", "NoSchedule"),
)
IMAGES = ("registry.example/web:v1", "registry.example/db:latest", "registry.example/tool@sha256:" + "0" * 64, "busy:1")
_MEGA = 1024 * 1024


def nodes(rng: random.Random, *, crowded: bool) -> list[Json]:
    """No node to ten; `crowded` ones are few and small."""
    count = rng.choice((1, 2, 3)) if crowded else rng.choice((0, 1, 2, 3, 4, 5, 6, 8, 10))
    return [_node(rng, f"node-{number}", crowded=crowded) for number in range(count)]


def _node(rng: random.Random, name: str, *, crowded: bool) -> Json:
    offered = {
        "cpu": rng.choice(("1", "2", "1500m")) if crowded else rng.choice(CPUS),
        "memory": rng.choice(MEMORIES),
        "pods": rng.choice(PODS),
    }
    if rng.random() < 0.5:
        offered |= {"example.com/gpu": rng.choice("0124"), "ephemeral-storage": rng.choice(("10Gi", "1G"))}
    if rng.random() < 0.2:
        offered |= {"hugepages-2Mi": rng.choice(("0", "64Mi")), "example.com/net": "3"}
    if rng.random() < 0.03:
        del offered[rng.choice(("cpu", "memory"))]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": _labels(rng, name)},
        "spec": _spec(rng),
        "status": {"allocatable": offered, "capacity": offered, "images": _images(rng)},
    }


def _labels(rng: random.Random, name: str) -> Json:
    labels = {"kubernetes.io/hostname": name} if rng.random() < 0.95 else {}
    if rng.random() < 0.85:
        labels["topology.kubernetes.io/zone"] = rng.choice(ZONES)
    if rng.random() < 0.5:
        labels["disk"] = rng.choice(("ssd", "hdd", ""))
    if rng.random() < 0.4:
        labels["rank"] = rng.choice(("1", "5", "9", "x"))
    return labels


def _spec(rng: random.Random) -> Json:
    chosen = rng.sample(TAINTS, rng.choice((0, 0, 0, 0, 1, 1, 2)))
    taints = {(key, effect): value for key, value, effect in chosen}
    spec: Json = {"taints": [{"key": key, "value": value, "effect": effect} for (key, effect), value in taints.items()]}
    if rng.random() < 0.1:
        spec["unschedulable"] = True
    return spec


def _images(rng: random.Random) -> list[Json]:
    chosen = rng.sample(IMAGES, rng.randrange(len(IMAGES)))
    return [{"names": [name, f"{name}-alias"], "sizeBytes": rng.choice((5, 60, 700, 3000)) * _MEGA} for name in chosen]
