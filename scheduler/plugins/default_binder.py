"""DefaultBinder: what is sent to the API server to bind a pod. `bind` sends it, exactly once whatever happens.

Answers to plugins/defaultbinder/default_binder.go.
"""

from typing import Any

from understudy.scheduler.kinds import Pod

NAME = "DefaultBinder"


def binding(pod: Pod, node: str) -> dict[str, Any]:
    """The Binding; the uid keeps it from a namesake."""
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        "target": {"kind": "Node", "name": node},
    }
