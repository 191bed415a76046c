"""`understudy simulate` and `explain` of a pod on a real cluster: a table, JSON, exit codes, and nothing written."""

import json
import sys
from pathlib import Path

import yaml

from tests.api.world import Place, Said, World, run, until
from understudy.cluster.rest import Object


def deployment(replicas: int, cpu: str, **pod: object) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def simulate(world: World, place: Place, file: Path, manifest: Object, *more: str) -> Said:
    file.write_text(yaml.safe_dump(manifest))
    words = ["simulate", "-f", str(file), "-n", place.name, "--kubeconfig", str(world.cluster.kubeconfig()), *more]
    return run([sys.executable, "-m", "understudy", *words])


def test_pods_are_placed_as_the_scheduler_would_and_none_is_made(world: World, place: Place, tmp_path: Path) -> None:
    said = simulate(world, place, tmp_path / "web.yaml", deployment(3, "100m"), "-o", "json")
    assert said.code == 0, said.err
    outcomes = json.loads(said.out)
    assert [each["pod"] for each in outcomes] == [f"{place.name}/web-{number}" for number in range(3)]
    assert len({each["node"] for each in outcomes}) == 3
    assert place.items("pods") == []


def test_pods_that_fit_nowhere_are_told_why(world: World, place: Place, tmp_path: Path) -> None:
    said = simulate(world, place, tmp_path / "web.yaml", deployment(1, "900"))
    assert said.code == 1
    assert "Insufficient cpu" in " ".join(said.out.split())
    assert "0 of 1 pods have a node; nothing was written" in said.out


def test_what_makes_no_sense_is_one_line(world: World, place: Place, tmp_path: Path) -> None:
    said = simulate(world, place, tmp_path / "web.yaml", deployment(1, "1", priorityClassName="none"))
    assert (said.code, said.out) == (2, "")
    assert said.err.strip() == "understudy: Deployment web: no PriorityClass with name none was found"


def test_explain_shows_every_node(world: World, place: Place) -> None:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}}
    place.create("pods", {"metadata": {"name": "web"}, "spec": {"containers": [container]}})
    until(lambda: (place.get("pods", "web") or {"spec": {}})["spec"].get("nodeName"))
    home = world.cluster.at.home
    port = (home / "ports" / "scheduler").read_text().strip()
    words = ["explain", "pod/web", "-n", place.name, "--address", f"127.0.0.1:{port}"]
    said = run([sys.executable, "-m", "understudy", *words])
    assert said.code == 0, said.err
    assert "now it could go to" in said.out
    assert "NodeResourcesFit" in said.out
    assert "TURNED DOWN BY" in said.out, "the cordoned node takes nobody"
    assert "node(s) were unschedulable" in " ".join(said.out.split())
    whole = json.loads(run([sys.executable, "-m", "understudy", *words, "-o", "json"]).out)
    assert {each["node"] for each in whole[0]["nodes"]} == {
        each["metadata"]["name"] for each in world.api.get("/api/v1/nodes")["items"]
    }
