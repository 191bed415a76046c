"""A kind cluster by name, with an engine and a kind that pretend: what is asked of them, and what is not."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from understudy.cluster.engine import docker
from understudy.cluster.errors import ClusterError
from understudy.cluster.kind import nodeimage, provider
from understudy.cluster.kind.provider import KindCluster

CONFIG = Path(__file__).parents[4] / "kind-config.yaml"


class Machine:
    """Clusters there are, images each node holds, and every command that was run."""

    def __init__(self) -> None:
        self.clusters: list[str] = []
        self.commands: list[str] = []
        self.sent: dict[str, list[str]] = {}
        self.images = "docker.io/library/understudy:abc\nregistry.k8s.io/pause:3.10\n"
        self.fails = ""

    def run(self, command: Sequence[str], *, text: str | None = None, timeout: float) -> str:
        line = " ".join([Path(command[0]).name, *command[1:]])
        self.commands.append(line)
        if self.fails and self.fails in line:
            raise ClusterError(f"{line} failed")
        return "\n".join(self.clusters) if "get clusters" in line else "apiVersion: v1\n"

    def docker(self, *arguments: str, **_: object) -> str:
        if arguments[0] == "ps":
            return "own-worker\nown-control-plane\n"
        return self.images if "ls" in arguments else ""

    def send(self, node: str, tags: Sequence[str]) -> None:
        self.sent[node] = list(tags)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(provider, "run", found.run)
    monkeypatch.setattr(provider, "_send", found.send)
    monkeypatch.setattr(provider, "ensure", lambda names: {name: Path("/bin") / name for name in names})
    monkeypatch.setattr(provider, "has_sys_resource", lambda: True)
    monkeypatch.setattr(provider, "find_or_make", lambda choice, say: f"understudy/node:{choice}")
    monkeypatch.setattr(docker, "run", found.docker)
    monkeypatch.setattr(docker, "require", lambda: None)
    return found


@pytest.fixture
def cluster(tmp_path: Path, machine: Machine) -> KindCluster:
    return KindCluster("own", root=tmp_path)


def test_a_new_cluster_is_made_from_the_rendered_configuration(cluster: KindCluster, machine: Machine) -> None:
    cluster.up(CONFIG, image="self-made")
    made = cluster.home / "kind-config.yaml"
    assert machine.commands[1] == f"kind create cluster --name own --config {made} --image understudy/node:self-made"
    assert "skipPhases" in yaml.safe_load(made.read_text())["kubeadmConfigPatches"][0]
    assert cluster.kubeconfig.read_text() == "apiVersion: v1\n"
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_a_cluster_that_exists_stays(cluster: KindCluster, machine: Machine) -> None:
    machine.clusters = ["other", "own"]
    cluster.up(CONFIG)
    assert not any("create" in command for command in machine.commands)
    assert cluster.kubeconfig.exists()


def test_half_a_cluster_is_removed(cluster: KindCluster, machine: Machine) -> None:
    machine.fails = "create cluster"
    with pytest.raises(ClusterError, match="create cluster"):
        cluster.up(CONFIG)
    assert machine.commands[-1] == "kind delete cluster --name own"
    assert not cluster.kubeconfig.exists()


def test_down_leaves_no_file_of_the_cluster(cluster: KindCluster, machine: Machine) -> None:
    machine.clusters = ["own"]
    cluster.up(CONFIG)
    assert cluster.down() is True
    assert list(cluster.home.iterdir()) == []
    machine.clusters = []
    assert cluster.down() is False


def test_the_control_plane_is_the_first_node(cluster: KindCluster) -> None:
    assert cluster.nodes() == ["own-control-plane", "own-worker"]


def test_a_node_is_sent_only_what_it_lacks(cluster: KindCluster, machine: Machine) -> None:
    cluster.load(["understudy:abc", "understudy:def", "registry.k8s.io/pause:3.10", "me/mine:1"])
    assert machine.sent == {node: ["understudy:def", "me/mine:1"] for node in cluster.nodes()}


def test_nothing_is_sent_if_nothing_lacks(cluster: KindCluster, machine: Machine) -> None:
    cluster.load(["understudy:abc"])
    assert machine.sent == {}


def said(_: str) -> None:
    return None


@pytest.mark.parametrize(
    ("choice", "here", "served", "found"),
    [
        ("auto", True, False, nodeimage.OFFICIAL),
        ("auto", False, True, nodeimage.OFFICIAL),
        ("auto", False, False, "understudy/node:made"),
        ("official", False, True, nodeimage.OFFICIAL),
        ("self-made", True, True, "understudy/node:made"),
        ("example.com/own:1", True, True, "example.com/own:1"),
    ],
)
def test_which_node_image_is_taken(
    monkeypatch: pytest.MonkeyPatch, choice: str, here: bool, served: bool, found: str
) -> None:
    monkeypatch.setattr(docker, "has_image", lambda tag: here)
    monkeypatch.setattr(docker, "succeeds", lambda *arguments, timeout: served)
    monkeypatch.setattr(docker, "run", lambda *arguments, timeout: "")
    monkeypatch.setattr(nodeimage, "self_made", lambda say: "understudy/node:made")
    assert nodeimage.find_or_make(choice, said) == found
    assert nodeimage.is_self_made(found) is (found == "understudy/node:made")
