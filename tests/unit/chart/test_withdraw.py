"""Withdrawing the ControlPlane before the chart goes: with an operator, without one, and where there is nothing."""

import asyncio

import pytest

from understudy import withdraw
from understudy.api.client import Client
from understudy.testing.fake import FakeApi

pytestmark = pytest.mark.looptime

KIND = "controlplanes.understudy.dev"


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.serve("understudy.dev/v1alpha1", "controlplanes", "ControlPlane", namespaced=False)
    return api


def plane(api: FakeApi, name: str, *finalizers: str) -> None:
    metadata = {"name": name, "finalizers": list(finalizers)}
    api.apply({"apiVersion": "understudy.dev/v1alpha1", "kind": "ControlPlane", "metadata": metadata, "spec": {}})


def left(api: FakeApi) -> list[str]:
    return [each["metadata"]["name"] for each in api.objects(KIND)]


async def operator(api: FakeApi, after: float) -> None:
    """Lets go of every ControlPlane that is being deleted, that many seconds from now."""
    await asyncio.sleep(after)
    for each in api.objects(KIND):
        assert each["metadata"]["deletionTimestamp"]
        api.apply({**each, "metadata": {**each["metadata"], "finalizers": []}})


async def test_an_operator_that_lives_lets_go_by_itself(api: FakeApi) -> None:
    plane(api, "cluster", "understudy.dev/release")
    helping = asyncio.ensure_future(operator(api, 7))
    assert await withdraw.withdraw(Client(api.transport()), 60) == (["cluster"], [])
    await helping
    assert left(api) == []
    assert 7 <= asyncio.get_running_loop().time() < 8


async def test_without_an_operator_it_goes_by_force_after_the_timeout(api: FakeApi) -> None:
    plane(api, "cluster", "understudy.dev/release", "example.com/other")
    assert await withdraw.withdraw(Client(api.transport()), 30) == ([], ["cluster"])
    assert left(api) == []
    assert 30 <= asyncio.get_running_loop().time() < 31


async def test_one_without_a_finalizer_takes_no_time(api: FakeApi) -> None:
    plane(api, "cluster")
    assert await withdraw.withdraw(Client(api.transport()), 30) == (["cluster"], [])
    assert asyncio.get_running_loop().time() < 1


async def test_none_is_fine(api: FakeApi) -> None:
    assert await withdraw.withdraw(Client(api.transport()), 30) == ([], [])


async def test_a_cluster_without_the_kind_is_fine() -> None:
    assert await withdraw.withdraw(Client(FakeApi().transport()), 30) == ([], [])
