"""Endpoints hold a thousand addresses: what does not fit is cut off, ready ones last, and an annotation says so.

Called by the decision. It answers to truncateEndpoints in pkg/controller/endpoint/endpoints_controller.go.
"""

from collections.abc import Sequence
from math import ceil

from understudy.kinds.core import EndpointAddress, EndpointSubset

MAX_ADDRESSES = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
TRUNCATED = "truncated"


def truncate(subsets: Sequence[EndpointSubset]) -> tuple[list[EndpointSubset], bool]:
    """The subsets as far as they fit, each keeping its share, and whether anything was cut off."""
    ready = sum(len(subset.addresses) for subset in subsets)
    unready = sum(len(subset.notReadyAddresses) for subset in subsets)
    if ready + unready <= MAX_ADDRESSES:
        return list(subsets), False
    heads, tails = [subset.addresses for subset in subsets], [subset.notReadyAddresses for subset in subsets]
    if ready > MAX_ADDRESSES:
        heads, tails = _shares(heads, MAX_ADDRESSES), [[] for _ in subsets]
    else:
        tails = _shares(tails, MAX_ADDRESSES - ready)
    cut = [EndpointSubset(*parts) for parts in zip(heads, tails, (subset.ports for subset in subsets), strict=True)]
    return [subset for subset in cut if subset.addresses or subset.notReadyAddresses], True


def _shares(lists: Sequence[list[EndpointAddress]], room: int) -> list[list[EndpointAddress]]:
    """The head of each list in proportion to its length, rounded up as long as there is room."""
    total, free = sum(map(len, lists)), room
    kept = []
    for each in lists:
        share = min(ceil(len(each) / total * room), free)
        kept.append(each[:share])
        free -= share
    return kept
