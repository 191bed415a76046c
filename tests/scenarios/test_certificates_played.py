"""Requests for certificates over an API server: from a kubelet's wish to its end, also in bad weather."""

from base64 import b64decode
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from tests.unit.operators.certificate_requests import CLIENT_USAGES, base64, dns, pem_request, settings
from understudy.loop.controller import REGISTRY
from understudy.operators import certificates  # noqa: F401 - registers them
from understudy.operators.certificates.rules import API_SERVER_CLIENT, KUBELET_CLIENT
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request
from understudy.testing.faults import BROKEN, BROKEN_AFTER, CONFLICT, LOST_AFTER, LOST_BEFORE, TIMED_OUT_AFTER, Faults

pytestmark = VIRTUAL_TIME

CONTROLLERS = [REGISTRY[f"certificatesigningrequest-{name}-controller"] for name in ("approving", "signing", "cleaner")]
CSRS = "certificatesigningrequests"
KUBELET = "system:bootstrap:abcdef"
HOUR = 3600.0
Json = dict[str, Any]


class Rights:
    """Who may create nodeclient, as the server's authorization knows it."""

    def __init__(self, api: FakeApi, *users: str) -> None:
        self.users = set(users)
        api.admission.append(self._review)

    def _review(self, request: Request, obj: Json) -> None:
        if request.resource.review:
            spec = obj["spec"]
            fits = spec["resourceAttributes"]["subresource"] == "nodeclient"
            obj["status"]["allowed"] = fits and spec["user"] in self.users


def ask(api: FakeApi, name: str = "node-csr", signer: str = KUBELET_CLIENT, **spec: Any) -> None:
    """A kubelet asks for its client certificate, or somebody for another."""
    pem = spec.pop("pem", None) or pem_request()
    body = {"request": base64(pem), "signerName": signer, "usages": list(CLIENT_USAGES), "username": KUBELET, **spec}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    api.apply({**kind, "metadata": {"name": name}, "spec": body})


def approve(play: Stage, name: str, type_: str = "Approved") -> None:
    """What `kubectl certificate approve` does."""
    condition = {"type": type_, "status": "True", "reason": "KubectlApprove", "lastUpdateTime": "2026-01-01T00:00:00Z"}
    found = play.api.get(CSRS, name)
    assert found is not None
    path = f"/apis/certificates.k8s.io/v1/{CSRS}/{name}/approval"
    new = found | {"status": {"conditions": [condition]}}
    assert play.api.handle("PUT", path, msgspec.json.encode(new)).status == 200


def certificate(api: FakeApi, name: str = "node-csr") -> x509.Certificate | None:
    found = api.get(CSRS, name) or {"status": {}}
    text = found["status"].get("certificate")
    return x509.load_pem_x509_certificate(b64decode(text)) if text else None


def conditions(api: FakeApi, name: str = "node-csr") -> list[tuple[str, str]]:
    found = api.get(CSRS, name)
    assert found is not None
    return [(each["type"], each["reason"]) for each in found["status"].get("conditions", ())]


async def test_a_kubelet_gets_its_certificate_and_the_request_is_forgotten_after_an_hour() -> None:
    api = FakeApi()
    Rights(api, KUBELET)
    async with stage(*CONTROLLERS, api=api, settings=settings()) as play:
        ask(api)
        await play.on()
        assert conditions(api) == [("Approved", "AutoApproved")]
        found = certificate(api)
        assert found is not None
        assert found.subject.rfc4514_string() == "CN=system:node:one,O=system:nodes"
        await play.on(HOUR - 60)
        assert api.get(CSRS, "node-csr")
        await play.on(120)
        assert api.get(CSRS, "node-csr") is None


async def test_a_right_that_comes_later_is_noticed() -> None:
    api = FakeApi()
    rights = Rights(api)
    async with stage(*CONTROLLERS, api=api, settings=settings()) as play:
        ask(api)
        await play.on(600)
        assert conditions(api) == []
        assert len(play.calls("POST", "subjectaccessreviews")) < 20, "the pauses grow"
        rights.users.add(KUBELET)
        await play.on(1001)
        assert certificate(api)


async def test_what_people_approve_is_signed_and_what_they_deny_is_not() -> None:
    api = FakeApi()
    async with stage(*CONTROLLERS, api=api, settings=settings()) as play:
        for name in ("good", "bad", "open"):
            ask(api, name, API_SERVER_CLIENT)
        approve(play, "good")
        approve(play, "bad", "Denied")
        await play.on()
        assert certificate(api, "good")
        assert not certificate(api, "bad")
        assert not certificate(api, "open")
        await play.on(HOUR)
        assert [each["metadata"]["name"] for each in api.objects(CSRS)] == ["open"]
        await play.on(24 * HOUR)
        assert api.objects(CSRS) == []


async def test_an_approved_request_against_the_rules_is_failed() -> None:
    api = FakeApi()
    async with stage(*CONTROLLERS, api=api, settings=settings()) as play:
        ask(api, pem=pem_request(names=dns("a")))
        approve(play, "node-csr")
        await play.on()
        assert conditions(api) == [("Approved", "KubectlApprove"), ("Failed", "SignerValidationFailure")]
        assert not certificate(api)
        assert len(play.calls("PATCH")) == 1


@pytest.mark.parametrize("fault", [CONFLICT, BROKEN, BROKEN_AFTER, LOST_BEFORE, LOST_AFTER, TIMED_OUT_AFTER])
@pytest.mark.parametrize("verb", ["PATCH", "POST"])
async def test_however_a_write_fails_there_is_one_certificate_and_it_stays(fault: Any, verb: str) -> None:
    api, faults = FakeApi(), Faults()
    Rights(api, KUBELET)
    faults.next(fault, method=verb, path="k8s.io/v1/", times=3)
    seen: set[bytes] = set()

    async with stage(*CONTROLLERS, api=api, faults=faults, settings=settings()) as play:
        ask(api)
        for _ in range(300):
            found = certificate(api)
            seen |= {found.public_bytes(Encoding.PEM)} if found else set()
            await play.on(0.1)
    assert len(seen) == 1


@pytest.mark.parametrize("seed", range(5))
async def test_in_a_storm_every_kubelet_gets_its_certificate_and_no_number_is_used_twice(seed: int) -> None:
    api = FakeApi(seed=seed)
    Rights(api, KUBELET)
    for number in range(10):
        ask(api, f"csr-{number}")
    for leader in range(3):
        faults = Faults(seed * 10 + leader, rate=0.3, event_rate=0.3)
        async with stage(*CONTROLLERS, api=api, faults=faults, settings=settings(), seed=seed) as play:
            await play.on(1)
    async with stage(*CONTROLLERS, api=api, settings=settings()) as play:
        await play.on(60)
    found = [certificate(api, f"csr-{number}") for number in range(10)]
    assert len({each.serial_number for each in found if each}) == 10
