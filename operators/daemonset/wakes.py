"""Which changes of nodes and revisions wake which DaemonSet.

Declared in `__init__`, called by the runner at each change. Answers to `syncNodeUpdate` and to `addHistory`,
`updateHistory` and `deleteHistory` in pkg/controller/daemon/daemon_controller.go.
"""

from collections.abc import Iterator
from dataclasses import replace

from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS, ControllerRevision, DaemonSet
from understudy.kinds.core import NODES, PODS, Node
from understudy.kinds.meta import Key, controller_of
from understudy.loop.controller import On, owned
from understudy.operators.common.pods import BY_NODE
from understudy.operators.daemonset.eligibility import Eligibility
from understudy.state.view import View
from understudy.values import selector as selectors
from understudy.values.selector import Selector


def selector_of(ds: DaemonSet) -> Selector | None:
    """Which pods and revisions are its own; None if that cannot be read."""
    try:
        return selectors.from_spec(ds.spec.selector)
    except ValueError:
        return None


def _is_known(_: ControllerRevision | None, old: ControllerRevision | None) -> bool:
    """A new revision of ours needs nothing: who makes a copy to replace one has time to delete the other."""
    return old is not None


def _is_moved(new: Node | None, old: Node | None) -> bool:
    """Heartbeats move nobody: only labels and taints decide where pods belong."""
    if new is None or old is None:
        return True
    return new.metadata.labels != old.metadata.labels or new.spec.taints != old.spec.taints


def _concerned(node: Node, view: View) -> Iterator[Key]:
    """The DaemonSets that must do something about this node, or count it otherwise."""
    references = (controller_of(pod) for pod in view.by(PODS, BY_NODE, node.name))
    present = {reference.uid for reference in references if reference is not None}
    is_gone = view.get(NODES, "", node.name) is None
    for ds in view.all(DAEMON_SETS):
        place, has_pod = Eligibility(ds.spec.template).of(node), ds.uid in present
        if is_gone:
            concerned = place.start or has_pod
        elif has_pod:
            concerned = not place.start or ds.status.numberMisscheduled > 0
        else:
            concerned = place.start
        if concerned:
            yield ds.key


REVISIONS = replace(owned(CONTROLLER_REVISIONS, DAEMON_SETS), when=_is_known)
NODE_CHANGES = On(NODES, _concerned, when=_is_moved)
