"""What the tests of the in-memory API server share: requests as a client sends them, and objects to send."""

from typing import Any

import msgspec

from understudy.testing.fake import FakeApi
from understudy.testing.fake_watch import Watcher

Json = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def ask(
    api: FakeApi,
    method: str,
    path: str,
    body: Any = None,
    content_type: str = "application/json",
    accept: str = "application/json",
) -> tuple[int, Json]:
    """One request; status and decoded body of the answer."""
    data = None if body is None else msgspec.json.encode(body)
    answer = api.handle(method, path, data, content_type=content_type, accept=accept)
    return answer.status, msgspec.json.decode(answer.body)


def opened(api: FakeApi, path: str, accept: str = "application/json") -> Watcher:
    """A watch that must not be refused."""
    watcher = api.open(path, accept=accept)
    assert isinstance(watcher, Watcher)
    return watcher


def events(watcher: Watcher) -> list[tuple[str, str]]:
    """Type and name (or, of bookmarks, resourceVersion) of the events that wait; they are taken."""
    taken = [decoded(line) for line in watcher.lines]
    watcher.lines.clear()
    return [
        (each["type"], each["object"]["metadata"].get("name", each["object"]["metadata"].get("resourceVersion", "")))
        for each in taken
    ]


def decoded(line: bytes) -> Json:
    event: Json = msgspec.json.decode(line)
    return event


def pod(name: str, **meta: Any) -> Json:
    spec = {"containers": [{"name": "c", "image": "i:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **meta}, "spec": spec}


def bound_pod(api: FakeApi, name: str, **meta: Any) -> Json:
    """A pod on node n1, as the server shows it."""
    api.apply(pod(name, **meta))
    target = {"apiVersion": "v1", "kind": "Node", "name": "n1"}
    status, _ = ask(api, "POST", f"{PODS}/{name}/binding", {"metadata": {"name": name}, "target": target})
    assert status == 201
    found = api.get("pods", name)
    assert found is not None
    return found


def configmap(name: str, value: str = "1", **meta: Any) -> Json:
    data = {"value": value}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": data}


def workload(kind: str, name: str, **spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    full = {"selector": {"matchLabels": {"app": "w"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": full}
