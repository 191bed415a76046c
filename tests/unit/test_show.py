"""What is printed about the loops: the registry's table, and why an object is as it is."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import pytest

from tests.unit.loop.widgets import PARTS, WIDGETS, Census, made
from understudy import show
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.loops import ports
from understudy.loop.controller import Right, may, owned

RECORD = {
    "controller": "deployment-controller",
    "namespace": "default",
    "name": "web",
    "at": "2026-01-01T10:20:30+00:00",
    "revision": "42",
    "steps": ["create ReplicaSet web-1: a [new] template"],
    "leftOut": 0,
    "outcome": "done",
    "number": 1,
}


class Component(HTTPServer):
    """A component's debug pages, as far as they are asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queries: list[dict[str, str]] = []
        self.answer = json.dumps([RECORD]).encode()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Component)
        path = urlsplit(self.path)
        assert path.path == "/debug/explain"
        server.queries.append({key: value for key, [value] in parse_qs(path.query).items()})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(server.answer)

    def log_message(self, *_: Any) -> None:
        """In silence."""


@pytest.fixture
def component() -> Iterator[Component]:
    server = Component()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def explain(component: Component, target: str, output: str = "text", namespace: str = "default") -> int:
    return show.explain(target, namespace, "default", [component.address], output)


class TestExplain:
    def test_the_decision_and_its_reasons(self, component: Component, capsys: pytest.CaptureFixture[str]) -> None:
        assert explain(component, "deployment/web") == 0
        out = capsys.readouterr().out
        assert "deployment-controller  2026-01-01 10:20:30  revision 42  done" in out
        assert "  create ReplicaSet web-1: a [new] template" in out
        assert component.queries == [{"kind": "deployment", "namespace": "default", "name": "web"}]

    def test_nothing_done_is_said_so(self, component: Component, capsys: pytest.CaptureFixture[str]) -> None:
        component.answer = json.dumps([RECORD | {"steps": []}]).encode()
        explain(component, "deployment/web")
        assert "nothing to do: it is as it should be" in capsys.readouterr().out

    def test_what_was_left_out_is_counted(self, component: Component, capsys: pytest.CaptureFixture[str]) -> None:
        component.answer = json.dumps([RECORD | {"leftOut": 7}]).encode()
        explain(component, "deployment/web")
        assert "… and 7 more steps" in capsys.readouterr().out

    def test_the_nodes_of_a_pod(self, component: Component, capsys: pytest.CaptureFixture[str]) -> None:
        good = [{"node": f"good-{at}", "score": 90 - at, "plugins": {"Fit": 80 - at, "Taint": 10}} for at in range(2)]
        bad = [{"node": f"bad-{at}", "rejectedBy": "Ports", "reasons": ["taken", "shut"]} for at in range(40)]
        component.answer = json.dumps([RECORD | {"nodes": [*good, *bad]}]).encode()
        explain(component, "pod/web")
        lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

        at = lines.index("now it could go to")
        assert lines[at + 1 : at + 5] == [
            "NODE SCORE BY PLUGIN",
            "good-0 90 Fit 80, Taint 10",
            "good-1 89 Fit 79, Taint 10",
            "and not to",
        ]
        assert lines[at + 5 : at + 7] == ["NODE TURNED DOWN BY WHY", "bad-0 Ports taken; shut"]
        assert lines[-1] == "… and 15 more nodes: -o json has them all"

    @pytest.mark.parametrize(
        ("target", "query"),
        [
            ("deploy/web", {"kind": "deployment", "namespace": "default", "name": "web"}),
            ("RS/web", {"kind": "replicaset", "namespace": "default", "name": "web"}),
            ("widgets.example.com/a", {"kind": "widgets.example.com", "namespace": "default", "name": "a"}),
            ("no/n1", {"kind": "node", "name": "n1"}),
            ("Namespace/a", {"kind": "namespace", "name": "a"}),
        ],
    )
    def test_names_as_kubectl_takes_them(self, component: Component, target: str, query: dict[str, str]) -> None:
        explain(component, target)
        assert component.queries == [query]

    def test_as_json(self, component: Component, capsys: pytest.CaptureFixture[str]) -> None:
        assert explain(component, "deployment/web", "json") == 0
        assert json.loads(capsys.readouterr().out) == [RECORD]

    @pytest.mark.parametrize(
        ("target", "words"),
        [
            ("deployment/web", "no loop has decided anything about deployment web in default since it started"),
            ("node/n1", "no loop has decided anything about node n1 since it started"),
        ],
    )
    def test_about_the_unknown(
        self, component: Component, capsys: pytest.CaptureFixture[str], target: str, words: str
    ) -> None:
        component.answer = b"[]"
        assert explain(component, target) == 1
        assert capsys.readouterr().out.strip() == words

    @pytest.mark.parametrize("target", ["web", "deployment/", "/web", ""])
    def test_what_is_no_target(self, component: Component, target: str) -> None:
        with pytest.raises(click.UsageError, match="is not KIND/NAME, such as deployment/web"):
            explain(component, target)

    def test_nobody_there(self, component: Component) -> None:
        component.server_close()
        with pytest.raises(show.NothingToAsk, match=r"127\.0\.0\.1:\d+ does not answer: "):
            explain(component, "deployment/web")

    def test_somebody_else_there(self, component: Component) -> None:
        component.answer = b"<html>"
        with pytest.raises(show.NothingToAsk, match="does not answer"):
            explain(component, "deployment/web")

    def test_a_proxy_is_not_asked(self, component: Component, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert explain(component, "deployment/web") == 0

    def test_the_components_of_a_cluster_are_found_by_their_port_files(
        self, component: Component, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr("understudy.cluster.loops.ports", lambda cluster: tmp_path / "ports")
        with pytest.raises(show.NothingToAsk, match="start one with `understudy up --name mine`"):
            show.explain("deployment/web", "default", "mine", [], "text")
        (tmp_path / "ports").mkdir()
        (tmp_path / "ports" / "controllers").write_text(f"{component.server_port}\n")
        assert show.explain("deployment/web", "default", "mine", [], "text") == 0


def test_the_port_files_lie_with_the_cluster() -> None:
    cluster = EmbeddedCluster("default")
    assert ports(cluster).parent == cluster.at.home


class TestControllers:
    EVERY = (
        made(about="Widgets are whole.", watches=(owned(PARTS, WIDGETS),), rights=(may("create", PARTS),)),
        made(name="tracking", about="All is tidy.", tracker=Census, rights=(Right(("get",), "*", "*"),)),
    )

    def test_by_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        show.controllers(self.EVERY, "names")
        assert capsys.readouterr().out == "test-controller\ntracking\n"

    def test_as_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        show.controllers(self.EVERY, "table")
        head, first, second = capsys.readouterr().out.splitlines()
        assert head.split() == ["CONTROLLER", "KEEPS", "TRUE"]
        assert [first.split(maxsplit=1)[0], second.split(maxsplit=1)[0]] == ["test-controller", "tracking"]
        assert [first.split(maxsplit=1)[1].strip(), second.split(maxsplit=1)[1].strip()] == [
            "Widgets are whole.",
            "All is tidy.",
        ]

    def test_in_detail(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "200")
        show.controllers(self.EVERY, "wide")
        head, first, second = capsys.readouterr().out.splitlines()
        assert head.split("  ")[0] == "CONTROLLER"
        assert first.split()[-3:] == ["widgets.example.com", "parts.example.com", "parts"]
        assert "every object" in second
        assert second.split()[-2:] == ["-", "-"]

    def test_as_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        show.controllers(self.EVERY[:1], "json")
        [found] = json.loads(capsys.readouterr().out)
        assert found == {
            "name": "test-controller",
            "kind": "widgets.example.com",
            "watches": ["parts.example.com"],
            "reads": [],
            "rights": [{"verbs": ["create"], "group": "example.com", "resource": "parts"}],
            "workers": 5,
            "byDefault": True,
            "upstream": "",
            "about": "Widgets are whole.",
        }
