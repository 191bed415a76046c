"""A small operator: each Website has a Deployment and a Service, and tells how many of its replicas are ready.

Run it with `kopf run -m website --all-namespaces`; its tests are in `test_website.py`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import kopf
import pykube

WEBSITES = "websites.example.com"
LABEL = "example.com/website"
"""On the Deployment: the name of its Website."""


class Website(pykube.objects.NamespacedAPIObject):  # type: ignore[misc]
    """For pykube: where Websites are."""

    version = "example.com/v1"
    endpoint = "websites"
    kind = "Website"


@kopf.on.startup()
def connect(memo: kopf.Memo, **_: Any) -> None:
    """One connection for all handlers, configured as kubectl's would be."""
    memo.api = pykube.HTTPClient(pykube.KubeConfig.from_env())


@kopf.on.cleanup()
def disconnect(memo: kopf.Memo, **_: Any) -> None:
    """Leave no connection open."""
    memo.api.session.close()


@kopf.on.login()
def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """As kubectl does; in a pod by its service account."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


@kopf.on.resume(WEBSITES)
@kopf.on.create(WEBSITES)
@kopf.on.update(WEBSITES, field="spec")
def publish(name: str, namespace: str | None, spec: kopf.Spec, memo: kopf.Memo, patch: kopf.Patch, **_: Any) -> None:
    """Make the Deployment and the Service what the Website asks for."""
    for kind, child in ((pykube.Deployment, deployment(name, spec)), (pykube.Service, service(name))):
        kopf.adopt(child)
        there = kind.objects(memo.api, namespace).get_or_none(name=name)
        if there is None:
            kind(memo.api, child).create()
        else:
            there.patch({"spec": child["spec"]})
    patch.status["url"] = f"http://{name}.{namespace}.svc.cluster.local"


@kopf.on.event("deployments.apps", labels={LABEL: kopf.PRESENT})
def report(name: str, namespace: str | None, status: kopf.Status, memo: kopf.Memo, **_: Any) -> None:
    """Carry the Deployment's ready replicas into the Website's status."""
    website = Website(memo.api, {"metadata": {"name": name, "namespace": namespace}})
    try:
        website.patch({"status": {"readyReplicas": status.get("readyReplicas", 0)}}, subresource="status")
    except pykube.exceptions.HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:  # it is being deleted, and its Deployment goes with it
            raise


def deployment(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The Deployment of a Website."""
    container = {"name": "web", "image": spec["image"], "ports": [{"name": "http", "containerPort": 8080}]}
    template = {"metadata": {"labels": {LABEL: name}}, "spec": {"containers": [container]}}
    selector = {"matchLabels": {LABEL: name}}
    metadata = {"name": name, "labels": {LABEL: name}}
    return {"metadata": metadata, "spec": {"replicas": spec["replicas"], "selector": selector, "template": template}}


def service(name: str) -> dict[str, Any]:
    """The Service in front of a Website's pods."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"metadata": {"name": name}, "spec": {"selector": {LABEL: name}, "ports": ports}}
