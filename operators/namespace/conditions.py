"""What a terminating namespace tells about what is left of it: five conditions, word for word upstream's.

Answers to deletion/status_condition_utils.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from understudy.kinds.meta import Condition
from understudy.operators.namespace.content import Left
from understudy.values import conditions, timestamp


@dataclass(frozen=True, slots=True)
class Finding:
    status: str
    reason: str
    message: str


GOOD: Mapping[str, Finding] = {
    "NamespaceDeletionDiscoveryFailure": Finding(
        "False", "ResourcesDiscovered", "All resources successfully discovered"
    ),
    "NamespaceDeletionGroupVersionParsingFailure": Finding(
        "False", "ParsedGroupVersions", "All legacy kube types successfully parsed"
    ),
    "NamespaceDeletionContentFailure": Finding(
        "False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization"
    ),
    "NamespaceContentRemaining": Finding("False", "ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": Finding(
        "False", "ContentHasNoFinalizers", "All content-preserving finalizers finished"
    ),
}


def of(left: Left) -> dict[str, Finding]:
    """All five, as things stand."""
    found = dict(GOOD)
    if left.undiscovered:
        failing = f"{len(left.undiscovered)} failing: {left.discovery_failure}"
        message = f"Discovery failed for some groups, {failing}"
        found["NamespaceDeletionDiscoveryFailure"] = Finding("True", "DiscoveryFailed", message)
    if left.errors:
        texts = ", ".join(sorted(str(error) for error in left.errors))
        message = f"Failed to delete all resource types, {len(left.errors)} remaining: {texts}"
        found["NamespaceDeletionContentFailure"] = Finding("True", "ContentDeletionFailed", message)
    if left.remaining:
        texts = ", ".join(sorted(f"{name} has {count} resource instances" for name, count in left.remaining.items()))
        message = f"Some resources are remaining: {texts}"
        found["NamespaceContentRemaining"] = Finding("True", "SomeResourcesRemain", message)
    if left.finalizers:
        texts = ", ".join(sorted(f"{name} in {count} resource instances" for name, count in left.finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {texts}"
        found["NamespaceFinalizersRemaining"] = Finding("True", "SomeFinalizersRemain", message)
    return found


def merged(held: Sequence[Condition], found: Mapping[str, Finding], now: datetime) -> list[Condition] | None:
    """All conditions as they should be, those of others included; None if nothing changes."""
    told = [_told(kind, conditions.find(held, kind), finding, now) for kind, finding in found.items()]
    if all(conditions.find(held, one.type) == one for one in told):
        return None
    return [*(one for one in held if one.type not in found), *told]


def _told(kind: str, held: Condition | None, finding: Finding, now: datetime) -> Condition:
    if held is None:
        held = Condition(kind, "", lastTransitionTime=timestamp.format(now))
    since = held.lastTransitionTime if held.status in ("", finding.status) else timestamp.format(now)
    return msgspec.structs.replace(
        held, status=finding.status, reason=finding.reason, message=finding.message, lastTransitionTime=since
    )


def body(condition: Condition) -> dict[str, Any]:
    """A namespace condition as the API has it."""
    fields = ("type", "status", "lastTransitionTime", "reason", "message")
    return {name: value for name in fields if (value := getattr(condition, name)) is not None}
