"""kubeadm on a cluster that ours lead: tokens, a worker that joins by TLS bootstrap, a kubelet's certificate renewed.

What kubeadm and the kubelet need of the controllers: bootstrap-signer and token-cleaner, the approval and signing of
certificates, the new node's podCIDR. Upstream's manager stands by meanwhile and the audit log says who wrote.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.api.world import Place, get, path, until
from tests.cluster.world import KindWorld, web
from understudy.cluster.kind.kubeadm import FOLDER
from understudy.cluster.rest import Object

CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
JOIN_SECONDS = 300.0


def kubeadm(world: KindWorld, *arguments: str) -> str:
    """What kubeadm prints on the control plane's node."""
    return world.cluster.execute(world.cluster.nodes()[0], "kubeadm", *arguments)


def published(world: KindWorld) -> set[str]:
    """The ids of the tokens that cluster-info is signed for."""
    data = world.api.get(CLUSTER_INFO)["data"]
    return {name.removeprefix("jws-kubeconfig-") for name in data if name.startswith("jws-kubeconfig-")}


def issued(world: KindWorld, requestor: str) -> list[Object]:
    """The requests of that user for a kubelet's client certificate that have been answered, oldest first."""
    found = [each for each in world.api.get(REQUESTS)["items"] if each["spec"]["signerName"] == KUBELET_CLIENT]
    mine = [each for each in found if re.fullmatch(requestor, each["spec"]["username"])]
    answered = [each for each in mine if each["status"].get("certificate")]
    return sorted(answered, key=lambda each: str(each["metadata"]["creationTimestamp"]))


def approval(request: Object) -> tuple[str, str]:
    (condition,) = request["status"]["conditions"]
    assert condition["type"] == "Approved"
    return condition["reason"], condition["message"]


def answered_by_ours(world: KindWorld, request: Object) -> bool:
    """Whether the audit log says that ours approved and signed it, and nobody else."""
    name = request["metadata"]["name"]
    answers = ("certificatesigningrequests/approval", "certificatesigningrequests/status")
    writes = {(each.resource, each.side) for each in world.writes() if each.name == name and each.resource in answers}
    return writes == {(resource, "ours") for resource in answers}


def is_ready(world: KindWorld, name: str) -> bool:
    found = get(world.api, f"/api/v1/nodes/{name}")
    conditions = found["status"].get("conditions", []) if found else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def test_a_token_is_published_and_goes_when_it_is_over(world: KindWorld) -> None:
    world.ours_lead()
    lasting = kubeadm(world, "token", "create", "--ttl=10m").strip().partition(".")[0]
    until(lambda: lasting in published(world), why=lambda: published(world))
    short = kubeadm(world, "token", "create", "--ttl=15s").strip().partition(".")[0]
    until(lambda: short in published(world), why=lambda: published(world))
    until(lambda: get(world.api, path("secrets", "kube-system", f"bootstrap-token-{short}")) is None, 60)
    until(lambda: short not in published(world), why=lambda: published(world))
    assert lasting in published(world)
    kubeadm(world, "token", "delete", lasting)
    until(lambda: lasting not in published(world), why=lambda: published(world))


@pytest.fixture
def away(world: KindWorld) -> Iterator[str]:
    """A worker that has left the cluster, as `kubeadm reset` and `kubectl delete node` leave it."""
    world.ours_lead()
    worker = world.cluster.nodes()[-1]
    world.cluster.execute(worker, "kubeadm", "reset", "--force", "--cri-socket=unix:///run/containerd/containerd.sock")
    world.cluster.execute(worker, "sh", "-c", "rm -f /etc/cni/net.d/*")
    world.api.delete(f"/api/v1/nodes/{worker}")
    until(lambda: get(world.api, f"/api/v1/nodes/{worker}") is None)
    yield worker
    until(lambda: is_ready(world, worker), JOIN_SECONDS)
    until(lambda: len(world.processes("controllers")) == len(world.processes("scheduler")) == 2, JOIN_SECONDS)


def join(world: KindWorld, worker: str) -> str:
    """Let the worker join with a new token, by the configuration that kind left on it. The token's id."""
    token = kubeadm(world, "token", "create", "--ttl=10m").strip()
    until(lambda: token.partition(".")[0] in published(world))
    script = f"sed 's/ token: .*/ token: {token}/' /kind/kubeadm.conf > /kind/join.conf"
    world.cluster.execute(worker, "sh", "-c", script)
    command = ("kubeadm", "join", "--config=/kind/join.conf", "--skip-phases=preflight")
    world.cluster.execute(worker, *command, timeout=JOIN_SECONDS)
    return token.partition(".")[0]


def test_a_worker_joins_and_works(world: KindWorld, place: Place, away: str) -> None:
    token = join(world, away)
    (request,) = issued(world, f"system:bootstrap:{token}")
    assert approval(request) == (
        "AutoApproved",
        "Auto approving kubelet client certificate after SubjectAccessReview.",
    )
    until(lambda: answered_by_ours(world, request))
    until(lambda: is_ready(world, away), JOIN_SECONDS)
    nodes = {each["metadata"]["name"]: each["spec"] for each in world.api.get("/api/v1/nodes")["items"]}
    cidrs = {name: ip_network(spec["podCIDR"]) for name, spec in nodes.items()}
    assert len(set(cidrs.values())) == 3, cidrs
    body = web("web", 1)
    body["spec"]["template"]["spec"]["nodeName"] = away  # type: ignore[index]
    place.create("deployments", body)
    place.complete("web", 120)
    (pod,) = place.items("pods")
    assert ip_network(pod["status"]["podIP"]).subnet_of(cidrs[away])  # type: ignore[arg-type]


def test_a_kubelets_certificate_is_renewed(world: KindWorld) -> None:
    world.ours_lead()
    worker = world.cluster.nodes()[-1]
    user = f"system:node:{worker}"
    before = {each["metadata"]["name"] for each in issued(world, user)}
    ageing = grow_old(world, worker)
    until(lambda: serial(world, worker) != ageing, 90)
    request = issued(world, user)[-1]
    assert request["metadata"]["name"] not in before
    assert approval(request) == (
        "AutoApproved",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    )
    until(lambda: answered_by_ours(world, request))
    until(lambda: is_ready(world, worker), 90)


def serial(world: KindWorld, node: str) -> int:
    """The serial number of the certificate the node's kubelet has now."""
    return x509.load_pem_x509_certificate(world.cluster.execute(node, "cat", CURRENT).encode()).serial_number


def grow_old(world: KindWorld, node: str) -> int:
    """Give the kubelet a certificate that is valid but nearly over, and let it see that. The serial number."""
    control_plane = world.cluster.nodes()[0]
    authority, signer = (world.cluster.execute(control_plane, "cat", f"{FOLDER}/ca.{end}") for end in ("crt", "key"))
    certificate, key = ageing(authority.encode(), signer.encode(), f"system:node:{node}")
    script = "cat > /var/lib/kubelet/pki/ageing.pem && ln -sf /var/lib/kubelet/pki/ageing.pem " + CURRENT
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form)
    world.cluster.execute(node, "sh", "-c", f"umask 077; {script}", text=pem.decode())
    world.cluster.execute(node, "systemctl", "restart", "kubelet")
    return certificate.serial_number


def ageing(authority: bytes, signer: bytes, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A kubelet's client certificate by the cluster's authority, with a twelfth of its life to go."""
    issuer = x509.load_pem_x509_certificate(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = {x509.NameOID.ORGANIZATION_NAME: "system:nodes", x509.NameOID.COMMON_NAME: name}
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes.items()]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=55))
        .not_valid_after(now + timedelta(minutes=5))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    private = serialization.load_pem_private_key(signer, None)
    return builder.sign(private, hashes.SHA256()), key  # type: ignore[arg-type]
