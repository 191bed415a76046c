"""Where every pod is, or is assumed to be, kept in step with the columns; the one place that counts pods on nodes.

`assume` counts a pod on its node as soon as it is decided, before the API server knows. It stays counted until the
watch shows the pod bound or gone, or its binding is known to have failed: never merely because time passes, so no room
is given away twice. Answers to pkg/scheduler/backend/cache/cache.go.
"""

from dataclasses import dataclass

from understudy.scheduler.columns import Columns
from understudy.scheduler.shape import Usage


@dataclass(slots=True)
class _Held:
    node: str
    usage: Usage
    assumed: bool


class Cache:
    """Methods that give room back return the row it is on, which may help pods that wait."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._held: dict[str, _Held] = {}
        self.assumed = 0
        """How many pods are assumed and not yet seen bound."""

    def __len__(self) -> int:
        return len(self._held)

    def node_of(self, uid: str) -> str | None:
        """The node the pod is counted on."""
        held = self._held.get(uid)
        return None if held is None else held.node

    def usage_of(self, uid: str) -> Usage | None:
        """What the pod is counted with."""
        held = self._held.get(uid)
        return None if held is None else held.usage

    def assume(self, uid: str, usage: Usage, node: str) -> None:
        """It is decided that the pod goes to that node; it must not be counted yet."""
        assert uid not in self._held, "a pod is decided once"
        self._held[uid] = _Held(node, usage, assumed=True)
        self._columns.add(usage, node)
        self.assumed += 1

    def forget(self, uid: str) -> int | None:
        """The binding failed; nothing if the watch has shown it bound all the same, or gone."""
        held = self._held.get(uid)
        return self.drop(uid) if held is not None and held.assumed else None

    def place(self, uid: str, usage: Usage, node: str) -> int | None:
        """The watch shows the pod on that node: confirm it, count it, or count it anew if it moved or was resized."""
        held = self._held.get(uid)
        if held is None:
            self._held[uid] = _Held(node, usage, assumed=False)
            self._columns.add(usage, node)
            return None
        self.assumed -= held.assumed
        held.assumed = False
        if (held.node, held.usage) == (node, usage):
            return None
        self._columns.add(usage, node)
        row = self._columns.remove(held.usage, held.node)
        held.node, held.usage = node, usage
        return row

    def drop(self, uid: str) -> int | None:
        """The pod is gone or has finished."""
        held = self._held.pop(uid, None)
        if held is None:
            return None
        self.assumed -= held.assumed
        return self._columns.remove(held.usage, held.node)
