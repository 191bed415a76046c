"""Where the DaemonSets of the two service proxies are read: kube-proxy's as kubeadm installs it, and ours. Pure.

Used by the ControlPlane's add-on (`operators.custom.addons.serviceproxy`) and by our processes on the nodes
(`proxy.service.succession`).
"""

from collections.abc import Mapping
from typing import Any

from understudy.takeover.crew import Crew

_LABELS = "app.kubernetes.io%2Fname%3Dunderstudy%2Capp.kubernetes.io%2Fcomponent%3Dservice-proxy"
OURS = f"/apis/apps/v1/daemonsets?labelSelector={_LABELS}"
"""A list: the chart chooses the namespace."""
KUBE_PROXY = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"


def crews(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> tuple[Crew | None, Crew | None]:
    """From what was read at `OURS` and `KUBE_PROXY`; None: there is no such DaemonSet."""
    every = (ours or {}).get("items") or [None]
    return Crew.of(every[0]), Crew.of(theirs)
