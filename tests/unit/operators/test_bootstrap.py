"""Which tokens sign the cluster's kubeconfig, and when they end."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, make, only, run, view_of
from understudy.kinds.core import CONFIG_MAPS, ConfigMap
from understudy.kinds.secret import BOOTSTRAP_TOKEN, SECRETS, Secret
from understudy.loop.controller import REGISTRY
from understudy.operators import bootstrap
from understudy.plan.steps import Delete, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import jws

SIGNER, CLEANER = REGISTRY["bootstrap-signer-controller"], REGISTRY["token-cleaner-controller"]
CONTENT = "apiVersion: v1"


def token(
    key_id: str = "abcdef", *, named: str = "", type_: str = BOOTSTRAP_TOKEN, where: str = "kube-system", **data: str
) -> Secret:
    told = {"token-id": key_id, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true"}
    told |= {name.replace("_", "-"): value for name, value in data.items()}
    encoded = {name: b64encode(value.encode()).decode() for name, value in told.items()}
    name = named or f"bootstrap-token-{key_id}"
    return make(SECRETS, name, where, type=type_, data=encoded)


def info(name: str = "cluster-info", **data: str) -> ConfigMap:
    return make(CONFIG_MAPS, name, "kube-public", data={each.replace("_", "-"): data[each] for each in data})


def world(config_map: ConfigMap, *tokens: Secret) -> View:
    return view_of({CONFIG_MAPS: [config_map], SECRETS: tokens})


def sign(view: View, after: float = 0) -> list[Step]:
    (config_map,) = view.all(CONFIG_MAPS)
    return run(bootstrap.sign(config_map, view, NOW + timedelta(seconds=after)), view)


def clean(secret: Secret, after: float = 0) -> list[Step]:
    view = view_of({SECRETS: [secret]})
    return run(bootstrap.clean(secret, view, NOW + timedelta(seconds=after)), view)


# Signing


def test_each_token_signs_once() -> None:
    view = world(info(kubeconfig=CONTENT), token(), token("123456"))
    assert only(sign(view), Patch).body == {
        "data": {
            f"jws-kubeconfig-{key_id}": jws.detached(CONTENT, key_id, "0123456789abcdef")
            for key_id in ("abcdef", "123456")
        }
    }
    assert sign(view) == []


def test_signatures_of_tokens_that_are_gone_go() -> None:
    view = world(info(kubeconfig=CONTENT, jws_kubeconfig_gone="x", other="kept"))
    assert only(sign(view), Patch).body == {"data": {"jws-kubeconfig-gone": None}}
    (config_map,) = view.all(CONFIG_MAPS)
    assert config_map.data == {"kubeconfig": CONTENT, "other": "kept"}


@pytest.mark.parametrize(
    "bad",
    [
        token(usage_bootstrap_signing="false"),
        token(token_secret=""),
        token(token_id="other1"),
        token(named="bootstrap-token-ABCDEF"),
        token(named="some-name"),
        token(expiration="2026-01-02T12:00:00Z"),
        token(expiration="soon"),
        token(type_="Opaque"),
        token(where="default"),
    ],
)
def test_who_does_not_sign(bad: Secret) -> None:
    assert sign(world(info(kubeconfig=CONTENT), bad)) == []


def test_what_is_not_signed() -> None:
    assert sign(world(info(), token())) == []
    assert sign(world(info("another", kubeconfig=CONTENT), token())) == []


# Ending


def test_a_token_is_deleted_when_it_expires() -> None:
    one = token(expiration="2026-01-02T12:00:30Z")
    assert only(clean(one, 10), Requeue).after == 20
    only(clean(one, 30), Delete)
    only(clean(token(expiration="soon")), Delete)


@pytest.mark.parametrize(
    "kept",
    [token(), token(type_="Opaque", expiration="soon"), token(where="default", expiration="soon")],
    ids=["for ever", "no token", "elsewhere"],
)
def test_what_is_kept(kept: Secret) -> None:
    assert clean(kept) == []


def test_what_wakes_them() -> None:
    (secrets,) = SIGNER.watches
    whens: list[Any] = [secrets.when, SIGNER.when, CLEANER.when]
    changed, mine, tokens = whens
    assert list(secrets.keys(token(), world(info()))) == [bootstrap.CLUSTER_INFO]
    assert changed(None, token())
    assert not changed(token(type_="Opaque"), None)
    assert mine(info(), None)
    assert not mine(info("another"), None)
    assert not mine(None, info())
    assert tokens(token(), None)
    assert not tokens(None, token())
