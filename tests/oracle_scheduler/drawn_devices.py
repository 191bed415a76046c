"""Devices for the scheduler's oracle: what nodes offer, classes, and claims that are allocated or not yet.

Called by `drawn`; all claims and pods of such a case are in one namespace. No alternative asks for all devices: after
the first upstream looks for as many of them as the first alternative asks for.
"""

import random
from typing import Any

Json = dict[str, Any]

NAMESPACE = "default"
DRIVERS = ("gpu.example.com", "net.example.com")
MODELS = ("a", "b")
CLAIMS = tuple(f"devices-{number}" for number in range(4))
_API = "resource.k8s.io/v1"


def devices(rng: random.Random, nodes: list[str]) -> list[Json]:
    """Classes, slices and claims."""
    slices = [_slice(rng, name, driver) for name in nodes for driver in DRIVERS if rng.random() < 0.7]
    free = [(one, device["name"]) for one in slices for device in one["spec"]["devices"]]
    rng.shuffle(free)
    return [*(_class(driver) for driver in DRIVERS), *slices, *(_claim(rng, name, free) for name in CLAIMS)]


def claim(rng: random.Random, pod: Json, names: list[str]) -> None:
    """Let the pod ask for these claims."""
    pod["metadata"]["namespace"] = NAMESPACE
    pod["spec"]["resourceClaims"] = [{"name": name, "resourceClaimName": name} for name in names]
    wanted = rng.choice(pod["spec"]["containers"])
    wanted.setdefault("resources", {})["claims"] = [{"name": name} for name in names]


def _named(kind: str, name: str, **more: Any) -> Json:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, **more}


def _class(driver: str) -> Json:
    selectors = [{"cel": {"expression": f'device.driver == "{driver}"'}}]
    return _named("DeviceClass", driver.partition(".")[0], spec={"selectors": selectors})


def _slice(rng: random.Random, node: str, driver: str) -> Json:
    offered = [
        {
            "name": f"device-{number}",
            "attributes": {"model": {"string": rng.choice(MODELS)}, "board": {"int": rng.randrange(2)}},
            "capacity": {"memory": {"value": rng.choice(("4Gi", "8Gi"))}},
        }
        for number in range(rng.choice((1, 2, 3)))
    ]
    pool = {"name": node, "generation": 1, "resourceSliceCount": rng.choice((1, 1, 1, 1, 2))}
    spec = {"driver": driver, "nodeName": node, "pool": pool, "devices": offered}
    return _named("ResourceSlice", f"{node}-{driver.partition('.')[0]}", spec=spec)


def _exactly(rng: random.Random, every: float = 0.2) -> Json:
    """A request; with that chance for every device there is."""
    driver = rng.choice((*DRIVERS, DRIVERS[0]))
    made: Json = {
        "deviceClassName": driver.partition(".")[0],
        "allocationMode": "ExactCount",
        "count": rng.choice((1, 1, 2)),
    }
    if rng.random() < every:
        del made["count"]
        made["allocationMode"] = "All"
    if rng.random() < 0.4:
        expression = rng.choice(
            (
                f'device.attributes["{driver}"].model == "{rng.choice(MODELS)}"',
                f'device.capacity["{driver}"].memory.compareTo(quantity("6Gi")) > 0',
            )
        )
        made["selectors"] = [{"cel": {"expression": expression}}]
    return made


def _request(rng: random.Random, name: str) -> Json:
    if rng.random() < 0.25:
        choices = [{"name": f"sub-{number}", **_exactly(rng, every=0.0)} for number in range(2)]
        return {"name": name, "firstAvailable": choices}
    return {"name": name, "exactly": _exactly(rng)}


def _claim(rng: random.Random, name: str, free: list[tuple[Json, str]]) -> Json:
    requests = [_request(rng, f"r{number}") for number in range(rng.choice((1, 1, 2)))]
    wanted: Json = {"requests": requests}
    if rng.random() < 0.3:
        attribute = f"{DRIVERS[0]}/{rng.choice(('model', 'board'))}"
        wanted["constraints"] = [{"requests": [each["name"] for each in requests], "matchAttribute": attribute}]
    made = _named("ResourceClaim", name, spec={"devices": wanted}, status={})
    made["metadata"]["namespace"] = NAMESPACE
    if free and rng.random() < 0.4:
        made["status"] = _allocated(rng, requests[0], *free.pop())
    return made


def _allocated(rng: random.Random, request: Json, offer: Json, device: str) -> Json:
    spec = offer["spec"]
    name = request["name"] if "exactly" in request else f"{request['name']}/sub-0"
    result = {"request": name, "driver": spec["driver"], "pool": spec["pool"]["name"], "device": device}
    field = {"key": "metadata.name", "operator": "In", "values": [spec["nodeName"]]}
    there = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    made: Json = {"allocation": {"devices": {"results": [result]}, "nodeSelector": there}}
    if rng.random() < 0.7:
        made["reservedFor"] = [{"resource": "pods", "name": "there-0", "uid": "uid-there-0"}]
    return made
