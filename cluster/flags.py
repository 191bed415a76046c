"""The command lines of etcd, kube-apiserver and kwok, and kube-apiserver's authentication file. Pure: paths
and ports in, arguments out.

Called by `understudy.cluster.embedded`. Answers to the flag references of etcd 3.6, kube-apiserver 1.34
(kubeadm's static pod is the model) and kwok 0.8.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understudy.cluster.layout import Layout

SERVICE_CIDR = "10.96.0.0/16"
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"
NODE_ANNOTATION = "kwok.x-k8s.io/node"
HEARTBEAT_LABEL = "kwok.understudy.dev/heartbeat"
_POD_NETWORKS = 32


def etcd(binary: str, at: Layout, client: int, peer: int, *, fast: bool) -> list[str]:
    """Return etcd's command line: one member on loopback, open to holders of its own authority's certificates
    only.

    `fast` leaves out fsync: a kill -9 loses nothing, a power failure may lose the last seconds.
    """
    url, peer_url = f"https://127.0.0.1:{client}", f"https://127.0.0.1:{peer}"
    pki = at.pki
    return [
        binary,
        "--name=understudy",
        f"--data-dir={at.etcd}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=understudy={peer_url}",
        *_tls("", f"{pki}/etcd"),
        *_tls("peer-", f"{pki}/etcd"),
        f"--trusted-ca-file={pki}/etcd-ca.crt",
        f"--peer-trusted-ca-file={pki}/etcd-ca.crt",
        "--client-cert-auth=true",
        "--peer-client-cert-auth=true",
        # A single member has nobody to wait for: these make it its own leader in 0.1 s instead of 1 to 2 s.
        "--heartbeat-interval=10",
        "--election-timeout=100",
        # Compaction is kube-apiserver's (every five minutes); etcd's own would only race it.
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
        *(["--unsafe-no-fsync"] if fast else []),
    ]


def apiserver(binary: str, at: Layout, port: int, etcd_port: int, extra: Sequence[str] = ()) -> list[str]:
    """Return kube-apiserver's command line; `extra` comes last and so wins over what is here."""
    pki = at.pki
    return [
        binary,
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--etcd-servers=https://127.0.0.1:{etcd_port}",
        f"--etcd-cafile={pki}/etcd-ca.crt",
        f"--etcd-certfile={pki}/apiserver-etcd-client.crt",
        f"--etcd-keyfile={pki}/apiserver-etcd-client.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--authentication-config={at.authentication}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        *_front_proxy(at),
        # A loop that is measured must be held back by the server's speed, never by a quota.
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=0",
        "--max-mutating-requests-inflight=0",
        # The `kubernetes` Service would have to point at a loopback address, which Endpoints may not hold.
        "--endpoint-reconciler-type=none",
        "--profiling=false",
        "--shutdown-delay-duration=0s",
        *extra,
    ]


def kwok(binary: str, at: Layout, stages: Sequence[Path], starts: int) -> list[str]:
    """Return kwok's command line. `starts` says how often it was started before: each start has its own pod
    network.

    A kwok that starts anew does not know the addresses it gave out before and would give them out twice.
    """
    return [
        binary,
        f"--kubeconfig={at.kubeconfig_of('kwok')}",
        *(f"--config={path}" for path in stages),
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={NODE_ANNOTATION}=fake",
        # Its watch loses a node that gets this label, and with it the lease: that node is as dead as one
        # unplugged.
        f"--manage-nodes-with-label-selector={HEARTBEAT_LABEL}!=stopped",
        "--node-lease-duration-seconds=40",
        f"--cidr={pod_network(starts)}",
        "--node-ip=127.0.0.1",
        # At INFO it writes half a kilobyte for every pod it touches.
        "--v=WARN",
    ]


def pod_network(starts: int) -> str:
    """Return the network that the pods of kwok's next start get their addresses from."""
    return f"10.{192 + starts % _POD_NETWORKS}.0.0/16"


def authentication() -> dict[str, Any]:
    """Return the AuthenticationConfiguration: strangers may ask whether the server is well, and nothing else."""
    paths = [{"path": path} for path in ("/livez", "/readyz", "/healthz")]
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": paths},
    }


def _front_proxy(at: Layout) -> list[str]:
    """The aggregation layer: how kube-apiserver tells extension servers who asks."""
    return [
        f"--requestheader-client-ca-file={at.pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={at.pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={at.pki}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
    ]


def _tls(prefix: str, stem: str) -> list[str]:
    return [f"--{prefix}cert-file={stem}.crt", f"--{prefix}key-file={stem}.key"]
