"""The Pods a selector chooses, and a LabelSelector in the words of an event.

The disruption and the autoscaler loop call this. It answers to PodLister.List and to LabelSelector.String, which the
Go compiler's generated code defines (apimachinery/pkg/apis/meta/v1/generated.pb.go).
"""

from collections.abc import Mapping
from typing import Any

from understudy.kinds.core import PODS, Pod
from understudy.operators.common.service_pods import BY_LABEL
from understudy.state.view import View
from understudy.values.selector import Selector


def pods_matching(namespace: str, selector: Selector, view: View) -> list[Pod]:
    """Every Pod of the namespace that the selector matches."""
    if selector.nothing:
        return []
    return [pod for pod in _candidates(namespace, selector, view) if selector.matches(pod.metadata.labels)]


def go_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{each['key']},Operator:{each['operator']},"
        f"Values:[{' '.join(each.get('values') or ())}],}},"
        for each in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


def _candidates(namespace: str, selector: Selector, view: View) -> list[Pod]:
    """The fewest Pods among which all that match are: those with one label the selector demands, if it does."""
    demanded = [
        view.by(PODS, BY_LABEL, f"{namespace}/{each.key}={each.values[0]}")
        for each in selector.requirements
        if each.operator in ("=", "==", "in") and len(each.values) == 1
    ]
    return min(demanded, key=len) if demanded else view.in_namespace(PODS, namespace)
