"""Bootstrap tokens: what `kubeadm join` needs to know its cluster, and its end when it expires.

bootstrap-signer-controller signs the kubeconfig in kube-public/cluster-info with each token, so that a joining node can
tell it is the true one; token-cleaner-controller deletes expired tokens. Answers to pkg/controller/bootstrap.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from understudy.kinds.core import CONFIG_MAPS, ConfigMap
from understudy.kinds.meta import Key
from understudy.kinds.secret import BOOTSTRAP_TOKEN, SECRETS, Secret
from understudy.loop.controller import On, controller, may
from understudy.plan.steps import Decision, Delete, Patch, Requeue
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import jws, timestamp

NAMESPACE = "kube-system"
CLUSTER_INFO = Key("kube-public", "cluster-info")
KUBECONFIG = "kubeconfig"
SIGNATURE = "jws-kubeconfig-"
"""How the entry of a signature begins; the id of its token follows."""
_NAME = re.compile(r"bootstrap-token-([a-z0-9]{6})")

TOKENS: Index[Secret] = Index("bootstrap tokens", lambda secret: ("",) if _is_token(secret, None) else ())


def _is_token(new: Secret | None, old: Secret | None) -> bool:
    return any(each is not None and each.type == BOOTSTRAP_TOKEN and each.namespace == NAMESPACE for each in (new, old))


def left(secret: Secret, now: datetime) -> timedelta | None:
    """How long the token is good for, nothing if it has expired or cannot be read; None is for ever."""
    expiration = secret.text("expiration")
    if not expiration:
        return None
    try:
        return max(timedelta(), timestamp.parse(expiration) - now)
    except ValueError:
        return timedelta()


@controller(
    "token-cleaner-controller",
    of=SECRETS,
    rights=(may("delete", SECRETS),),
    source="token-cleaner",
    upstream="pkg/controller/bootstrap",
    workers=1,
    when=lambda new, _: _is_token(new, None),
)
def clean(secret: Secret, _: View, now: datetime) -> Decision:
    """Bootstrap tokens are deleted when they expire."""
    remaining = left(secret, now) if _is_token(secret, None) else None
    if remaining is None or secret.deleting:
        return
    if remaining:
        yield Requeue(remaining.total_seconds(), why="it expires then")
    else:
        yield Delete(SECRETS, secret, why="the bootstrap token has expired")


def _cluster_info(_: Secret, __: View) -> Iterable[Key]:
    return (CLUSTER_INFO,)


@controller(
    "bootstrap-signer-controller",
    of=CONFIG_MAPS,
    watches=(On(SECRETS, _cluster_info, _is_token),),
    rights=(may("patch", CONFIG_MAPS),),
    source="bootstrap-signer",
    upstream="pkg/controller/bootstrap",
    workers=1,
    when=lambda new, _: new is not None and new.key == CLUSTER_INFO,
)
def sign(config_map: ConfigMap, view: View, now: datetime) -> Decision:
    """The kubeconfig in kube-public/cluster-info is signed with each bootstrap token that may sign, and no other."""
    content = config_map.data.get(KUBECONFIG)
    if config_map.key != CLUSTER_INFO or content is None:
        return
    tokens = view.by(SECRETS, TOKENS, "")
    wanted = {SIGNATURE + key_id: jws.detached(content, key_id, secret) for key_id, secret in _signers(tokens, now)}
    held = {entry: value for entry, value in config_map.data.items() if entry.startswith(SIGNATURE)}
    if wanted != held:
        stale: dict[str, str | None] = dict.fromkeys(held.keys() - wanted.keys())
        yield Patch(CONFIG_MAPS, config_map, {"data": {**stale, **wanted}}, why="signed with the tokens there are")


def _signers(tokens: Iterable[Secret], now: datetime) -> Iterable[tuple[str, str]]:
    """Id and secret of the tokens that may sign."""
    for token in tokens:
        named, key_id, secret = _NAME.fullmatch(token.name), token.text("token_id"), token.text("token_secret")
        is_good = left(token, now) != timedelta() and token.text("signing") == "true"
        if named is not None and named[1] == key_id and secret and is_good:
            yield key_id, secret
