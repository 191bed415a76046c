"""serviceaccount-token-controller: Secrets of type service-account-token hold a token of their account, and go with it.

The long-lived kind, for those who still ask for one. It works if it is told the key that signs
(`service-account-private-key`, PEM). Answers to pkg/controller/serviceaccount/tokens_controller.go and, for the claims,
to pkg/serviceaccount/legacy.go.
"""

from base64 import b64encode
from collections.abc import Generator, Iterable
from datetime import datetime
from typing import Any

from understudy.errors import NotFound
from understudy.kinds.core import SERVICE_ACCOUNTS, ServiceAccount
from understudy.kinds.meta import Key
from understudy.kinds.secret import ACCOUNT_NAME, ACCOUNT_TOKEN, ACCOUNT_UID, SECRETS, Secret
from understudy.loop.controller import On, controller, may
from understudy.plan.steps import Decision, Delete, Get, Patch, Step
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import jws

SIGNING_KEY = "service-account-private-key"
"""The setting: the key itself, as PEM."""
ISSUER = "kubernetes/serviceaccount"
_CLAIM = "kubernetes.io/serviceaccount/"


def _account_key(secret: Secret) -> str:
    name = secret.metadata.annotations.get(ACCOUNT_NAME, "")
    return str(Key(secret.namespace, name)) if secret.type == ACCOUNT_TOKEN and name else ""


BY_ACCOUNT: Index[Secret] = Index("account", lambda secret: (key,) if (key := _account_key(secret)) else ())


def _tokens_of(account: ServiceAccount, view: View) -> Iterable[Key]:
    return [secret.key for secret in view.by(SECRETS, BY_ACCOUNT, str(account.key))]


def _ended(new: ServiceAccount | None, old: ServiceAccount | None) -> bool:
    """Whether an account is gone, perhaps with a namesake in its place."""
    return old is not None and (new is None or new.uid != old.uid)


def _is_token(new: Secret | None, old: Secret | None) -> bool:
    secret = new or old
    return secret is not None and secret.type == ACCOUNT_TOKEN


def gone(key: Key, view: View, _: datetime) -> Decision:
    """A token that is gone is no longer among its account's secrets."""
    if not view.settings.get(SIGNING_KEY):
        return
    for account in view.in_namespace(SERVICE_ACCOUNTS, key.namespace):
        if any(secret.name == key.name for secret in account.secrets):
            body = {"secrets": [{"name": key.name, "$patch": "delete"}]}
            yield Patch(SERVICE_ACCOUNTS, account, body, why=f"its token {key.name} is gone", strategic=True)


@controller(
    "serviceaccount-token-controller",
    of=SECRETS,
    watches=(On(SERVICE_ACCOUNTS, _tokens_of, _ended),),
    rights=(may("patch delete", SECRETS), may("get patch", SERVICE_ACCOUNTS)),
    source="tokens-controller",
    upstream="pkg/controller/serviceaccount",
    workers=5,
    when=_is_token,
    gone=gone,
)
def decide(secret: Secret, view: View, _: datetime) -> Decision:
    """A Secret of type service-account-token holds a signed token of its account, and is deleted with it."""
    pem = view.settings.get(SIGNING_KEY)
    if not pem or not _account_key(secret) or secret.deleting:
        return
    account = yield from _account(secret, view)
    if account is None:
        yield Delete(SECRETS, secret, why="its service account does not exist")
        return
    data = _missing(secret, account, pem, view.settings.get("root-ca", ""))
    if data:
        told = {ACCOUNT_NAME: account.name, ACCOUNT_UID: account.uid}
        body = {"metadata": {"annotations": told}, "data": data}
        yield Patch(SECRETS, secret, body, why=f"{', '.join(data)} of a service account token")


def _account(secret: Secret, view: View) -> Generator[Step, Any, ServiceAccount | None]:
    """Whose token it is; the server itself is asked before the answer is nobody's."""
    name, uid = (secret.metadata.annotations.get(each, "") for each in (ACCOUNT_NAME, ACCOUNT_UID))
    account = view.get(SERVICE_ACCOUNTS, secret.namespace, name)
    if account is None or uid not in ("", account.uid):
        try:
            account = yield Get(SERVICE_ACCOUNTS, secret.namespace, name, why="a token of nobody is deleted")
        except NotFound:
            return None
    return account if account is not None and uid in ("", account.uid) else None


def _missing(secret: Secret, account: ServiceAccount, pem: str, ca: str) -> dict[str, str]:
    """The entries it lacks, in base64."""
    lacking: dict[str, str] = {}
    if ca and secret.text("ca") != ca:
        lacking["ca.crt"] = ca
    if not secret.text("namespace"):
        lacking["namespace"] = secret.namespace
    if not secret.text("token"):
        lacking["token"] = jws.token(claims(secret, account), pem)
    return {entry: b64encode(value.encode()).decode() for entry, value in lacking.items()}


def claims(secret: Secret, account: ServiceAccount) -> dict[str, str]:
    """What such a token says: for no audience, and for ever."""
    return {
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
        _CLAIM + "namespace": account.namespace,
        _CLAIM + "secret.name": secret.name,
        _CLAIM + "service-account.name": account.name,
        _CLAIM + "service-account.uid": account.uid,
    }
