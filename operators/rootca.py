"""root-ca-certificate-publisher-controller: every active namespace holds the CA of the API server, for pods to trust.

The ConfigMap `kube-root-ca.crt` is created, and repaired when changed or deleted. The certificate comes from the
process' settings (`root-ca`, PEM); without one there is nothing to publish. Answers to
pkg/controller/certificates/rootcacertpublisher/publisher.go.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.errors import Forbidden, NotFound
from understudy.kinds.core import CONFIG_MAPS, NAMESPACES, ConfigMap, Namespace
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.plan.steps import Create, Decision, Patch
from understudy.state.view import View

NAME = "kube-root-ca.crt"
ENTRY = "ca.crt"
ANNOTATION = "kubernetes.io/description"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


def _namespace(config_map: ConfigMap, _: View) -> Iterable[Key]:
    return (Key("", config_map.namespace),) if config_map.name == NAME else ()


@controller(
    "root-ca-certificate-publisher-controller",
    of=NAMESPACES,
    watches=(On(CONFIG_MAPS, _namespace),),
    rights=(may("create patch", CONFIG_MAPS),),
    source="root-ca-cert-publisher",
    upstream="pkg/controller/certificates/rootcacertpublisher",
)
def decide(namespace: Namespace, view: View, _: datetime) -> Decision:
    """Every active namespace has the ConfigMap kube-root-ca.crt with the API server's CA."""
    ca = view.settings.get("root-ca")
    if not ca or namespace.status.phase != "Active":
        return
    held = view.get(CONFIG_MAPS, namespace.name, NAME)
    if held is None:
        yield from _publish(namespace.name, ca)
    elif held.data != {ENTRY: ca} or not held.metadata.annotations.get(ANNOTATION):
        others: dict[str, str | None] = {entry: None for entry in held.data if entry != ENTRY}
        body = {"metadata": {"annotations": {ANNOTATION: DESCRIPTION}}, "data": {**others, ENTRY: ca}}
        yield Patch(CONFIG_MAPS, held, body, why="it no longer holds the CA as published")


def _publish(namespace: str, ca: str) -> Decision:
    metadata = {"name": NAME, "namespace": namespace, "annotations": {ANNOTATION: DESCRIPTION}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {ENTRY: ca}}
    try:
        yield Create(CONFIG_MAPS, namespace, body, why="pods of the namespace need to know whom to trust")
    except NotFound:
        return
    except Forbidden as refused:
        if not refused.namespace_terminating:
            raise
