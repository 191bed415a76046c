"""The referee of a rolling update: films ReplicaSets and Pods and holds every moment against the promises.

The surge is promised of what is asked for (the sum of spec.replicas, as upstream's checkRollingUpdateStatus has it)
and, beyond upstream, of the pods themselves, those that are being deleted left out. Both films are put in one order by
resourceVersion, which counts the changes of all kinds.
"""

from collections import Counter
from types import TracebackType
from typing import Self

from tests.api.film import Film, is_ready, lives
from tests.api.world import Place
from understudy.cluster.rest import Object


class Referee:
    """`with Referee(place, most=25, least=15) as referee:` fails at its end if a promise was ever broken.

    At most `most` pods are asked for, and are there, at any moment; at least `least` are Ready from when they first
    were; a ReplicaSet creates no pod beyond its own number. `created` are the pods that were made, by image.
    """

    def __init__(self, place: Place, *, most: int, least: int = 0) -> None:
        self._most, self._least = most, least
        self._films = [Film(place.world.connect, place.path(plural)) for plural in ("replicasets", "pods")]
        self.created: Counter[str] = Counter()
        self._asked: dict[str, int] = {}
        self._live: dict[str, set[str]] = {}
        self._ready: set[str] = set()

    def __enter__(self) -> Self:
        for film in self._films:
            film.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for film in self._films:
            film.__exit__(kind, error, at)
        if kind is None:
            self._judge()

    def _judge(self) -> None:
        """Take all frames in, and judge each moment after both films had begun."""
        begun = max(film.begun for film in self._films)
        frames = [(_revision(obj), kind, obj) for film in self._films for kind, obj in film.frames]
        started = False
        for revision, kind, obj in sorted(frames, key=lambda frame: frame[0]):
            self._take(kind, obj)
            started = started or len(self._ready) >= self._least
            if revision > begun:
                self._check(f"{kind} {obj['metadata']['name']}", started)
                if kind == "ADDED" and "containers" in obj["spec"]:
                    self._check_new(obj)

    def _take(self, kind: str, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        if "containers" not in obj["spec"]:
            self._asked[uid] = 0 if kind == "DELETED" else obj["spec"]["replicas"]
            return
        live = self._live.setdefault(_owner(obj), set())
        for those, holds in ((live, lives(obj)), (self._ready, is_ready(obj))):
            (those.add if kind != "DELETED" and holds else those.discard)(uid)

    def _check(self, when: str, started: bool) -> None:
        assert sum(self._asked.values()) <= self._most, self._asked
        living = sum(map(len, self._live.values()))
        assert living <= self._most, f"{living} pods when {when}"
        assert len(self._ready) >= self._least * started, f"too few ready when {when}"

    def _check_new(self, pod: Object) -> None:
        self.created[pod["spec"]["containers"][0]["image"]] += 1
        live, asked = len(self._live[_owner(pod)]), self._asked[_owner(pod)]
        assert live <= asked, f"{pod['metadata']['name']} is a pod too many: {live} of {asked}"


def _owner(pod: Object) -> str:
    uid: str = pod["metadata"]["ownerReferences"][0]["uid"]
    return uid


def _revision(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
