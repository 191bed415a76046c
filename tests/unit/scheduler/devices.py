"""Devices for the scheduler's tests: slices, classes and claims, in the stores that DynamicResources reads."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.unit.scheduler.builders import Json, node, pod
from tests.unit.scheduler.warehouse import Warehouse
from understudy.scheduler.devices.inventory import READS
from understudy.scheduler.devices.kinds import DeviceClass, ResourceClaim, ResourceSlice
from understudy.scheduler.kinds import Pod

DRIVER = "gpu.example.com"


def attributes(**values: Any) -> Json:
    """By name; `v_…` is a version."""
    kinds = {bool: "bool", int: "int", str: "string"}
    return {
        name.removeprefix("v_"): {"version" if name.startswith("v_") else kinds[type(value)]: value}
        for name, value in values.items()
    }


def device(name: str, memory: str = "", *, more: Json | None = None, **values: Any) -> Json:
    """A device with these attributes, and so much memory; `more` is what else there is to it."""
    capacity = {"memory": {"value": memory}} if memory else {}
    return {"name": name, "attributes": attributes(**values), "capacity": capacity, **(more or {})}


def slice_of(
    *devices: Json, node: str = "", pool: str = "", name: str = "", driver: str = DRIVER, **spec: Any
) -> ResourceSlice:
    """What a driver offers on a node, unless `spec` says that it is for others."""
    where: Json = {"nodeName": node} if node else {}
    pool_of = {"name": pool or node or "shared", "generation": 1, "resourceSliceCount": 1, **spec.pop("of", {})}
    meta = {"name": name or f"{pool_of['name']}-{driver}", "uid": f"uid-{name or pool_of['name']}-{driver}"}
    body = {"driver": driver, "pool": pool_of, "devices": list(devices), **where, **spec}
    return msgspec.convert({"metadata": meta, "spec": body}, ResourceSlice)


def device_class(name: str = "gpu", *expressions: str, config: Json | None = None) -> DeviceClass:
    spec: Json = {"selectors": [{"cel": {"expression": each}} for each in expressions]}
    spec |= {"config": [config]} if config else {}
    return msgspec.convert({"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec}, DeviceClass)


def asked(count: int = 1, *expressions: str, cls: str = "gpu", mode: str = "ExactCount", **more: Any) -> Json:
    selectors = [{"cel": {"expression": each}} for each in expressions]
    return {"deviceClassName": cls, "count": count, "allocationMode": mode, "selectors": selectors, **more}


def claim(
    name: str = "gpu",
    *requests: Json | list[Json],
    constraints: list[Json] | None = None,
    config: list[Json] | None = None,
    status: Json | None = None,
    meta: Json | None = None,
) -> ResourceClaim:
    """A claim of these requests, called r0, r1, …; of one device unless any is given. A list is of alternatives."""
    every = [{"name": f"r{number}", **_request(each)} for number, each in enumerate(requests or (asked(),))]
    devices = {"requests": every, "constraints": constraints or [], "config": config or []}
    own = {"name": name, "namespace": "default", "uid": f"uid-{name}", **(meta or {})}
    return msgspec.convert({"metadata": own, "spec": {"devices": devices}, "status": status or {}}, ResourceClaim)


def _request(each: Json | list[Json]) -> Json:
    if isinstance(each, list):
        return {"firstAvailable": [{"name": f"a{number}", **one} for number, one in enumerate(each)]}
    return {"exactly": each}


def allocated(*devices: str, node: str = "", users: Mapping[str, str] | None = None, pool: str = "") -> Json:
    """The status of a claim that has these devices, on that node, for pods by name and uid."""
    results = [{"request": "r0", "driver": DRIVER, "pool": pool or node, "device": each} for each in devices]
    allocation: Json = {"devices": {"results": results}}
    if node:
        here = {"key": "metadata.name", "operator": "In", "values": [node]}
        allocation["nodeSelector"] = {"nodeSelectorTerms": [{"matchFields": [here]}]}
    reserved = [{"resource": "pods", "name": name, "uid": uid} for name, uid in (users or {}).items()]
    return {"allocation": allocation, "reservedFor": reserved}


def using(*claims: str, name: str = "web-1", made: bool = False, status: Json | None = None) -> Pod:
    """A pod with these claims; `made`: from templates, if its status tells of them."""
    given = [{"name": each, ("resourceClaimTemplateName" if made else "resourceClaimName"): each} for each in claims]
    return pod(name, resourceClaims=given, status=status)


def depot(*objects: Any, nodes: int = 2) -> Warehouse:
    """Nodes n0, n1, … in the zones a and b by turns, and what is put there."""
    made = Warehouse(*(node(f"n{i}", labels={"zone": "ab"[i % 2]}) for i in range(nodes)), kinds=READS)
    made.put(*objects)
    return made
