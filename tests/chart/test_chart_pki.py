"""The cluster's keys for the controllers: only if asked for, from one of two places, readable by nobody else."""

import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import find, pods, refusal, render
from understudy.components import SETTINGS

FILES = ("ca.crt", "ca.key", "sa.key")
HOST_PATH: dict[str, object] = {"controllers": {"pki": {"hostPath": "/etc/kubernetes/pki"}}}
SECRET: dict[str, object] = {"controllers": {"pki": {"secret": "keys"}}}


def controllers(values: dict[str, object] | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = find(render(values), "Deployment", "understudy-controllers")["spec"]["template"]["spec"]
    return spec


def key_arguments(pod: dict[str, Any]) -> dict[str, str]:
    """The file of each key by its flag."""
    pairs = (argument.split("=") for argument in pod["containers"][0]["args"] if "=/pki/" in argument)
    return {flag: Path(path).name for flag, path in pairs}


class TestNeither:
    def test_no_key_is_mounted_unless_asked_for(self) -> None:
        pod = controllers()
        assert key_arguments(pod) == {}
        assert not pod.keys() & {"volumes", "initContainers", "nodeSelector"}
        assert "fsGroup" not in pod["securityContext"]

    @pytest.mark.parametrize(
        ("pki", "said"),
        [
            ({"hostPath": "/a", "secret": "b"}, "at '/controllers/pki'"),
            ({"hostPath": "etc/kubernetes"}, "at '/controllers/pki/hostPath'"),
            ({"hostPath": "/etc/kubernetes/pki/"}, "at '/controllers/pki/hostPath'"),
            ({"secret": "Keys"}, "at '/controllers/pki/secret'"),
            ({"configMap": "keys"}, "at '/controllers/pki'"),
        ],
    )
    def test_nonsense_is_refused(self, pki: dict[str, str], said: str) -> None:
        assert said in refusal({"controllers": {"pki": pki}})


@pytest.mark.parametrize("values", [HOST_PATH, SECRET], ids=["hostPath", "secret"])
class TestEither:
    def test_the_controllers_are_told_of_their_keys_by_flags_they_know(self, values: dict[str, object]) -> None:
        told = key_arguments(controllers(values))
        assert told == {
            "--cluster-signing-cert-file": "ca.crt",
            "--cluster-signing-key-file": "ca.key",
            "--service-account-private-key-file": "sa.key",
        }
        assert told.keys() <= {setting.option for setting in SETTINGS}

    def test_they_stay_somebody_else_than_root_and_read_by_their_group(self, values: dict[str, object]) -> None:
        pod = controllers(values)
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 65532
        (container,) = pod["containers"]
        assert container["volumeMounts"] == [{"name": "pki", "mountPath": "/pki", "readOnly": True}]
        assert "runAsUser" not in container["securityContext"]

    def test_nobody_else_gets_them(self, values: dict[str, object]) -> None:
        def others(manifests: list[dict[str, Any]]) -> dict[str, Any]:
            return {name: pod for name, pod in pods(manifests) if name != "understudy-controllers"}

        assert others(render(values)) == others(render())


class TestSecret:
    def test_the_three_files_and_no_more_for_owner_and_group(self) -> None:
        (volume,) = controllers(SECRET)["volumes"]
        assert volume["secret"]["secretName"] == "keys"
        assert volume["secret"]["defaultMode"] == 0o440
        assert [item["path"] for item in volume["secret"]["items"]] == list(FILES)


class TestHostPath:
    def test_the_controllers_run_where_the_files_are(self) -> None:
        pod = controllers(HOST_PATH)
        assert pod["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
        taints = {(each["key"], each["effect"]) for each in pod["tolerations"]}
        assert ("node-role.kubernetes.io/control-plane", "NoSchedule") in taints

    def test_root_copies_single_files_into_memory_and_has_no_capability(self) -> None:
        pod = controllers(HOST_PATH)
        (copier,) = pod["initContainers"]
        assert copier["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert copier["securityContext"]["runAsUser"] == 0
        mounts = {mount["name"]: mount for mount in copier["volumeMounts"]}
        for volume in pod["volumes"]:
            if volume["name"] == "pki":
                assert volume["emptyDir"]["medium"] == "Memory"
                continue
            assert volume["hostPath"]["type"] == "File"
            assert mounts[volume["name"]]["readOnly"] is True
            assert Path(mounts[volume["name"]]["mountPath"]).name == Path(volume["hostPath"]["path"]).name
        assert {Path(volume["hostPath"]["path"]) for volume in pod["volumes"] if "hostPath" in volume} == {
            Path("/etc/kubernetes/pki") / name for name in FILES
        }

    def test_what_it_runs_copies_them_again_and_again_for_owner_and_group_only(self, tmp_path: Path) -> None:
        node, pki = tmp_path / "node", tmp_path / "pki"
        node.mkdir()
        pki.mkdir()
        for name in FILES:
            (node / name).write_text(name)
            (node / name).chmod(0o600)
        (copier,) = controllers(HOST_PATH)["initContainers"]
        command = [part.replace("/pki", str(pki)).replace("/node", str(node)) for part in copier["command"]]
        assert shutil.which(command[0])
        for _ in range(2):
            subprocess.run(command, check=True, timeout=10)
        for name in FILES:
            assert (pki / name).read_text() == name
            assert stat.S_IMODE((pki / name).stat().st_mode) == 0o440
