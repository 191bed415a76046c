"""Which plugins decide, in which order they are asked, and how much each score counts.

Order and weights are upstream's (pkg/scheduler/apis/config/v1/default_plugins.go): the first filter that turns a node
down is the one that is named.
"""

from understudy.scheduler.framework import Filter, Weighted, WeightedWide
from understudy.scheduler.plugins import (
    balanced,
    fit,
    image_locality,
    inter_pod_affinity,
    node_affinity,
    node_name,
    node_ports,
    node_unschedulable,
    taint_toleration,
    topology_spread,
)

FILTERS: tuple[Filter, ...] = (node_unschedulable, node_name, taint_toleration, node_affinity, node_ports, fit)
SCORES: tuple[Weighted, ...] = (
    Weighted(taint_toleration, 3),
    Weighted(node_affinity, 2),
    Weighted(fit, 1),
    Weighted(balanced, 1),
    Weighted(image_locality, 1),
)
WIDE: tuple[WeightedWide, ...] = (WeightedWide(topology_spread, 2), WeightedWide(inter_pod_affinity, 2))
"""Filters that are asked after all others, and scores."""
