"""node-ipam-controller: every node gets a range of its own for the addresses of its pods.

The lowest free block of each of the cluster's ranges (`ranges`), written once into spec.podCIDRs; the server lets
nobody change it afterwards. What the nodes hold is all the memory there is: a block is free again when its node is
gone. One worker, and every answer is in the store before the next decision: no block is handed out twice. Without
`cluster-cidr` nothing is handed out, as with --allocate-node-cidrs=false. Answers to
pkg/controller/nodeipam/ipam/range_allocator.go.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.errors import ApiError, Conflict, NotFound
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.nodeipam.ranges import ranges_of
from understudy.plan.steps import Decision, Event, Patch, Requeue
from understudy.state.store import Index
from understudy.state.view import View

TELL_AGAIN = 300.0
"""Seconds after which a node that still waits for a range is told so again: events do not live for ever."""

WAITING: Index[Node] = Index("without pod CIDRs", lambda node: () if node.spec.podCIDRs else ("",))


def _waiting(_: Node, view: View) -> Iterable[Key]:
    return [node.key for node in view.by(NODES, WAITING, "")]


def _frees(new: Node | None, old: Node | None) -> bool:
    """A node that held a range is gone, or another has come in its place."""
    return old is not None and bool(old.spec.podCIDRs) and (new is None or new.uid != old.uid)


def _asks(new: Node | None, old: Node | None) -> bool:
    """A node that comes without a range. Its later reports change nothing about that."""
    return new is not None and not new.spec.podCIDRs and (old is None or old.uid != new.uid)


@controller(
    "node-ipam-controller",
    of=NODES,
    when=_asks,
    watches=(On(NODES, _waiting, _frees),),
    rights=(may("patch", NODES),),
    source="cidrAllocator",
    upstream="pkg/controller/nodeipam",
    workers=1,
)
def decide(node: Node, view: View, _: datetime) -> Decision:
    """Every node has a range of the cluster's pod addresses to itself."""
    ranges = ranges_of(view.settings)
    if not ranges or node.spec.podCIDRs or node.deleting:
        return
    taken = [cidr for other in view.all(NODES) for cidr in other.spec.podCIDRs]
    free = [each.lowest_free(taken) for each in ranges]
    cidrs = [cidr for cidr in free if cidr is not None]
    if len(cidrs) < len(ranges):
        yield _told(node, "CIDRNotAvailable")
        yield Requeue(TELL_AGAIN, why="every range is taken, until a node goes")
        return
    yield from _assign(node, cidrs)


def _assign(node: Node, cidrs: list[str]) -> Decision:
    """Guarded by the uid only: the node's own reports do not matter, and the server refuses a second range."""
    body = {"spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
    try:
        yield Patch(NODES, node, body, why=f"its pods get addresses from {', '.join(cidrs)}", guard="uid")
    except NotFound:
        return
    except Conflict:
        raise
    except ApiError:
        yield _told(node, "CIDRAssignmentFailed")
        raise


def _told(node: Node, status: str) -> Event:
    return Event(NODES, node, status, f"Node {node.name} status is now: {status}")
