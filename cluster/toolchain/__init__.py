"""The pinned programs of a cluster and its judges: found on this machine, or built once from source and kept.

`ensure` gives paths (building what is missing), `locate` only looks, `ToolchainError` carries a text for the user.
"""

from understudy.cluster.toolchain.ensure import ensure, locate
from understudy.cluster.toolchain.errors import ToolchainError
from understudy.cluster.toolchain.find import Found
from understudy.cluster.toolchain.pins import CONTROL_PLANE, EMBEDDED, NODE, TOOLS, UPSTREAM, Tool
from understudy.cluster.toolchain.places import Places

__all__ = [
    "CONTROL_PLANE",
    "EMBEDDED",
    "NODE",
    "TOOLS",
    "UPSTREAM",
    "Found",
    "Places",
    "Tool",
    "ToolchainError",
    "ensure",
    "locate",
]
