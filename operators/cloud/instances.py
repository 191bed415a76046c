"""What cloud-node-lifecycle-controller asks about the machine behind a Node.

`machines.Machines` is the one that is built in. Answers to InstancesV2 of k8s.io/cloud-provider (cloud.go).
"""

from collections.abc import Generator
from enum import Enum
from typing import Any, Protocol

from understudy.kinds.core import Node
from understudy.plan.steps import Step


class Instance(Enum):
    """How a machine is. Who does not know says so: nothing is done then."""

    RUNNING = "running"
    SHUTDOWN = "shutdown"
    GONE = "gone"
    UNKNOWN = "unknown"


class Instances(Protocol):
    """Pure, as decisions are: what it wants to know from outside it yields as steps."""

    period: float | None
    """Seconds after which it is asked again about a Node that is not ready; None if only the Node itself can tell."""

    def state(self, node: Node) -> Generator[Step, Any, Instance]:
        """How the machine is. Raises ApiError."""
