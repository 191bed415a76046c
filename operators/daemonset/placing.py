"""Which nodes lack a pod and which pods are out of place: one a node that wants one, none elsewhere.

Called first in every decision. Answers to `manage` and `podsShouldBeOnNode` in
pkg/controller/daemon/daemon_controller.go.
"""

from collections.abc import Iterator, Sequence

from understudy.kinds.core import Pod
from understudy.operators.common.history import REVISION_LABEL
from understudy.operators.common.pods import is_ready
from understudy.operators.daemonset.backoff import failures_before, rest
from understudy.operators.daemonset.daemons import Daemons, Plan, surge
from understudy.operators.daemonset.eligibility import Place
from understudy.operators.daemonset.pods import oldest_first


def plan(daemons: Daemons) -> Plan:
    """What to create and to delete; notes in `daemons.failures` where failed pods are being replaced."""
    made = Plan()
    surges = surge(daemons.ds, 1) > 0
    for node, place in daemons.places.items():
        pods = daemons.pods.get(node)
        if not place.stay:
            made.delete += [pod for pod in pods or () if not pod.deleting]
        elif pods is not None:
            _keep(daemons, node, place, pods, made, surges=surges)
        elif place.start:
            made.create.append(node)
    made.delete += _homeless(daemons)
    return made


def _keep(daemons: Daemons, node: str, place: Place, pods: Sequence[Pod], plan: Plan, *, surges: bool) -> None:
    """A node whose pods may stay: the finished ones go, and of the others those that are too many."""
    running = [pod for pod in pods if not pod.deleting and pod.status.phase not in ("Failed", "Succeeded")]
    rests = _clear(daemons, node, pods, plan)
    if len(running) > 1:
        plan.delete += _surplus_of_surge(daemons, running) if surges else oldest_first(running)[1:]
    elif not running and not rests and place.start and (surges or not any(pod.deleting for pod in pods)):
        plan.create.append(node)  # a pod that is still stopping holds its place, unless two may be there at once


def _clear(daemons: Daemons, node: str, pods: Sequence[Pod], plan: Plan) -> bool:
    """Have finished pods deleted; answers whether a failed one must rest before it is replaced."""
    rests, generation, now = False, daemons.ds.metadata.generation, daemons.now
    for pod in pods:
        if pod.deleting or pod.status.phase not in ("Failed", "Succeeded"):
            continue
        where = f"daemon pod {pod.namespace}/{pod.name} on node {node}"
        if pod.status.phase == "Succeeded":
            plan.notes.append(f"Found succeeded {where}, will try to delete it")
        elif (wait := rest(pod, generation, now)) > 0:
            rests = True
            plan.look_in(wait)
            continue
        else:
            plan.warnings.append(f"Found failed {where}, will try to kill it")
            failures = failures_before(pod, generation, now) + 1
            daemons.failures[node] = max(daemons.failures.get(node, 0), failures)
        plan.delete.append(pod)
    return rests


def _surplus_of_surge(daemons: Daemons, running: Sequence[Pod]) -> list[Pod]:
    """Beside the new pod one old pod may stay, as long as that is ready and the new one is not available."""
    ordered = oldest_first(running)
    news = [pod for pod in ordered if pod.metadata.labels.get(REVISION_LABEL) == daemons.hash]
    olds = [pod for pod in ordered if pod.metadata.labels.get(REVISION_LABEL) != daemons.hash]
    surplus = [*news[1:], *olds[1:]]
    if news and olds and (not is_ready(olds[0]) or daemons.is_available(news[0])):
        surplus.append(olds[0])
    return surplus


def _homeless(daemons: Daemons) -> Iterator[Pod]:
    """Unbound pods for nodes that are gone: nothing will ever bind them, and nobody else collects them."""
    for node, pods in daemons.pods.items():
        if node not in daemons.places:
            yield from (pod for pod in pods if not pod.spec.nodeName and not pod.deleting)
