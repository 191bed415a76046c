"""Garbage collection on the real server: in three ways, of owners of any kind, and of owners that cannot be."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import crds
from tests.api.world import Place, World, path, steady, until
from understudy.cluster.rest import Object

HOLD = "example.com/hold"


def owner_of(plural: str, obj: Object, **more: Any) -> Object:
    """The reference to an owner."""
    api = "v1" if plural == "configmaps" else f"{crds.GROUP}/v1"
    kind = {"configmaps": "ConfigMap", "widgets": "Widget", "masters": "Master"}[plural]
    return {"apiVersion": api, "kind": kind, "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"], **more}


def make(place: Place, name: str, *owners: Object, **metadata: Any) -> Object:
    """A ConfigMap, perhaps somebody's."""
    return place.create("configmaps", {"metadata": {"name": name, "ownerReferences": owners, **metadata}})


def owned(place: Place, name: str, by: Object, **metadata: Any) -> Object:
    return make(place, name, owner_of("configmaps", by, blockOwnerDeletion=True), **metadata)


def delete(place: Place, plural: str, name: str, policy: str) -> None:
    place.api.delete(f"{place.path(plural, name)}?propagationPolicy={policy}")


def release(place: Place, name: str) -> None:
    place.patch("configmaps", name, {"metadata": {"finalizers": None}})


@pytest.fixture
def family(place: Place) -> Place:
    """A grandparent, its child, its grandchild, and a stranger."""
    child = owned(place, "child", make(place, "owner"))
    owned(place, "grandchild", child)
    make(place, "stranger")
    return place


def test_background(family: Place) -> None:
    delete(family, "configmaps", "owner", "Background")
    assert family.get("configmaps", "owner") is None, "the owner goes at once"
    family.gone("configmaps", "child")
    family.gone("configmaps", "grandchild")
    assert family.get("configmaps", "stranger")


def test_foreground(place: Place) -> None:
    owner = make(place, "owner")
    owned(place, "quick", owner)
    owned(place, "slow", owner, finalizers=[HOLD])
    delete(place, "configmaps", "owner", "Foreground")
    place.gone("configmaps", "quick")
    until(lambda: (place.get("configmaps", "slow") or {})["metadata"].get("deletionTimestamp"))
    waiting = steady(lambda: place.get("configmaps", "owner"), 0.5)
    assert waiting
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    release(place, "slow")
    place.gone("configmaps", "owner")


def test_orphan(family: Place) -> None:
    delete(family, "configmaps", "owner", "Orphan")
    family.gone("configmaps", "owner")
    child = family.get("configmaps", "child")
    assert child
    assert "ownerReferences" not in child["metadata"]
    assert family.get("configmaps", "grandchild")


def test_one_of_two_owners_goes(place: Place) -> None:
    first, second = make(place, "first"), make(place, "second")
    make(place, "child", *(owner_of("configmaps", each) for each in (first, second)))
    delete(place, "configmaps", "first", "Background")
    rest = [owner_of("configmaps", second)]
    until(lambda: (place.get("configmaps", "child") or {})["metadata"]["ownerReferences"] == rest)
    delete(place, "configmaps", "second", "Background")
    place.gone("configmaps", "child")


def test_an_owner_that_never_was(place: Place) -> None:
    nobody = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "0" * 8}
    place.api.create(place.path("configmaps"), {"metadata": {"name": "child", "ownerReferences": [nobody]}})
    place.gone("configmaps", "child")


def test_an_owner_that_came_back_under_its_name_is_another(place: Place) -> None:
    old = make(place, "owner", finalizers=[HOLD])
    owned(place, "child", old)
    delete(place, "configmaps", "owner", "Background")
    release(place, "owner")
    make(place, "owner")
    place.gone("configmaps", "child")
    assert place.get("configmaps", "owner")


def test_an_owner_in_another_namespace_counts_as_gone(world: World, place: Place) -> None:
    elsewhere = world.place()
    owner = make(elsewhere, "owner")
    place.api.create(
        place.path("configmaps"),
        {"metadata": {"name": "child", "ownerReferences": [owner_of("configmaps", owner)]}},
    )
    place.gone("configmaps", "child")
    warning = until(lambda: [each for each in place.items("events") if each["reason"] == "OwnerRefInvalidNamespace"])
    told = f"ownerRef [v1/ConfigMap, namespace: {place.name}, name: owner, uid: {owner['metadata']['uid']}]"
    assert warning[0]["message"] == f'{told} does not exist in namespace "{place.name}"'
    assert elsewhere.get("configmaps", "owner")
    place.api.delete(path("namespaces", name=elsewhere.name))


def test_a_custom_resource_owns(place: Place) -> None:
    owner = place.create("widgets", crds.widget("owner"))
    child = place.create("widgets", crds.widget("child", ownerReferences=[owner_of("widgets", owner)]))
    make(place, "grandchild", owner_of("widgets", child))
    delete(place, "widgets", "owner", "Foreground")
    place.gone("widgets")
    place.gone("configmaps", "grandchild")


@pytest.fixture
def master(world: World) -> Iterator[Object]:
    where = path("masters")
    made = world.api.create(where, {"apiVersion": f"{crds.GROUP}/v1", "kind": "Master", "metadata": {"name": "master"}})
    assert made
    yield made
    world.api.delete(f"{where}/master")


def test_a_custom_resource_of_the_cluster_owns_in_namespaces(place: Place, master: Object) -> None:
    make(place, "child", owner_of("masters", master))
    place.api.delete(path("masters", name="master") + "?propagationPolicy=Background")
    place.gone("configmaps", "child")
