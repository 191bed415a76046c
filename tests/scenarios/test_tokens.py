"""Tokens of accounts and of joining nodes, over an API server in virtual time that has its bad days."""

from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import bootstrap, serviceaccounttoken  # noqa: F401 (register themselves)
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import Faults
from understudy.values import timestamp

pytestmark = VIRTUAL_TIME

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
TOKEN = "kubernetes.io/service-account-token"


def thing(kind: str, name: str, namespace: str = "default", **parts: Any) -> dict[str, Any]:
    annotations = parts.pop("annotations", {})
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **parts}


def secrets(play: Stage) -> dict[str, Any]:
    return {each["metadata"]["name"]: each.get("data", {}) for each in play.api.objects("secrets")}


@pytest.mark.parametrize("seed", range(3))
async def test_tokens_are_filled_and_go_with_their_accounts(seed: int) -> None:
    api, faults = FakeApi(), Faults(seed, rate=0.2, event_rate=0.1)
    controller = REGISTRY["serviceaccount-token-controller"]
    settings = {serviceaccounttoken.SIGNING_KEY: PEM, "root-ca": "CA"}
    async with stage(controller, api=api, faults=faults, settings=settings, seed=seed) as play:
        for name in ("robot", "other"):
            play.api.apply(thing("ServiceAccount", name, secrets=[{"name": f"{name}-token"}]))
            whose = {"kubernetes.io/service-account.name": name}
            play.api.apply(thing("Secret", f"{name}-token", type=TOKEN, annotations=whose))
        play.api.apply(thing("Secret", "mine", type="Opaque"))
        await play.on(60)
        for name in ("robot-token", "other-token"):
            assert secrets(play)[name].keys() == {"ca.crt", "namespace", "token"}
        play.api.delete("serviceaccounts", "robot")
        play.api.delete("secrets", "other-token")
        await play.on(60)
        assert secrets(play).keys() == {"mine"}
        other = play.api.get("serviceaccounts", "other")
        assert other is not None
        assert not other.get("secrets")


async def test_a_joining_nodes_token_signs_until_it_expires() -> None:
    api = FakeApi()
    for namespace in ("kube-public", "kube-system"):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    controllers = [REGISTRY[name] for name in ("bootstrap-signer-controller", "token-cleaner-controller")]
    async with stage(*controllers, api=api) as play:
        play.api.apply(thing("ConfigMap", "cluster-info", "kube-public", data={"kubeconfig": "k"}))
        now = timestamp.seconds(timestamp.format(loop_clock()))
        later = timestamp.format(loop_clock().fromtimestamp(now + 60, loop_clock().tzinfo))
        data = {"token-id": "abcdef", "token-secret": "s", "usage-bootstrap-signing": "true", "expiration": later}
        encoded = {name: b64encode(value.encode()).decode() for name, value in data.items()}
        kind = "bootstrap.kubernetes.io/token"
        play.api.apply(thing("Secret", "bootstrap-token-abcdef", "kube-system", type=kind, data=encoded))
        await play.on(30)
        found = play.api.get("configmaps", "cluster-info", "kube-public")
        assert found is not None
        assert "jws-kubeconfig-abcdef" in found["data"]
        await play.on(40)
        assert secrets(play) == {}
        found = play.api.get("configmaps", "cluster-info", "kube-public")
        assert found is not None
        assert found["data"] == {"kubeconfig": "k"}
