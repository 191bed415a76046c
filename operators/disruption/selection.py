"""Which Pods a budget protects and which budgets a Pod has.

The controller asks this in its decisions and to be woken. Answers to getPodsForPdb in
pkg/controller/disruption/disruption.go and to GetPodPodDisruptionBudgets of client-go's policy/v1 lister.
"""

from collections.abc import Iterator, Mapping

from understudy.kinds.core import Pod
from understudy.kinds.policy import POD_DISRUPTION_BUDGETS, PodDisruptionBudget
from understudy.operators.common.selected import pods_matching
from understudy.state.view import View
from understudy.values import selector as selectors


def pods_of(pdb: PodDisruptionBudget, view: View) -> list[Pod]:
    """The Pods it selects; an empty selector selects all of the namespace, a missing one none.

    ValueError if the selector cannot be read.
    """
    return pods_matching(pdb.namespace, selectors.from_spec(pdb.spec.selector), view)


def budgets_of(pod: Pod, view: View) -> Iterator[PodDisruptionBudget]:
    """The budgets whose selector matches it, those that cannot be read left out."""
    labels = pod.metadata.labels
    for pdb in view.in_namespace(POD_DISRUPTION_BUDGETS, pod.namespace):
        if _may_match(pdb, labels) and _matches(pdb, labels):
            yield pdb


def _may_match(pdb: PodDisruptionBudget, labels: Mapping[str, str]) -> bool:
    """Rules out most budgets before their selector is read: every change of a Pod asks about all of its namespace."""
    spec = pdb.spec.selector
    return spec is not None and (spec.get("matchLabels") or {}).items() <= labels.items()


def _matches(pdb: PodDisruptionBudget, labels: Mapping[str, str]) -> bool:
    try:
        return selectors.from_spec(pdb.spec.selector).matches(labels)
    except ValueError:
        return False
