"""The pods of a DaemonSet: the body of a new one, for which node one is, of which revision, and who comes first.

Every file of this controller calls this. Answers to pkg/controller/daemon/util/daemonset_util.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.kinds.apps import DAEMON_SETS, DaemonSet
from understudy.kinds.core import Pod, Template
from understudy.operators.common.history import REVISION_LABEL
from understudy.operators.common.pods import pod_from_template
from understudy.operators.daemonset.backoff import mark
from understudy.operators.daemonset.eligibility import with_daemon_tolerations
from understudy.values.requirement import integer

GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def generation_of(ds: DaemonSet) -> str | None:
    """The template generation in the DaemonSet's annotations; None if there is none, or no number."""
    number = integer(ds.metadata.annotations.get(GENERATION_ANNOTATION, ""))
    return None if number is None else str(number)


def is_updated(pod: Pod, hash_: str, generation: str | None) -> bool:
    """Whether it is of the current template: by its revision or, as before there were any, by its generation."""
    labels = pod.metadata.labels
    if hash_ and labels.get(REVISION_LABEL) == hash_:
        return True
    return generation is not None and labels.get(GENERATION_LABEL) == generation


def node_of(pod: Pod) -> str | None:
    """The node it runs on or, while nothing has bound it, the node it was made for; None if it names none."""
    if pod.spec.nodeName:
        return pod.spec.nodeName
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity is not None else None
    terms = affinity.required.nodeSelectorTerms if affinity is not None and affinity.required is not None else ()
    for term in terms:
        for each in term.matchFields:
            if each.key == "metadata.name" and each.operator == "In":
                return each.values[0] if len(each.values) == 1 else None
    return None


def oldest_first(pods: Sequence[Pod]) -> Sequence[Pod]:
    """Those that are bound to their node come first; then by age, then by name."""
    return pods if len(pods) < 2 else sorted(pods, key=_seniority)


def _seniority(pod: Pod) -> tuple[bool, str, str]:
    return not pod.spec.nodeName, pod.metadata.creationTimestamp or "", pod.name


class Bodies:
    """Makes the bodies of new pods of a DaemonSet's revision; they share what does not depend on the node."""

    def __init__(self, ds: DaemonSet, hash_: str) -> None:
        self._base = pod_from_template(_template(ds, hash_), ds, DAEMON_SETS)
        self._generation = ds.metadata.generation

    def on(self, node: str, failures: int) -> dict[str, Any]:
        """The body of a pod for this node, where so many before it have failed in a row."""
        spec, metadata = self._base["spec"], self._base["metadata"]
        body = {**self._base, "spec": {**spec, "affinity": _bound_to(node, spec.get("affinity") or {})}}
        if failures:
            annotations = {**metadata.get("annotations", {}), **mark(self._generation, failures)}
            body["metadata"] = {**metadata, "annotations": annotations}
        return body


def _template(ds: DaemonSet, hash_: str) -> Template:
    template, generation = ds.spec.template, generation_of(ds)
    spec, metadata = template.get("spec") or {}, template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), REVISION_LABEL: hash_}
    if generation is not None:
        labels[GENERATION_LABEL] = generation
    tolerations = with_daemon_tolerations(spec)
    return {"metadata": {**metadata, "labels": labels}, "spec": {**spec, "tolerations": tolerations}}


def _bound_to(node: str, affinity: Mapping[str, Any]) -> dict[str, Any]:
    """The template's affinity, with what it requires of nodes replaced: `eligibility` has seen to that already."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {**affinity, "nodeAffinity": {**(affinity.get("nodeAffinity") or {}), _REQUIRED: required}}
