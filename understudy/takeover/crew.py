"""A DaemonSet that can be asked to stand aside: its pods leave every node, and come back when it may return. Pure.

It stands aside by a node selector that no node fulfils, added to its own: taking that away restores it exactly,
whoever had it before. Used by the add-ons that live on every node (`operators.custom.addons`) and by the processes on
the nodes themselves. Answers to the status of apps/v1 DaemonSet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

ASIDE = "understudy.dev/stands-aside"
"""The key in the node selector."""


@dataclass(frozen=True, slots=True)
class Crew:
    """A DaemonSet at one moment. Numbers it has not brought up to date yet are not `current`."""

    path: str
    aside: bool
    desired: int
    ready: int
    pods: int
    current: bool

    @classmethod
    def of(cls, found: Mapping[str, Any] | None) -> Self | None:
        """None if there is no such DaemonSet."""
        if found is None:
            return None
        metadata, status = found["metadata"], found.get("status") or {}
        selector = found["spec"]["template"]["spec"].get("nodeSelector") or {}
        return cls(
            path=f"/apis/apps/v1/namespaces/{metadata['namespace']}/daemonsets/{metadata['name']}",
            aside=ASIDE in selector,
            desired=status.get("desiredNumberScheduled", 0),
            ready=status.get("numberReady", 0),
            pods=status.get("currentNumberScheduled", 0) + status.get("numberMisscheduled", 0),
            current=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        )

    @property
    def gone(self) -> bool:
        """Whether it stands aside and none of its pods is left."""
        return self.aside and self.current and self.pods == 0

    def serves_for(self, other: "Crew | None") -> bool:
        """Whether it is on every node, or at least wherever the other is: a dead node holds up neither."""
        if self.aside or not self.current or self.ready == 0:
            return False
        return self.ready >= (min(self.desired, other.ready) if other is not None and other.ready else self.desired)


def selecting(*, aside: bool) -> dict[str, Any]:
    """The merge patch that asks a DaemonSet to stand aside, or lets it be as it was."""
    return {"spec": {"template": {"spec": {"nodeSelector": {ASIDE: "true" if aside else None}}}}}
