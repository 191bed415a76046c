"""The configuration kind is started with: kind-config.yaml as it stands, with what this machine and image need added.

Pure; called by `provider`. The patches are kubeadm's own configuration objects, merged by kind.
"""

from typing import Any

import yaml

AUDIT_FOLDER = "/var/log/kubernetes"
AUDIT_POLICY = "/etc/kubernetes/audit.yaml"


def render(
    base: str, *, self_made: bool, relieved: bool, audit_policy: str | None = None, longest_back_off: str | None = None
) -> str:
    """The configuration as YAML.

    `self_made`: the node image is ours, which carries no CoreDNS and none of the tools kubeadm's preflight asks for.
    `relieved`: the machine withholds CAP_SYS_RESOURCE. `audit_policy`: a file on this machine, if the API server
    shall keep an audit log. `longest_back_off` ("10s"): how long the kubelet may let a container that ended wait.
    """
    config: dict[str, Any] = yaml.safe_load(base)
    patches = config.setdefault("kubeadmConfigPatches", [])
    if self_made:
        patches.append(_text("InitConfiguration", {"skipPhases": ["preflight", "addon/coredns"]}))
        patches.append(_text("JoinConfiguration", {"skipPhases": ["preflight"]}))
        patches.append(_kubelet({"resolvConf": "/kind/resolv.conf"}))
    if relieved:
        # Without the capability a kubelet may not lower its own oom_score_adj and would end.
        patches.append(_kubelet({"featureGates": {"KubeletInUserNamespace": True}}))
    if longest_back_off is not None:
        gate = {"featureGates": {"KubeletCrashLoopBackOffMax": True}}
        patches.append(_kubelet(gate | {"crashLoopBackOff": {"maxContainerRestartPeriod": longest_back_off}}))
    if audit_policy is not None:
        _audit(config, audit_policy)
    return yaml.safe_dump(config, sort_keys=False)


def _audit(config: dict[str, Any], policy: str) -> None:
    leader = next(node for node in config["nodes"] if node["role"] == "control-plane")
    leader.setdefault("extraMounts", []).append({"hostPath": policy, "containerPath": AUDIT_POLICY, "readOnly": True})
    arguments = {"audit-policy-file": AUDIT_POLICY, "audit-log-path": f"{AUDIT_FOLDER}/audit.log"}
    volumes = [
        {"name": "audit-policy", "hostPath": AUDIT_POLICY, "mountPath": AUDIT_POLICY, "readOnly": True},
        {"name": "audit-log", "hostPath": AUDIT_FOLDER, "mountPath": AUDIT_FOLDER, "pathType": "DirectoryOrCreate"},
    ]
    api_server = {"apiServer": {"extraArgs": arguments, "extraVolumes": volumes}}
    config["kubeadmConfigPatches"].append(_text("ClusterConfiguration", api_server))


def _text(kind: str, content: dict[str, Any]) -> str:
    return yaml.safe_dump({"kind": kind, **content}, sort_keys=False)


def _kubelet(content: dict[str, Any]) -> str:
    api = {"apiVersion": "kubelet.config.k8s.io/v1beta1"}
    return yaml.safe_dump({"kind": "KubeletConfiguration", **api, **content}, sort_keys=False)
