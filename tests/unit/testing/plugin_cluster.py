"""A `Cluster` whose API server is the one in memory, and a loop's debug pages over HTTP, for tests of the plugin."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from understudy.testing.access import Access
from understudy.testing.client import Client
from understudy.testing.cluster import Cluster
from understudy.testing.fake import FakeApi

Json = dict[str, Any]


class FakeClient(Client):
    """Asks a `FakeApi` instead of a socket."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self._one_at_a_time = threading.RLock()
        self._known = []

    def close(self) -> None:
        pass

    def _request(self, method: str, path: str, body: Json | None, kind: str = "application/json") -> tuple[int, str]:
        content = None if body is None else json.dumps(body).encode()
        answer = self.api.handle(method, path, content, content_type=kind)
        return answer.status, answer.body.decode()


def fake_cluster(api: FakeApi, ports: Path) -> Cluster:
    """A cluster called "c" on that server; `ports` may hold the ports of loops."""
    return Cluster(Access("c", ports / "root", 1, Path("/nowhere/kubectl"), ports), FakeClient(api))


@contextmanager
def loop_pages(ports: Path, pages: dict[str, list[Json]]) -> Iterator[list[str]]:
    """A loop that answers /debug/NAME with `pages[NAME]`; yields the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = json.dumps(pages[self.path.removeprefix("/debug/").partition("?")[0]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        (ports / "controllers").write_text(str(server.server_port))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def record(name: str = "web", **more: Any) -> Json:
    """A decision as the debug pages tell it."""
    told = {"controller": "deployment-controller", "namespace": "ns", "name": name, "at": "2026-01-01T10:20:30.123456"}
    return {**told, "revision": "1", "steps": ["create Pod a: one is missing"], "leftOut": 0, "outcome": "done", **more}
