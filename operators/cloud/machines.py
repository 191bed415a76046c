"""The built-in provider of instances, for kind and bare machines: a machine is what somebody says it is.

Nobody can be asked whether a machine in a rack or a container of kind still exists, so of a Node that says nothing
nothing is known. Whoever takes machines away, or switches them off to save power, can say so on the Node.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.core import Node
from understudy.operators.cloud.instances import Instance
from understudy.plan.steps import Step

ANNOTATION = "understudy.dev/instance"
"""On a Node: running, shutdown or gone."""


class Machines:
    """Reads the Node's annotation; any other text than the three, and none at all, is no knowledge."""

    period: float | None = None

    def state(self, node: Node) -> Generator[Step, Any, Instance]:
        yield from ()
        said = node.metadata.annotations.get(ANNOTATION, "")
        return Instance(said) if said in {each.value for each in Instance} else Instance.UNKNOWN
