"""serviceaccount-controller: every active namespace has its `default` ServiceAccount, also after somebody deleted it.

Without it no pod can be created in the namespace. Answers to pkg/controller/serviceaccount/
serviceaccounts_controller.go.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.errors import AlreadyExists, Forbidden
from understudy.kinds.core import NAMESPACES, SERVICE_ACCOUNTS, Namespace
from understudy.kinds.meta import Key, Obj
from understudy.loop.controller import On, controller, may
from understudy.plan.steps import Create, Decision
from understudy.state.view import View

NAME = "default"


def _namespace(account: Obj, _: View) -> Iterable[Key]:
    return (Key("", account.namespace),)


def _default_changed(new: Obj | None, old: Obj | None) -> bool:
    """Only the disappearance of the `default` account is news."""
    return new is None and old is not None and old.name == NAME


@controller(
    "serviceaccount-controller",
    of=NAMESPACES,
    watches=(On(SERVICE_ACCOUNTS, _namespace, _default_changed),),
    rights=(may("create", SERVICE_ACCOUNTS),),
    source="serviceaccount-controller",
    upstream="pkg/controller/serviceaccount",
)
def decide(namespace: Namespace, view: View, _: datetime) -> Decision:
    """Every active namespace has a `default` ServiceAccount."""
    if namespace.status.phase != "Active" or view.get(SERVICE_ACCOUNTS, namespace.name, NAME) is not None:
        return
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace.name}}
    try:
        yield Create(SERVICE_ACCOUNTS, namespace.name, body, why="pods of the namespace need a default account")
    except AlreadyExists:
        return
    except Forbidden as refused:
        if not refused.namespace_terminating:
            raise
