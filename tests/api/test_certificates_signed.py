"""Certificates on a real API server: what kubectl shows of a request, and that the server lets in who shows the answer.

The controllers run here, with the rights they declare and no more, on a cluster of their own.
"""

import asyncio
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509

from tests.unit.operators.certificate_requests import CLIENT_USAGES, base64, dns, key, pem_request, text_of
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, Object
from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS
from understudy.loop import rights
from understudy.loop.controller import REGISTRY
from understudy.loop.run import Manager
from understudy.operators import certificates  # noqa: F401 - registers them
from understudy.operators.certificates.rules import API_SERVER_CLIENT, KUBELET_CLIENT

CONTROLLERS = [REGISTRY[f"certificatesigningrequest-{name}-controller"] for name in ("approving", "signing", "cleaner")]
ROLE = "understudy:certificates"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    made = EmbeddedCluster("certificates", tmp_path_factory.mktemp("certificates"), binaries=binaries)
    try:
        made.up(die_with_parent=True)
        with made.api() as api:
            api.create(f"{RBAC}/clusterroles", rights.cluster_role(ROLE, CONTROLLERS))
            api.create(f"{RBAC}/clusterrolebindings", rights.binding(ROLE, "system:kube-controller-manager"))
        yield made
    finally:
        made.down()


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """An administrator's connection, while our controllers lead."""
    client = Client(connect(load(cluster.kubeconfig_of("controller-manager"), None)))
    pki = cluster.at.pki
    certificate, private = ((pki / f"ca.{ending}").read_text() for ending in ("crt", "key"))
    settings = {"cluster-signing-cert": certificate, "cluster-signing-key": private}
    manager = Manager(client, CONTROLLERS, settings=settings)
    try:
        await manager.start()
        await manager.lead()
        with cluster.api() as api:
            yield api
    finally:
        await manager.stop()
        await client.transport.close()


def ask(api: Api, name: str, signer: str = KUBELET_CLIENT, pem: bytes | None = None) -> None:
    spec = {"request": base64(pem or pem_request()), "signerName": signer, "usages": list(CLIENT_USAGES)}
    api.create(CERTIFICATE_SIGNING_REQUESTS.path(), {"metadata": {"name": name}, "spec": spec})


def status(api: Api, name: str) -> Object:
    found: Object = api.get(CERTIFICATE_SIGNING_REQUESTS.path(name=name))["status"]
    return found


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.05)


async def run(cluster: EmbeddedCluster, binaries: dict[str, Path], *arguments: str) -> str:
    """What kubectl prints, as an administrator unless `arguments` say who else; it must succeed."""
    command = [str(binaries["kubectl"]), f"--kubeconfig={cluster.at.kubeconfig}", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
def kubectl(cluster: EmbeddedCluster, binaries: dict[str, Path]) -> Kubectl:
    async def call(*arguments: str) -> str:
        return await run(cluster, binaries, *arguments)

    return call


async def test_a_kubelet_is_let_in_with_the_certificate_it_was_given(
    led: Api, cluster: EmbeddedCluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    ask(led, "node-csr")  # an administrator may do anything, so also ask for nodes
    await until(lambda: status(led, "node-csr").get("certificate"))
    row = (await kubectl("get", "csr", "node-csr", "--no-headers")).split()
    assert (row[0], row[2], row[-1]) == ("node-csr", KUBELET_CLIENT, "Approved,Issued")
    (tmp_path / "tls.crt").write_bytes(b64decode(status(led, "node-csr")["certificate"]))
    (tmp_path / "tls.key").write_text(text_of(key()))
    server = await kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    it = (f"--client-certificate={tmp_path}/tls.crt", f"--client-key={tmp_path}/tls.key", "--kubeconfig=/dev/null")
    there = (f"--server={server}", f"--certificate-authority={cluster.at.pki}/ca.crt")
    said = await kubectl(*it, *there, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert said == "system:node:one"


async def test_what_people_approve_is_signed_and_what_they_deny_is_not(led: Api, kubectl: Kubectl) -> None:
    for name in ("jane", "joe"):
        ask(led, name, API_SERVER_CLIENT)
    await kubectl("certificate", "deny", "joe")
    await kubectl("certificate", "approve", "jane")
    await until(lambda: status(led, "jane").get("certificate"))
    found = x509.load_pem_x509_certificate(b64decode(status(led, "jane")["certificate"]))
    assert found.public_key() == key().public_key()
    assert "certificate" not in status(led, "joe")


async def test_what_breaks_the_rules_is_failed(led: Api, kubectl: Kubectl) -> None:
    ask(led, "odd", pem=pem_request(names=dns("a")))
    await kubectl("certificate", "approve", "odd")
    await until(lambda: len(status(led, "odd").get("conditions", ())) == 2)
    approved, failed = status(led, "odd")["conditions"]
    assert approved["reason"] == "KubectlApprove"
    assert (failed["reason"], failed["message"]) == ("SignerValidationFailure", "DNS subjectAltNames are not allowed")
    row = (await kubectl("get", "csr", "odd", "--no-headers")).split()
    assert row[-1] == "Approved,Failed"
