"""ImageLocality: prefer nodes that have the pod's images already, the bigger the more, but not if few others have them.

Answers to plugins/imagelocality/image_locality.go.
"""

import numpy as np

from understudy.scheduler.columns import Columns, NodeView, Numbers, Rows
from understudy.scheduler.framework import MAX_SCORE
from understudy.scheduler.shape import Shape

NAME = "ImageLocality"
OF_NODE = True
NORMALIZED = False
REVERSED = False
LEAST = 23 * 1024 * 1024
MOST = 1000 * 1024 * 1024
"""Bytes: all that counts of an image's size, the latter for each container."""


def applies(shape: Shape) -> bool:
    """Pods with images; in effect all."""
    return bool(shape.images)


def scores(shape: Shape, columns: Columns, rows: Rows) -> Numbers:
    """The bytes there already, between `LEAST` and `MOST`, in percent."""
    there = np.zeros(columns.size, np.int64)
    for name in shape.images:
        image = columns.images.known.get(name)
        if image is not None:
            there[list(image.rows)] += _scaled(image.size, len(image.rows), columns.count)
    most = MOST * len(shape.images)
    percent: Numbers = MAX_SCORE * (np.clip(there[rows], LEAST, most) - LEAST) // (most - LEAST)
    return percent


def score(shape: Shape, node: NodeView) -> int:
    """The plain form of `scores`."""
    here = {name for image in node.node.status.images for name in image.names or ()}
    known = [node.images[name] for name in shape.images if name in here]
    there = sum(_scaled(image.size, len(image.rows), node.count) for image in known)
    most = MOST * len(shape.images)
    return MAX_SCORE * (min(max(there, LEAST), most) - LEAST) // (most - LEAST)


def _scaled(size: int, nodes_with: int, nodes: int) -> int:
    return int(size * (nodes_with / nodes))
