"""The annotations a Deployment and its ReplicaSets speak through, and how they are read.

All policies of this folder use these. They answer to the constants of pkg/controller/deployment/util/deployment_util.go
and to `annotationsToSkip` there; `kubectl rollout history` and `kubectl rollout undo` read the first two.
"""

import re
from collections.abc import Mapping

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

OWN_LIFE = frozenset({REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO, LAST_APPLIED})
"""Never copied between a Deployment and its ReplicaSets: each has its own."""

_MAX_INT32 = 2**31 - 1
_INT64 = range(-(2**63), 2**63)
_SIGNED = re.compile(r"[+-]?[0-9]+")
_UNSIGNED = re.compile(r"[0-9]+")


def int64(text: str) -> int | None:
    """The number as Go's `ParseInt(text, 10, 64)` reads it, or None."""
    if _SIGNED.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number in _INT64 else None


def count(annotations: Mapping[str, str], key: str) -> int | None:
    """A number of replicas; None if it is missing or was tampered with."""
    text = annotations.get(key, "")
    if _UNSIGNED.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= _MAX_INT32 else None


def shared(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those a Deployment and the ReplicaSet of its template have in common (a change cause, a user's own)."""
    return {key: value for key, value in annotations.items() if key not in OWN_LIFE}


def changed(wanted: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """The entries of `wanted` that `present` lacks or has otherwise."""
    return {key: value for key, value in wanted.items() if present.get(key) != value}
