"""Which nodes this process knows: it tells of each once when it meets it, and once when it is gone.

Remembered beside the view, since no object tells which nodes a process has met. Answers to classifyNodes and
monitorNodeHealth in node_lifecycle_controller.go and to RecordNodeEvent in pkg/controller/util/node.
"""

from datetime import datetime
from weakref import WeakKeyDictionary

from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.plan.steps import Decision, Event
from understudy.state.view import View

_known: WeakKeyDictionary[View, dict[str, Node]] = WeakKeyDictionary()


def enter(node: Node, view: View) -> Decision:
    """Tell of a node that is new to this process."""
    known = _known.setdefault(view, {})
    if node.name not in known:
        known[node.name] = node
        yield _event(node, "RegisteredNode", f"Registered Node {node.name} in Controller")


def strike(key: Key, view: View, _: datetime) -> Decision:
    """Tell of a node that is gone."""
    node = _known.get(view, {}).pop(key.name, None)
    if node is not None:
        yield _event(node, "RemovingNode", f"Removing Node {node.name} from Controller")


def _event(node: Node, reason: str, told: str) -> Event:
    return Event(NODES, node, reason, f"Node {node.name} event: {told}")
