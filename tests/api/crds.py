"""Two kinds of our own for tests that need custom resources: a namespaced Widget, and a Master of the whole cluster."""

from tests.api.world import until
from understudy.cluster.rest import Api, ApiError, Object

GROUP = "example.com"


def install(api: Api) -> None:
    """Create both and return when they are served."""
    for plural, kind, scope in (("widgets", "Widget", "Namespaced"), ("masters", "Master", "Cluster")):
        api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(plural, kind, scope))
        until(lambda: _served(api, plural))  # noqa: B023 - called in its turn


def widget(name: str, **metadata: object) -> Object:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": name, **metadata}}


def _served(api: Api, plural: str) -> bool:
    try:
        api.get(f"/apis/{GROUP}/v1/{plural}")
    except ApiError:
        return False
    return True


def definition(plural: str, kind: str, scope: str) -> Object:
    """A kind of that name without a schema; `scope` is Namespaced or Cluster."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "singular": plural.removesuffix("s"), "kind": kind},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
