"""kube-apiserver-serving-clustertrustbundle-publisher-controller: the API server's CA as a ClusterTrustBundle.

Runs only by name, where the API server offers certificates.k8s.io/v1beta1 (feature gate ClusterTrustBundle). The
certificate is that of the setting `root-ca`; the bundle's name holds its hash, so a new CA is a new bundle. Answers to
pkg/controller/certificates/clustertrustbundlepublisher/publisher.go.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from understudy.kinds.core import NAMESPACES, Namespace
from understudy.kinds.gated import CLUSTER_TRUST_BUNDLES, ClusterTrustBundle
from understudy.kinds.meta import Key
from understudy.loop.controller import On, Right, controller, may
from understudy.plan.steps import Create, Decision, Delete, Patch
from understudy.state.view import View

SIGNER = "kubernetes.io/kube-apiserver-serving"
SYSTEM = "kube-system"


def _ours(bundle: ClusterTrustBundle, _: View) -> Iterable[Key]:
    return (Key("", SYSTEM),) if bundle.spec.signerName == SIGNER else ()


@controller(
    "kube-apiserver-serving-clustertrustbundle-publisher-controller",
    of=NAMESPACES,
    when=lambda new, _: new is not None and new.name == SYSTEM,
    watches=(On(CLUSTER_TRUST_BUNDLES, _ours),),
    rights=(
        may("create patch delete", CLUSTER_TRUST_BUNDLES),
        Right(("attest",), "certificates.k8s.io", "signers"),
    ),
    upstream="pkg/controller/certificates/clustertrustbundlepublisher",
    workers=1,
    by_default=False,
)
def decide(namespace: Namespace, view: View, _: datetime) -> Decision:
    """There is one ClusterTrustBundle with the API server's CA, and none with another."""
    ca = view.settings.get("root-ca")
    if not ca or namespace.name != SYSTEM:
        return
    name = name_of(ca)
    held = view.get(CLUSTER_TRUST_BUNDLES, "", name)
    if held is None:
        spec = {"signerName": SIGNER, "trustBundle": ca}
        body = {"metadata": {"name": name}, "spec": spec}
        yield Create(CLUSTER_TRUST_BUNDLES, "", body, why="whom to trust as the API server is told by a bundle")
    elif held.spec.trustBundle != ca:
        yield Patch(CLUSTER_TRUST_BUNDLES, held, {"spec": {"trustBundle": ca}}, why="it does not hold the CA")
    others = [each for each in view.all(CLUSTER_TRUST_BUNDLES) if each.name != name]
    for other in others:
        if other.spec.signerName == SIGNER:
            yield Delete(CLUSTER_TRUST_BUNDLES, other, why="it holds a CA of before")


def name_of(ca: str) -> str:
    """The name of the bundle with this CA, in PEM."""
    return f"{SIGNER.replace('/', ':')}:{hashlib.sha256(ca.encode()).hexdigest()[:24]}"
