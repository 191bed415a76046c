"""Who is started with which arguments, and who they are to the API server."""

import csv
import stat
from pathlib import Path

import pytest

from tests.bench import contenders
from tests.bench.access import ADMIN, MANAGER, SCHEDULER, Access, kubeconfig
from understudy.api.config import load
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.layout import Layout
from understudy.components import registry

BINARIES = {contenders.KCM: Path("kcm"), contenders.KUBE_SCHEDULER: Path("sched")}


def test_upstream_runs_the_same_controllers_as_ours(tmp_path: Path) -> None:
    argv = contenders.kcm_argv(Path("kcm"), Layout(tmp_path, "bench"), tmp_path / "config", list(registry()))

    assert f"--controllers={','.join(registry())}" in argv
    assert f"--kubeconfig={tmp_path}/config" in argv
    assert "--leader-elect=false" in argv


def test_everybody_has_a_name_of_their_own(tmp_path: Path) -> None:
    access = Access(tmp_path)
    for group in (contenders.controllers(BINARIES, access), contenders.schedulers(BINARIES, access)):
        assert group[0].name == contenders.OURS
        assert len({one.name for one in group}) == len(group)


def test_kube_scheduler_is_given_its_own_rights_and_no_limits(tmp_path: Path) -> None:
    found = contenders.scheduler_configuration(tmp_path / "config")

    assert found["clientConnection"] == {"kubeconfig": str(tmp_path / "config"), "qps": 5000, "burst": 5000}
    assert found["leaderElection"] == {"leaderElect": False}


def test_each_token_is_a_user_of_upstream_and_no_two_are_alike(tmp_path: Path) -> None:
    access = Access(tmp_path)
    access.write_tokens()

    rows = list(csv.reader(access.token_file.read_text().splitlines()))

    assert {row[1]: row[3] for row in rows} == {
        "bench": "system:masters",
        "system:kube-controller-manager": "",
        "system:kube-scheduler": "",
    }
    assert len({row[0] for row in rows}) == len({row[2] for row in rows}) == 3
    assert stat.S_IMODE(access.token_file.stat().st_mode) == 0o600


def test_two_runs_have_different_tokens(tmp_path: Path) -> None:
    assert set(Access(tmp_path)._tokens.values()).isdisjoint(Access(tmp_path)._tokens.values())


def test_without_a_cluster_there_is_nothing_to_point_to(tmp_path: Path) -> None:
    access = Access(tmp_path / "access")

    with pytest.raises(ClusterError, match="does not run"):
        access.write_kubeconfigs(EmbeddedCluster("bench", tmp_path))
    assert not any(access.kubeconfig(user).exists() for user in (ADMIN, MANAGER, SCHEDULER))


def test_our_own_client_reads_such_a_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "config"
    content = kubeconfig("http://127.0.0.1:1", tmp_path / "ca.crt", "secret")
    file.write_text(str(content).replace("'", '"'))

    found = load(file)

    assert (found.server, found.token.header()) == ("http://127.0.0.1:1", b"Bearer secret")
