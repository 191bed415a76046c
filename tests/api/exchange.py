"""One request, two servers: kube-apiserver and our API server in memory, their answers made comparable.

What differs by nature (uids, revisions, times, addresses) is replaced by what it stands for; all else must be the same:
status code, every field of the object, every word of a refusal.
"""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import client_tls
from understudy.testing.fake import FakeApi
from understudy.testing.fake_watch import Watcher

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PATCH = "application/json-patch+json"

Json = Any
Body = Json | Callable[[Json], Json]

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BY_NATURE = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"10\.96\.\d+\.\d+"), "<address>"),
    (re.compile(r"(?<=ersion: )\d+|(?<=current: )\d+|(?<=ersion in record \()\d+"), "<revision>"),
)


class Side(Protocol):
    """One of the servers."""

    def ask(self, method: str, path: str, body: bytes | None, kind: str, accept: str) -> tuple[int, bytes]: ...
    def watch(self, path: str) -> Iterator[bytes]: ...


class Real:
    """The real one, by an administrator's certificate."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        port = next(each.port for each in cluster.status().components if each.name == "kube-apiserver")
        tls = client_tls(cluster.at.pki)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=30)

    def ask(self, method: str, path: str, body: bytes | None, kind: str, accept: str) -> tuple[int, bytes]:
        self._connection.request(method, path, body, {"Content-Type": kind, "Accept": accept})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def watch(self, path: str) -> Iterator[bytes]:
        """All lines of a watch that lasts one second."""
        _, text = self.ask("GET", f"{path}&watch=1&timeoutSeconds=1", None, JSON, JSON)
        yield from text.splitlines()

    def close(self) -> None:
        self._connection.close()


class Fake:
    """Ours."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api

    def ask(self, method: str, path: str, body: bytes | None, kind: str, accept: str) -> tuple[int, bytes]:
        answer = self._api.handle(method, path, body, content_type=kind, accept=accept)
        return answer.status, answer.body

    def watch(self, path: str) -> Iterator[bytes]:
        """The lines a watch has at once."""
        watcher = self._api.open(f"{path}&watch=1")
        yield from watcher.lines if isinstance(watcher, Watcher) else watcher.body.splitlines()


@dataclass
class Seen:
    """What one side has answered so far: uids become numbers in the order in which they were first met."""

    side: Side
    last: Json = None
    uids: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Body, kind: str, accept: str) -> Json:
        """Status and comparable body."""
        sent = body(self.last) if callable(body) else body
        data = None if sent is None else json.dumps(sent).encode()
        status, text = self.side.ask(method, path, data, kind, accept)
        self.last = json.loads(text)
        return {"code": status, "body": self.comparable(self.last)}

    def comparable(self, value: Json, key: str = "") -> Json:
        if isinstance(value, dict):
            kept = {name: self.comparable(each, name) for name, each in value.items() if name != "managedFields"}
            return {name: each for name, each in kept.items() if each not in (None, "", [], {})}
        if isinstance(value, list):
            every = [self.comparable(each, key) for each in value]
            # The real one validates some fields twice, and says so twice.
            return [each for number, each in enumerate(every) if key != "causes" or each not in every[:number]]
        if key in ("resourceVersion", "nodePort", "continue") and value:
            return f"<{key}>"
        return self._text(value) if isinstance(value, str) else value

    def _text(self, value: str) -> str:
        for pattern, stands_for in _BY_NATURE:
            value = pattern.sub(stands_for, value)
        return _UID.sub(lambda found: self.uids.setdefault(found[0], f"<uid {len(self.uids)}>"), value)


@dataclass
class Exchange:
    """`ask` both and note what differs; a body may be a function of the answer before, each side's own."""

    real: Seen
    fake: Seen
    namespace: str
    differences: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Body = None, kind: str = JSON, accept: str = JSON) -> int:
        """The status of the real one's answer."""
        real, fake = (side.ask(method, path, body, kind, accept) for side in (self.real, self.fake))
        self.differences += [f"{method} {path}: {each}" for each in _differences(real, fake)]
        return int(real["code"])

    def create(self, collection: str, body: Body) -> int:
        return self.ask("POST", collection, body)

    def get(self, path: str, accept: str = JSON) -> int:
        return self.ask("GET", path, accept=accept)

    def put(self, path: str, body: Body) -> int:
        return self.ask("PUT", path, body)

    def merge(self, path: str, body: Body) -> int:
        return self.ask("PATCH", path, body, MERGE)

    def strategic(self, path: str, body: Body) -> int:
        return self.ask("PATCH", path, body, STRATEGIC)

    def patch(self, path: str, body: Body) -> int:
        return self.ask("PATCH", path, body, PATCH)

    def delete(self, path: str, body: Body = None) -> int:
        return self.ask("DELETE", path, body)

    def watch(self, collection: str, query: str = "resourceVersion=2") -> list[str]:
        """The types of the real one's events; both must tell the same ones of the same objects in the same states."""
        path = f"{collection}?{query}"
        real, fake = ([_summary(side, line) for line in side.side.watch(path)] for side in (self.real, self.fake))
        if real != fake:
            self.differences += [f"watch {path}: real {real}, fake {fake}"]
        return [each["type"] for each in real]


def _summary(seen: Seen, line: bytes) -> Json:
    event = json.loads(line)
    if "type" not in event:
        return {"type": "refused", "status": seen.comparable(event)}
    if event["type"] == "BOOKMARK":
        annotations = event["object"]["metadata"].get("annotations")
        return {"type": "BOOKMARK", "kind": event["object"]["kind"], "annotations": annotations}
    return {"type": event["type"], "object": seen.comparable(event["object"])}


def _differences(real: Json, fake: Json, where: str = "") -> Iterator[str]:
    if isinstance(real, dict) and isinstance(fake, dict):
        for name in sorted(real.keys() | fake.keys()):
            yield from _differences(real.get(name, "<absent>"), fake.get(name, "<absent>"), f"{where}.{name}")
    elif isinstance(real, list) and isinstance(fake, list) and len(real) == len(fake):
        for number, (one, other) in enumerate(zip(real, fake, strict=True)):
            yield from _differences(one, other, f"{where}[{number}]")
    elif real != fake:
        yield f"{where}: real {str(real)[:300]} fake {str(fake)[:300]}"
