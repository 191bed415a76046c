"""A film of a collection: every event from a moment on, in the server's order, so that nothing can happen unseen.

Tests of promises that hold at every moment ("never more than 12 pods") look at the film, not at polls.
"""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.api.world import until
from understudy.cluster.rest import Api, Object

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Film:
    """`with Film(connect, path) as film:` watches in a thread; ask it after `settle()` or the end of the block.

    `begun` is the revision of the list it begins with. A stream that ends goes on after the last event seen: the server
    drops watchers that it finds too slow.
    """

    def __init__(self, connect: Callable[[], Api], where: str, *, metadata_only: bool = False) -> None:
        self._connect, self._where, self._revision = connect, where, ""
        self.begun = 0
        self._accept = METADATA if metadata_only else "application/json"
        self._connection = connect().connection
        self._thread = threading.Thread(target=self._shoot)
        self._over = threading.Event()
        self.frames: list[tuple[str, Object]] = []

    def __enter__(self) -> Self:
        with self._connect() as api:
            listed = api.get(self._where)
        self.frames += [("ADDED", each) for each in listed["items"]]
        self._revision = listed["metadata"]["resourceVersion"]
        self.begun = int(self._revision)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.settle()
        self._over.set()
        with contextlib.suppress(OSError, AttributeError):  # it is not connected at this moment
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)

    def _shoot(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
                self._stream()
            self._connection.close()
            self._over.wait(0.05)

    def _stream(self) -> None:
        query = f"?watch=1&timeoutSeconds=20&resourceVersion={self._revision}"
        self._connection.request("GET", self._where + query, headers={"Accept": self._accept})
        with self._connection.getresponse() as answer:
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    self.frames.append(("ERROR", event))  # no test can pass with a hole in its film
                    self._over.set()
                    return
                self._revision = event["object"]["metadata"]["resourceVersion"]
                self.frames.append((event["type"], event["object"]))

    def settle(self) -> None:
        """Return when the film shows what a list shows."""
        with self._connect() as api:
            until(lambda: self._now() == _revisions(api.get(self._where)["items"]))

    def _now(self) -> set[tuple[str, str]]:
        there: dict[str, Object] = {}
        for kind, obj in list(self.frames):
            there[obj["metadata"]["uid"]] = obj
            if kind == "DELETED":
                del there[obj["metadata"]["uid"]]
        return _revisions(list(there.values()))

    def course(self, holds: Callable[[Object], bool]) -> list[int]:
        """Of how many objects it held, after each event."""
        true: set[str] = set()
        counts = []
        for kind, obj in list(self.frames):
            uid = obj["metadata"]["uid"]
            (true.add if kind != "DELETED" and holds(obj) else true.discard)(uid)
            counts.append(len(true))
        return counts

    def count(self, kind: str) -> int:
        """How many events of a type there were."""
        return sum(each == kind for each, _ in list(self.frames))


def _revisions(objects: list[Object]) -> set[tuple[str, str]]:
    return {(each["metadata"]["uid"], each["metadata"]["resourceVersion"]) for each in objects}


def lives(pod: Object) -> bool:
    """Whether a pod counts as one of its owner's replicas."""
    return not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    """Whether a living pod is Ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return lives(pod) and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
