"""What stands around the pods of the scheduler's oracle: namespaces, Services, owners, budgets. Called by `drawn`."""

import random
from typing import Any

from tests.oracle_scheduler.drawn_pods import APPS, NAMESPACES, OWNERS, selector

Json = dict[str, Any]


def surroundings(rng: random.Random, *, owned: bool, budgets: bool) -> list[Json]:
    """All namespaces; Services and owners of pods, and PodDisruptionBudgets, if a case is about them."""
    found = [_namespace(rng, name) for name in sorted(set(NAMESPACES))]
    if owned or rng.random() < 0.2:
        found += [_service(rng, number) for number in range(rng.randrange(3))]
        found += [_owner(rng, *each) for each in OWNERS if rng.random() < 0.7]
    if budgets:
        found += [_budget(rng, number) for number in range(rng.randrange(3))]
    return found


def _namespace(rng: random.Random, name: str) -> Json:
    labels = {"team": rng.choice("xy")} if rng.random() < 0.7 else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _service(rng: random.Random, number: int) -> Json:
    picks = rng.choice(({"app": rng.choice(APPS)}, {"app": rng.choice(APPS), "tier": "1"}, {}, None))
    spec = {"ports": [{"port": 80}]} | ({} if picks is None else {"selector": picks})
    return _named("v1", "Service", f"service-{number}", rng.choice(NAMESPACES), spec)


def _owner(rng: random.Random, version: str, kind: str, name: str) -> Json:
    if kind == "ReplicationController":
        return _named(version, kind, name, "default", {"selector": {"app": rng.choice(APPS)}})
    return _named(version, kind, name, "default", {"selector": selector(rng)})


def _budget(rng: random.Random, number: int) -> Json:
    made = _named("policy/v1", "PodDisruptionBudget", f"budget-{number}", "default", {"selector": selector(rng)})
    made["status"] = {"disruptionsAllowed": rng.choice((0, 0, 1, 2)), "currentHealthy": 1, "desiredHealthy": 1}
    if rng.random() < 0.2:
        made["status"]["disruptedPods"] = {f"there-{rng.randrange(8)}": "2026-01-01T00:00:00Z"}
    return made


def _named(version: str, kind: str, name: str, namespace: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
