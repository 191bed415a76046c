"""Who is to be told of a change: the quotas of its namespace that count such objects, if it frees or changes anything.

The controller's tracker: `loop.runner` hands it every change of every object and queues the quotas it answers. What
arrives is nobody's news: the API server's admission has charged it already, before it was let in. Answers to
pkg/controller/resourcequota/resource_quota_monitor.go and pkg/quota/v1/install/update_filter.go.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES, ResourceQuota
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.operators.resourcequota import objects, pods
from understudy.operators.resourcequota.names import by_kind

FACTS: Mapping[str, Callable[[Any], Any]] = {
    PODS.id: pods.facts,
    SERVICES.id: objects.service_facts,
    PERSISTENT_VOLUME_CLAIMS.id: objects.claim_facts,
}
"""What of an object can change and matters; of other kinds only whether they are there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A quota as it is now, and the ids of the kinds it counts."""

    quota: ResourceQuota
    kinds: frozenset[str]


class Ledger:
    """The quotas by namespace."""

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, Entry]] = {}

    def get(self, key: Key) -> ResourceQuota | None:
        """The quota of that name, or None."""
        entry = self._namespaces.get(key.namespace, {}).get(key.name)
        return entry.quota if entry is not None else None

    def changed(self, kind: Kind[Any], new: Obj | None, old: Obj | None) -> Iterable[Key]:
        """Take a store's change in; answer the quotas to be counted anew."""
        if kind.id == RESOURCE_QUOTAS.id:
            return [*self._quota_changed(new, old), *self._freed(kind.id, new, old)]
        return self._freed(kind.id, new, old)

    def _quota_changed(self, new: Any, old: Any) -> list[Key]:
        if new is None:
            self._remove(old)
            return []
        entry = Entry(new, frozenset(by_kind(new.spec.hard)))
        self._namespaces.setdefault(new.namespace, {})[new.name] = entry
        return [new.key] if old is None or old.uid != new.uid or _asks_anew(new, old) else []

    def _remove(self, quota: ResourceQuota) -> None:
        entries = self._namespaces.get(quota.namespace, {})
        entries.pop(quota.name, None)
        if not entries:
            self._namespaces.pop(quota.namespace, None)

    def _freed(self, kind_id: str, new: Obj | None, old: Obj | None) -> list[Key]:
        """The quotas that count less, or other things, now."""
        if old is None or old.metadata.namespace not in self._namespaces:
            return []
        counting = [
            entry.quota.key for entry in self._namespaces[old.metadata.namespace].values() if kind_id in entry.kinds
        ]
        return counting if counting and _matters(kind_id, new, old) else []


def _asks_anew(new: ResourceQuota, old: ResourceQuota) -> bool:
    """Whether its limits changed, or somebody else made its status say something else than they do."""
    if new.spec != old.spec:
        return True
    return new.status.hard != new.spec.hard or not old.status.used.keys() <= new.status.used.keys()


def _matters(kind_id: str, new: Obj | None, old: Obj) -> bool:
    if new is None or new.uid != old.uid:
        return True
    facts = FACTS.get(kind_id)
    return facts is not None and bool(facts(new) != facts(old))
