"""Differences that are meant, each with its reason: reported as such, and no failure.

Called by `__main__`. A rule is a pattern over the lines of `compare.differences`; what matches none is a bug of ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """`line` is searched in a difference; `sequence`, a pattern too, limits where it counts."""

    line: str
    reason: str
    sequence: str = ""


RULES: Sequence[Known] = (
    Known(
        r"^Namespace oracle-namespace-pods-first \.status\.conditions\[[04]\]\.(message|reason|status): "
        r'ours "(Some|True)',
        "while pods hold the others back ours name them, upstream says that all is removed "
        "(docs/controllers/namespace.md)",
        "namespace-pods-first",
    ),
    Known(
        r"expressionWarnings\[\d+\]\.warning: .*variables\.containers\.all\(c, c\.nope",
        "upstream forgets what the elements of a variable's list are (docs/controllers/validatingadmissionpolicy.md)",
        "policy-types",
    ),
    Known(
        r"expressionWarnings\[\d+\]\.warning: .*'_&&_' applied to '.*expected type 'bool' but found 'int'",
        "the two checkers' words for an operand that is no bool (docs/controllers/validatingadmissionpolicy.md)",
        "policy-types",
    ),
    Known(
        r'^ValidatingAdmissionPolicy oracle-kinds \.status\.typeChecking: ours \{\}, upstream "\(nothing\)"$',
        "upstream applies a status without warnings over one with some, which takes `typeChecking` away altogether",
        "policy-types",
    ),
    Known(
        r"^EndpointSlice web-\* \.metadata\.generateName: ours \"web-\", upstream \"\(nothing\)\"$",
        "upstream replaces the whole slice by one without that field, a merge patch leaves it "
        "(docs/controllers/endpointslicemirroring.md)",
        "mirroring",
    ),
    Known(
        r"^Endpoints web \.metadata\.annotations: "
        r'ours "\(nothing\)", upstream \{"endpoints\.kubernetes\.io/last-change-trigger-time": "TIME"\}$',
        "to upstream a Service it has not seen before has changed when it was created, whatever its Pods did "
        "(docs/controllers/endpointslice.md)",
        "mirroring-skipped",
    ),
    Known(
        r"^(Endpoints|EndpointSlice) .* \.metadata\.annotations: "
        r'ours \{"endpoints\.kubernetes\.io/last-change-trigger-time": "TIME"\}, upstream "\(nothing\)"$',
        "found by comparing Pods with what is written, not by remembering: what a Service's change or a lost slice "
        "brings back has a date too (docs/controllers/endpointslice.md)",
        "service-",
    ),
    Known(
        r"^Deployment web \.status\.conditions\[\d\]\.(reason|message): "
        r'ours "ReplicaSet(Updated| \S+ is progressing\.)", '
        r'upstream "(NewReplicaSetCreated|Created new replica set .*)"$',
        "a race of upstream's: its status still counts the old pods as updated if the new ReplicaSet reports its first "
        "pod before the write that says 0, and 1 of them is no progress then; otherwise it says what ours says",
        "deployment-stuck-scaled",
    ),
    Known(
        r"^Event StatefulSet/web Normal SuccessfulDelete statefulset-controller .*\.count: ours \d+, upstream \d+$",
        "upstream may delete a pod twice on a cache that has not seen its first delete",
        "statefulset-parallel",
    ),
    Known(
        r"^Event StatefulSet/web Warning FailedUpdate statefulset-controller .*the object has been modified.* "
        r"is only upstream",
        "a conflict is decided again without an Event (docs/controllers/statefulset.md)",
        "statefulset-claims",
    ),
    Known(
        r"^PodDisruptionBudget web \.status\.(currentHealthy|expectedPods): ours 0, upstream 1$",
        "a Pod that a budget no longer selects is counted no more at once; upstream wakes only the budget that selects "
        "it now, and finds out with the next change (docs/controllers/disruption.md)",
        "disruption-unmanaged",
    ),
)


def reason(sequence: str, line: str) -> str:
    """Why this difference is as it should be; "" if it is not."""
    for rule in RULES:
        if re.search(rule.sequence, sequence) and re.search(rule.line, line):
            return rule.reason
    return ""
