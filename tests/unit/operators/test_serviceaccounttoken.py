"""What a service account token Secret is given, when it goes, and when its account forgets it."""

import json
from base64 import b64encode, urlsafe_b64decode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.unit.operators.decisions import NOW, make, of, only, run, view_of, writes
from understudy.errors import NotFound
from understudy.kinds.core import SERVICE_ACCOUNTS, ServiceAccount
from understudy.kinds.meta import Key
from understudy.kinds.secret import ACCOUNT_NAME, ACCOUNT_TOKEN, ACCOUNT_UID, SECRETS, Secret
from understudy.loop.controller import REGISTRY
from understudy.operators import serviceaccounttoken
from understudy.plan.steps import Delete, Get, Patch, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["serviceaccount-token-controller"]
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
NAMED = {ACCOUNT_NAME: "robot"}


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def secret(data: dict[str, str] | None = None, type_: str = ACCOUNT_TOKEN, **fields: Any) -> Secret:
    given: dict[str, Any] = {"annotations": NAMED, **fields}
    return make(
        SECRETS, "token", type=type_, data={name: base64(value) for name, value in (data or {}).items()}, **given
    )


def account(*secrets: str, **fields: Any) -> ServiceAccount:
    return make(SERVICE_ACCOUNTS, "robot", secrets=[{"name": name} for name in secrets], **fields)


def world(*objects: Secret | ServiceAccount, pem: str = PEM, ca: str = "CA") -> View:
    secrets = [each for each in objects if isinstance(each, Secret)]
    accounts = [each for each in objects if isinstance(each, ServiceAccount)]
    view = view_of({SECRETS: secrets, SERVICE_ACCOUNTS: accounts})
    view.settings = {"service-account-private-key": pem, "root-ca": ca}
    return view


def decide(view: View, answer: Any = None) -> list[Step]:
    return run(serviceaccounttoken.decide(next(iter(view.all(SECRETS))), view, NOW), view, answer)


def test_a_new_secret_is_filled_once() -> None:
    view = world(secret(), account())
    patch = only(decide(view), Patch)
    assert patch.body["metadata"]["annotations"] == {ACCOUNT_NAME: "robot", ACCOUNT_UID: "uid-robot"}
    (filled,) = view.all(SECRETS)
    assert (filled.text("ca"), filled.text("namespace")) == ("CA", "default")
    body = filled.text("token").split(".")[1]
    assert json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))) == {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:default:robot",
        "kubernetes.io/serviceaccount/namespace": "default",
        "kubernetes.io/serviceaccount/secret.name": "token",
        "kubernetes.io/serviceaccount/service-account.name": "robot",
        "kubernetes.io/serviceaccount/service-account.uid": "uid-robot",
    }
    assert decide(view) == []


def test_only_what_is_missing_is_written() -> None:
    full = {"namespace": "default", "token": "t"}
    assert only(decide(world(secret({**full, "ca.crt": "old"}), account())), Patch).body["data"] == {"ca.crt": "Q0E="}
    assert decide(world(secret(full), account(), ca="")) == []


def test_who_is_left_alone() -> None:
    assert decide(world(secret(type_="Opaque"), account())) == []
    assert decide(world(secret(annotations={}), account())) == []
    assert decide(world(secret(deleting=True), account())) == []
    assert decide(world(secret(), account(), pem="")) == []


def test_a_token_of_nobody_goes_once_the_server_says_so() -> None:
    steps = decide(world(secret()))
    assert only(steps, Get).name == "robot"
    only(steps, Delete)
    other = secret(annotations={**NAMED, ACCOUNT_UID: "uid-of-another"})
    steps = decide(world(other, account()))
    assert of(steps, Get)
    only(steps, Delete)


def test_an_account_that_is_yet_to_be_seen_counts() -> None:
    steps = decide(world(secret()), lambda step: account() if isinstance(step, Get) else None)
    assert [type(step) for step in writes(steps)] == [Patch]


def test_an_account_forgets_a_token_that_is_gone() -> None:
    view = world(account("other", "token"))
    key = Key("default", "token")
    answer = run(serviceaccounttoken.gone(key, view, NOW), view)
    patch = only(answer, Patch)
    assert patch.body == {"secrets": [{"name": "token", "$patch": "delete"}]}
    assert patch.strategic
    unknown = Key("default", "unknown")
    assert run(serviceaccounttoken.gone(unknown, view, NOW), view) == []
    view.settings = {}
    assert run(serviceaccounttoken.gone(key, view, NOW), view) == []


def test_a_vanished_server_answer_is_not_taken_for_another() -> None:
    def answer(step: Step) -> None:
        if isinstance(step, Get):
            raise NotFound(404, "NotFound", "no such account")

    only(decide(world(secret()), answer), Delete)


def test_what_wakes_it() -> None:
    (accounts,) = CONTROLLER.watches
    view = world(secret(), account())
    assert list(accounts.keys(account(), view)) == [Key("default", "token")]
    assert accounts.when is not None
    assert accounts.when(None, account())
    assert accounts.when(account(uid="new"), account())
    assert not accounts.when(account("x"), account())
    assert not accounts.when(account(), None)
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(secret(), None)
    assert CONTROLLER.when(None, secret())
    assert not CONTROLLER.when(None, secret(type_="Opaque"))
