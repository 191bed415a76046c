"""Taints on their way back to the server. Called by the controllers that own some of a node's."""

from understudy.kinds.core import Taint


def body(taint: Taint) -> dict[str, str]:
    """The taint as it is written: without the fields it does not have."""
    fields = {"key": taint.key, "value": taint.value, "effect": taint.effect, "timeAdded": taint.timeAdded}
    return {name: value for name, value in fields.items() if value}
