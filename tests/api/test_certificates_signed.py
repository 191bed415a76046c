"""Certificates on a real API server: what kubectl shows of a request, and whom the server lets in with the answer."""

from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509

from tests.api.leading import bare, kubectl_of, leading, until
from tests.unit.operators.certificate_requests import CLIENT_USAGES, base64, dns, key, pem_request, text_of
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, Object
from understudy.kinds.certificates import CERTIFICATE_SIGNING_REQUESTS
from understudy.loop.controller import REGISTRY
from understudy.operators import certificates  # noqa: F401 - registers them
from understudy.operators.certificates.rules import API_SERVER_CLIENT, KUBELET_CLIENT

CONTROLLERS = [REGISTRY[f"certificatesigningrequest-{name}-controller"] for name in ("approving", "signing", "cleaner")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    with bare(tmp_path_factory.mktemp("certificates"), binaries, CONTROLLERS) as made:
        yield made


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """An administrator's connection, while our controllers lead."""
    certificate, private = ((cluster.at.pki / f"ca.{ending}").read_text() for ending in ("crt", "key"))
    settings = {"cluster-signing-cert": certificate, "cluster-signing-key": private}
    async with leading(cluster, CONTROLLERS, settings) as api:
        yield api


def ask(api: Api, name: str, signer: str = KUBELET_CLIENT, pem: bytes | None = None) -> None:
    spec = {"request": base64(pem or pem_request()), "signerName": signer, "usages": list(CLIENT_USAGES)}
    api.create(CERTIFICATE_SIGNING_REQUESTS.path(), {"metadata": {"name": name}, "spec": spec})


def status(api: Api, name: str) -> Object:
    found: Object = api.get(CERTIFICATE_SIGNING_REQUESTS.path(name=name))["status"]
    return found


Kubectl = Callable[..., Awaitable[str]]


@pytest.fixture
def kubectl(cluster: EmbeddedCluster, binaries: dict[str, Path]) -> Kubectl:
    async def call(*arguments: str) -> str:
        return await kubectl_of(cluster, binaries, *arguments)

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
