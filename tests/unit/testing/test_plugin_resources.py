"""How a kind is found by the names people use, and where its objects are."""

import pytest

from understudy.testing.resources import Resource, find, of, read

LISTING = {
    "groupVersion": "apps/v1",
    "resources": [
        {
            "name": "deployments",
            "singularName": "deployment",
            "kind": "Deployment",
            "namespaced": True,
            "shortNames": ["deploy"],
        },
        {"name": "deployments/status", "singularName": "", "kind": "Deployment", "namespaced": True},
    ],
}
(DEPLOYMENT,) = read(LISTING)
EVENT = Resource("v1", "events", "Event", True, frozenset({"events", "event"}))
NEW_EVENT = Resource("events.k8s.io/v1", "events", "Event", True, frozenset({"events", "event"}))
NODE = Resource("v1", "nodes", "Node", False, frozenset({"nodes", "node", "no"}))
ALL = [EVENT, NODE, DEPLOYMENT, NEW_EVENT]


@pytest.mark.parametrize(
    "word", ["Deployment", "deployment", "deployments", "deploy", "deployments.apps", "Deployment.apps", "deploy.apps"]
)
def test_a_resource_goes_by_many_names(word: str) -> None:
    assert find(ALL, word) is DEPLOYMENT


@pytest.mark.parametrize("word", ["deployments.extensions", "deployments/status", "deployment.v1", "", "x"])
def test_and_by_no_others(word: str) -> None:
    assert find(ALL, word) is None


def test_the_group_decides_between_equals_and_else_the_order() -> None:
    assert find(ALL, "events") is EVENT
    assert find(ALL, "events.events.k8s.io") is NEW_EVENT


def test_an_object_says_which_it_is() -> None:
    assert of(ALL, "events.k8s.io/v1", "Event") is NEW_EVENT
    assert of(ALL, "apps/v1beta1", "Deployment") is None


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "path"),
    [
        (DEPLOYMENT, "ns", "web", "/apis/apps/v1/namespaces/ns/deployments/web"),
        (DEPLOYMENT, "ns", "", "/apis/apps/v1/namespaces/ns/deployments"),
        (DEPLOYMENT, None, "", "/apis/apps/v1/deployments"),
        (EVENT, "ns", "", "/api/v1/namespaces/ns/events"),
        (NODE, "ns", "node-0", "/api/v1/nodes/node-0"),
    ],
)
def test_paths(resource: Resource, namespace: str | None, name: str, path: str) -> None:
    assert resource.path(namespace, name) == path
