"""What is written of an allocation: the devices, how they are to be set up, and which nodes can use them.

Called by `inventory` for the claims of a decided pod. Answers to the end of `Allocate` and to `createNodeSelector` in
k8s.io/dynamic-resource-allocation structured/internal/incubating/allocator_incubating.go.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from understudy.scheduler.devices.kinds import Config, ResourceClaim
from understudy.scheduler.devices.search import Picked
from understudy.scheduler.kinds import Requirement

Json = dict[str, Any]


def allocation(claim: ResourceClaim, picked: Sequence[Picked]) -> Json:
    """The allocation of a claim, as its status has it."""
    devices: Json = {"results": [_result(each) for each in picked]}
    if config := [*_of_classes(picked), *_of_claim(claim, picked)]:
        devices["config"] = config
    selector = _node_selector(picked)
    return {"devices": devices} | ({"nodeSelector": selector} if selector else {})


def _result(picked: Picked) -> Json:
    driver, pool, device = picked.offer.id
    found: Json = {"request": picked.want.name, "driver": driver, "pool": pool, "device": device}
    return found | ({"adminAccess": True} if picked.want.admin else {})


def _of_classes(picked: Iterable[Picked]) -> list[Config]:
    """What the classes configure, each once, with the requests of the class."""
    requests: dict[str, list[str]] = {}
    classes = {each.want.device_class.name: each.want.device_class for each in picked}
    for each in picked:
        names = requests.setdefault(each.want.device_class.name, [])
        if each.want.name not in names:
            names.append(each.want.name)
    return [
        {**config, "source": "FromClass", "requests": requests[name]}
        for name, found in classes.items()
        for config in found.spec.config
    ]


def _of_claim(claim: ResourceClaim, picked: Sequence[Picked]) -> list[Config]:
    """What the claim configures, of requests and alternatives that were chosen."""
    chosen = {name for each in picked for name in (each.want.name, each.want.base)}
    given = claim.spec.devices.config
    return [
        {**config, "source": "FromClaim"}
        for config in given
        if not config.get("requests") or not chosen.isdisjoint(config["requests"])
    ]


def _node_selector(picked: Iterable[Picked]) -> Json | None:
    """The one node of a device that is local to it, else all that the devices' slices ask for; None for any node."""
    labels: dict[Requirement, None] = {}
    fields: dict[Requirement, None] = {}
    for each in picked:
        if name := each.offer.slice.nodeName:
            here = {"key": "metadata.name", "operator": "In", "values": [name]}
            return {"nodeSelectorTerms": [{"matchFields": [here]}]}
        for term in each.offer.slice.nodeSelector.nodeSelectorTerms[:1] if each.offer.slice.nodeSelector else ():
            labels.update(dict.fromkeys(term.matchExpressions))
            fields.update(dict.fromkeys(term.matchFields))
    both = {
        name: [msgspec.to_builtins(each) for each in found]
        for name, found in (("matchExpressions", labels), ("matchFields", fields))
        if found
    }
    return {"nodeSelectorTerms": [both]} if both else None
