"""Topology hints: which zone or node should prefer an endpoint, by the Service's `spec.trafficDistribution`.

It answers to k8s.io/endpointslice/trafficdist (KEP-4444, KEP-3015). The older way, the annotation
`service.kubernetes.io/topology-mode: Auto`, looks at all endpoints together: `topology`.
"""

from functools import lru_cache
from typing import Literal

from understudy.kinds.core import Service
from understudy.kinds.discovery import EndpointHints, ForZone

Mode = Literal["none", "zone", "node", "auto"]

_MODES: dict[str | None, Mode] = {"PreferClose": "zone", "PreferSameZone": "zone", "PreferSameNode": "node"}
_ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")


def mode_of(service: Service) -> Mode:
    """Which hints its endpoints get; the annotation goes before the field."""
    told = (service.metadata.annotations.get(name) for name in _ANNOTATIONS)
    if next((value for value in told if value is not None), "") in ("Auto", "auto"):
        return "auto"
    return _MODES.get(service.spec.trafficDistribution, "none")


@lru_cache(maxsize=4096)
def hints_for(mode: Mode, zone: str | None, node: str | None) -> EndpointHints | None:
    """The hints of a ready endpoint in `zone` on `node`; None if there is nothing to prefer."""
    zones = [ForZone(zone)] if zone is not None and mode in ("zone", "node") else None
    nodes = [ForZone(node)] if node is not None and mode == "node" else None
    return EndpointHints(zones, nodes) if zones or nodes else None
