"""A custom resource that comes into being is tracked within seconds, not at the next look around half a minute on."""

from tests.scenarios.stage import VIRTUAL_TIME, stage
from understudy.components import registry
from understudy.testing.fake import FakeApi

pytestmark = VIRTUAL_TIME

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {},
}


def server() -> FakeApi:
    api = FakeApi()
    api.serve("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
    return api


async def test_a_new_kind_is_watched_soon_after_its_definition() -> None:
    async with stage(registry()["garbage-collector-controller"], api=server()) as play:
        await play.on(1)
        play.api.serve("example.com/v1", "widgets", "Widget", namespaced=True)
        play.api.apply(CRD)
        assert "widgets.example.com" not in play.manager.stores
        await play.on(2)
        assert "widgets.example.com" in play.manager.stores


async def test_a_kind_that_is_published_late_is_found_at_the_second_look() -> None:
    async with stage(registry()["garbage-collector-controller"], api=server()) as play:
        await play.on(1)
        play.api.apply(CRD)
        await play.on(2)
        play.api.serve("example.com/v1", "widgets", "Widget", namespaced=True)
        await play.on(3)
        assert "widgets.example.com" in play.manager.stores


async def test_without_news_it_looks_around_every_half_minute() -> None:
    async with stage(registry()["garbage-collector-controller"], api=server()) as play:
        await play.on(1)
        play.api.serve("example.com/v1", "widgets", "Widget", namespaced=True)
        await play.on(20)
        assert "widgets.example.com" not in play.manager.stores
        await play.on(20)
        assert "widgets.example.com" in play.manager.stores
