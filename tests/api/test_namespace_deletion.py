"""A namespace goes with all that is in it, pods first; what holds it up is told in its conditions."""

import pytest

from tests.api import crds
from tests.api.film import Film
from tests.api.world import Place, World, get, path, until, workload
from understudy.cluster.rest import ApiError

HOLD = "example.com/hold"


def delete(place: Place) -> None:
    place.api.delete(path("namespaces", name=place.name))


def conditions(place: Place) -> dict[str, tuple[str, str, str]]:
    """Status, reason and message of the namespace's conditions, by type."""
    found = get(place.api, path("namespaces", name=place.name)) or {"status": {}}
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in found["status"].get("conditions", ())
    }


def gone(place: Place) -> None:
    until(lambda: get(place.api, path("namespaces", name=place.name)) is None, why=lambda: conditions(place))


def test_a_new_namespace_gets_what_pods_need(world: World, place: Place) -> None:
    until(lambda: place.get("configmaps", "kube-root-ca.crt"))
    published = place.get("configmaps", "kube-root-ca.crt")
    assert published
    assert published["data"]["ca.crt"] == (world.cluster.at.pki / "ca.crt").read_text()
    place.api.delete(place.path("configmaps", "kube-root-ca.crt"))
    place.api.delete(place.path("serviceaccounts", "default"))
    until(lambda: place.get("configmaps", "kube-root-ca.crt") and place.get("serviceaccounts", "default"))


@pytest.fixture(scope="module")
def doomed(world: World) -> dict[str, Place]:
    """Three namespaces that were deleted at once: the five seconds each is given first are the same."""
    places = {name: world.place() for name in ("full", "podded", "held")}
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    places["full"].create("deployments", workload("web", 3))
    places["full"].create("widgets", crds.widget("one"))
    places["full"].create("services", {"metadata": {"name": "web"}, "spec": service})
    places["full"].complete("web")
    pod = {"spec": {"containers": [{"name": "main", "image": "i"}]}}
    places["podded"].create("pods", {"metadata": {"name": "held", "finalizers": [HOLD]}, **pod})
    places["podded"].create("configmaps", {"metadata": {"name": "last"}})
    places["held"].create("widgets", crds.widget("held", finalizers=[HOLD]))
    for place in places.values():
        delete(place)
    return places


def test_nothing_new_comes_into_it(doomed: dict[str, Place]) -> None:
    with pytest.raises(ApiError, match="because it is being terminated"):
        doomed["held"].create("configmaps", {"metadata": {"name": "late"}})


def test_everything_in_it_goes(doomed: dict[str, Place]) -> None:
    place = doomed["full"]
    gone(place)
    for plural in ("pods", "deployments", "replicasets", "services", "endpointslices", "configmaps", "widgets"):
        assert not place.names(plural)


def test_pods_go_first(doomed: dict[str, Place]) -> None:
    place = doomed["podded"]
    until(lambda: conditions(place).get("NamespaceFinalizersRemaining", ("",))[0] == "True")
    assert conditions(place)["NamespaceFinalizersRemaining"][1:] == (
        "SomeFinalizersRemain",
        f"Some content in the namespace has finalizers remaining: {HOLD} in 1 resource instances",
    )
    assert conditions(place)["NamespaceContentRemaining"] == (
        "True",
        "SomeResourcesRemain",
        "Some resources are remaining: pods. has 1 resource instances",
    )
    assert place.get("configmaps", "last"), "it waits for the pod"
    with Film(place.world.connect, place.path("configmaps")) as film:
        place.patch("pods", "held", {"metadata": {"finalizers": None}})
        gone(place)
    assert "last" in {obj["metadata"]["name"] for kind, obj in film.frames if kind == "DELETED"}


def test_a_finalizer_of_anything_else_holds_it_too(doomed: dict[str, Place]) -> None:
    place = doomed["held"]
    until(lambda: conditions(place).get("NamespaceContentRemaining", ("",))[0] == "True")
    message = "Some resources are remaining: widgets.example.com has 1 resource instances"
    assert conditions(place)["NamespaceContentRemaining"][2] == message
    assert conditions(place)["NamespaceDeletionDiscoveryFailure"][:2] == ("False", "ResourcesDiscovered")
    assert conditions(place)["NamespaceDeletionContentFailure"][:2] == ("False", "ContentDeleted")
    place.patch("widgets", "held", {"metadata": {"finalizers": None}})
    gone(place)
