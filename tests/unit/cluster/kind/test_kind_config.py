"""What is added to kind-config.yaml for the machine and the image at hand, and that nothing else changes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from understudy.cluster.kind.config import AUDIT_POLICY, render

BASE = (Path(__file__).parents[4] / "kind-config.yaml").read_text()


def rendered(**chosen: Any) -> dict[str, Any]:
    settings = {"self_made": False, "relieved": False, **chosen}
    config: dict[str, Any] = yaml.safe_load(render(BASE, **settings))
    config["kubeadmConfigPatches"] = [yaml.safe_load(patch) for patch in config.get("kubeadmConfigPatches", [])]
    return config


def patch(config: dict[str, Any], kind: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for found in config["kubeadmConfigPatches"]:
        if found["kind"] == kind:
            merged |= found
    return merged


def test_an_ordinary_machine_gets_the_file_as_it_is() -> None:
    config = rendered()
    assert config.pop("kubeadmConfigPatches") == []
    assert config == yaml.safe_load(BASE)


def test_the_pod_network_is_left_to_us() -> None:
    config = rendered()
    assert config["networking"]["disableDefaultCNI"] is True
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]


def test_our_own_image_has_no_dns_and_skips_the_checks_of_its_tools() -> None:
    config = rendered(self_made=True)
    assert patch(config, "InitConfiguration")["skipPhases"] == ["preflight", "addon/coredns"]
    assert patch(config, "JoinConfiguration")["skipPhases"] == ["preflight"]
    assert "featureGates" not in patch(config, "KubeletConfiguration")


@pytest.mark.parametrize("self_made", [True, False])
def test_a_machine_without_the_capability_needs_a_gate(self_made: bool) -> None:
    config = rendered(self_made=self_made, relieved=True)
    assert patch(config, "KubeletConfiguration")["featureGates"] == {"KubeletInUserNamespace": True}


def test_the_kubelets_back_off_can_be_kept_short() -> None:
    kubelet = patch(rendered(longest_back_off="10s"), "KubeletConfiguration")
    assert kubelet["featureGates"] == {"KubeletCrashLoopBackOffMax": True}
    assert kubelet["crashLoopBackOff"] == {"maxContainerRestartPeriod": "10s"}


def test_an_audit_log_is_kept_on_the_control_plane_only() -> None:
    config = rendered(audit_policy="/tmp/policy.yaml")
    assert [node.get("extraMounts") for node in config["nodes"]] == [
        [{"hostPath": "/tmp/policy.yaml", "containerPath": AUDIT_POLICY, "readOnly": True}],
        None,
        None,
    ]
    api_server = patch(config, "ClusterConfiguration")["apiServer"]
    assert api_server["extraArgs"]["audit-policy-file"] == AUDIT_POLICY
    log = api_server["extraArgs"]["audit-log-path"]
    assert any(Path(log).parent == Path(volume["mountPath"]) for volume in api_server["extraVolumes"])
