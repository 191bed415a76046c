"""Which Pods an autoscaler counts: those its target's Scale selects, if no other autoscaler counts them too.

Called by the controller's decision. Answers to validateAndParseSelector and hpasControllingPodsUnderSelector in
pkg/controller/podautoscaler/horizontal.go. What the others select is what they remember to have selected last.
"""

from collections.abc import Iterable

from understudy.kinds.autoscaling import HORIZONTAL_POD_AUTOSCALERS, HorizontalPodAutoscaler
from understudy.kinds.core import Pod
from understudy.operators.hpa.memory import Memory
from understudy.state.view import View
from understudy.values import selector as selectors
from understudy.values.selector import Selector


class Unusable(Exception):
    """The Scale's selector chooses no Pods to count: the Event's reason, the condition's reason and message."""

    def __init__(self, event: str, error: str, reason: str, said: str) -> None:
        super().__init__(error)
        self.event = event
        self.reason = reason
        self.said = said


def parse(text: str) -> Selector:
    """The selector of a Scale. Raises Unusable."""
    if not text:
        missing = "the HPA target's scale is missing a selector"
        raise Unusable("SelectorRequired", "selector is required", "InvalidSelector", missing)
    try:
        return selectors.parse(text)
    except ValueError as error:
        message = f"couldn't convert selector into a corresponding internal selector object: {error}"
        raise Unusable("InvalidSelector", message, "InvalidSelector", message) from None


def check_alone(hpa: HorizontalPodAutoscaler, text: str, pods: Iterable[Pod], view: View) -> None:
    """Raises Unusable if another autoscaler counts one of the Pods."""
    others = rivals(hpa, pods, view)
    if others:
        keys = " ".join(sorted([str(hpa.key), *others]))
        message = f"pods by selector {text} are controlled by multiple HPAs: [{keys}]"
        raise Unusable("AmbiguousSelector", message, "AmbiguousSelector", message)


def rivals(hpa: HorizontalPodAutoscaler, pods: Iterable[Pod], view: View) -> list[str]:
    """The other autoscalers of the namespace that count one of the Pods."""
    labels = [pod.metadata.labels for pod in pods]
    found = []
    for other in view.in_namespace(HORIZONTAL_POD_AUTOSCALERS, hpa.namespace):
        memory: Memory | None = view.remembered(HORIZONTAL_POD_AUTOSCALERS, other.key)
        theirs = memory.selector if memory is not None and other.uid != hpa.uid else None
        if theirs is not None and any(map(theirs.matches, labels)):
            found.append(str(other.key))
    return found
