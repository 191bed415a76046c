"""The referee of a rolling update: films ReplicaSets and Pods and holds every moment against the promises.

The surge is promised of what is asked for (the sum of spec.replicas, as upstream's checkRollingUpdateStatus has it):
pods that are to be deleted next may still be there for a moment. Both films are put in one order by resourceVersion,
which counts the changes of all kinds.
"""

from collections import Counter
from types import TracebackType
from typing import Self

from tests.api.film import Film, is_ready, lives
from tests.api.world import Place
from understudy.cluster.rest import Object


class Referee:
    """`with Referee(place, most=25, least=15) as referee:` fails at its end if a promise was ever broken.

    `most` pods are asked for at any moment, `least` are Ready from when they first were; a ReplicaSet creates no pod
    beyond its own number. `created` are the pods that were made, by image.
    """

    def __init__(self, place: Place, *, most: int, least: int = 0) -> None:
        self._most, self._least = most, least
        self._films = [Film(place.world.cluster, place.path(plural)) for plural in ("replicasets", "pods")]
        self.created: Counter[str] = Counter()
        self._asked: dict[str, int] = {}
        self._live: dict[str, set[str]] = {}
        self._ready: set[str] = set()

    def __enter__(self) -> Self:
        for film in self._films:
            film.__enter__()
        for kind, obj in self._films[0].frames + self._films[1].frames:
            self._take(kind, obj)
        self.created.clear()
        self._filmed_before = [len(film.frames) for film in self._films]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for film in self._films:
            film.__exit__(kind, error, at)
        if kind is None:
            self._judge()

    def _judge(self) -> None:
        frames = [frame for film, n in zip(self._films, self._filmed_before, strict=True) for frame in film.frames[n:]]
        started = False
        for kind, obj in sorted(frames, key=lambda frame: int(frame[1]["metadata"]["resourceVersion"])):
            self._take(kind, obj)
            assert sum(self._asked.values()) <= self._most, self._asked
            started = started or len(self._ready) >= self._least
            assert len(self._ready) >= self._least * started, f"too few ready when {kind} {obj['metadata']['name']}"

    def _take(self, kind: str, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        if "containers" not in obj["spec"]:
            self._asked[uid] = 0 if kind == "DELETED" else obj["spec"]["replicas"]
            return
        owner = obj["metadata"]["ownerReferences"][0]["uid"]
        live = self._live.setdefault(owner, set())
        for those, holds in ((live, lives(obj)), (self._ready, is_ready(obj))):
            (those.add if kind != "DELETED" and holds else those.discard)(uid)
        if kind == "ADDED":
            self.created[obj["spec"]["containers"][0]["image"]] += 1
            assert len(live) <= self._asked[owner], f"a pod too many: {obj['metadata']['name']}"
