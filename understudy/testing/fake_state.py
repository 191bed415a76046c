"""What the in-memory API server remembers: objects by resource, one revision counter, every change since compaction.

The counterpart of etcd plus the watch cache (apiserver pkg/storage). Objects are replaced, never changed in place, so
whoever was handed one may keep it. The clock and the random source are the only things drawn from outside.
"""

import random
import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from understudy.testing.fake_kinds import Resource

Json = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def copied(obj: Json) -> Json:
    """A deep copy of JSON data."""
    copy: Json = _decode(_encode(obj))
    return copy


def key_of(obj: Json) -> str:
    """namespace/name, or the name alone; also the order in which lists come."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `obj` is the new state, of a deletion the last; `old` what was there before."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    revision: int
    obj: Json
    old: Json | None


Hook = Callable[[Change], None]


class State:
    """Reads and raw writes; the rules of the API stand in `fake_write` and `fake_delete`."""

    def __init__(self, rng: random.Random, clock: Callable[[], datetime]) -> None:
        self.revision = 1
        self.compacted = 0
        self.check_namespaces = True
        self._rng = rng
        self._clock = clock
        self._objects: dict[str, dict[str, Json]] = defaultdict(dict)
        self._changes: dict[str, list[Change]] = defaultdict(list)
        self._hooks: dict[str, list[Hook]] = defaultdict(list)
        self._counters: dict[str, int] = defaultdict(int)

    @property
    def rng(self) -> random.Random:
        return self._rng

    def now(self, later: float = 0.0) -> str:
        """The time, in whole seconds as metav1.Time prints it."""
        return (self._clock() + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def count(self, what: str) -> int:
        """0, 1, 2, … for each `what`: addresses and ports are handed out by it."""
        self._counters[what] += 1
        return self._counters[what] - 1

    # Reading

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        key = f"{namespace}/{name}" if resource.namespaced else name
        return self._objects[resource.id].get(key)

    def all(self, resource: Resource, namespace: str = "") -> list[Json]:
        """The objects of one or of all namespaces, in the order of their keys."""
        table = self._objects[resource.id]
        found = (table[key] for key in sorted(table))
        return [obj for obj in found if not namespace or obj["metadata"].get("namespace") == namespace]

    def since(self, resource: Resource, revision: int) -> list[Change]:
        """The changes after `revision`, oldest first."""
        changes = self._changes[resource.id]
        return changes[bisect_right(changes, revision, key=lambda change: change.revision) :]

    # Writing

    def put(self, resource: Resource, obj: Json) -> Json:
        """Store `obj`, which must not be shared, under the next revision."""
        old = self._objects[resource.id].get(key_of(obj))
        stored = self._stamped(obj)
        self._objects[resource.id][key_of(obj)] = stored
        self._tell(resource, Change("MODIFIED" if old else "ADDED", self.revision, stored, old))
        return stored

    def remove(self, resource: Resource, obj: Json) -> Json:
        """Forget `obj`; returned with the revision of its removal."""
        old = self._objects[resource.id].pop(key_of(obj))
        last = self._stamped(old)
        self._tell(resource, Change("DELETED", self.revision, last, old))
        return last

    def compact(self) -> None:
        """Forget all past changes: watches from before now get 410."""
        self.compacted = self.revision
        self._changes.clear()

    def skip_revision(self) -> None:
        """Something else was written to etcd."""
        self.revision += 1

    # Watching

    def subscribe(self, resource: Resource, hook: Hook) -> Callable[[], None]:
        """Call `hook` with each change, inside the write; returns what ends that."""
        hooks = self._hooks[resource.id]
        hooks.append(hook)
        return lambda: hooks.remove(hook) if hook in hooks else None

    def _stamped(self, obj: Json) -> Json:
        self.revision += 1
        return obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.revision)}}

    def _tell(self, resource: Resource, change: Change) -> None:
        self._changes[resource.id].append(change)
        for hook in list(self._hooks[resource.id]):
            hook(change)
