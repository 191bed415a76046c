"""Coming after kube-proxy and going before it, on one node, over an API server and a kernel in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.errors import Forbidden
from understudy.proxy.network.host import HostError
from understudy.proxy.service.leftovers import is_kube_proxys
from understudy.proxy.service.succession import PATIENCE, REST, Succession
from understudy.takeover.crew import ASIDE
from understudy.testing.fake import FakeApi

pytestmark = pytest.mark.looptime


class Left:
    """A `leftovers.Leftovers` in memory."""

    def __init__(self, serving: bool = False) -> None:
        self.there = serving
        self.broken = False
        self.log: list[str] = []

    def serving(self) -> bool:
        if self.broken:
            raise HostError("the kernel is broken")
        self.log.append("serving")
        return self.there

    def remove(self) -> int:
        self.there = False
        self.log.append("remove")
        return 3

    def close(self) -> None:
        self.log.append("close")


def daemonset(api: FakeApi, name: str, *, aside: bool, pods: int) -> None:
    labels = {"app.kubernetes.io/name": "understudy", "app.kubernetes.io/component": "service-proxy"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels if name != "kube-proxy" else {}},
        "spec": {"template": {"spec": {"nodeSelector": {ASIDE: "true"} if aside else {}}}},
        "status": {"currentNumberScheduled": pods, "observedGeneration": 99},
    }
    api.apply(body)


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.serve("apps/v1", "daemonsets", "DaemonSet")
    return made


@pytest.fixture
async def succeed(api: FakeApi) -> AsyncIterator[Callable[..., Succession]]:
    client = Client(api.transport("proxy"))
    yield lambda *left: Succession(client, left)
    await client.close()


async def running(succession: Succession, seconds: float) -> None:
    task = asyncio.ensure_future(succession.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


class TestCleaning:
    async def test_rules_go_when_the_last_pod_has_left(self, api: FakeApi, succeed: Any) -> None:
        left = Left(serving=True)
        daemonset(api, "kube-proxy", aside=True, pods=1)
        task = asyncio.ensure_future(running(succeed(left), 25))
        await asyncio.sleep(10)
        assert "remove" not in left.log
        daemonset(api, "kube-proxy", aside=True, pods=0)
        await asyncio.sleep(10)
        assert left.log.count("remove") == 1
        await task

    @pytest.mark.parametrize("there", [True, False], ids=["not aside", "no DaemonSet"])
    async def test_rules_of_a_kube_proxy_that_may_run_stay(self, api: FakeApi, succeed: Any, there: bool) -> None:
        left = Left(serving=True)
        if there:
            daemonset(api, "kube-proxy", aside=False, pods=0)
        await running(succeed(left), 60)
        assert "remove" not in left.log

    async def test_without_rules_of_its_nobody_is_asked(self, api: FakeApi, succeed: Any) -> None:
        left = Left()
        await running(succeed(left), REST * 2 + 1)
        assert left.log == ["serving"] * 3
        assert not api.log

    async def test_where_both_stay_the_server_is_asked_ever_less(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "kube-proxy", aside=False, pods=1)
        await running(succeed(Left(serving=True)), 300)
        assert len([call for call in api.log if call.path.endswith("/kube-proxy")]) <= 300 / REST + 5

    async def test_a_failure_is_tried_again(self, api: FakeApi, succeed: Any) -> None:
        left = Left(serving=True)
        left.broken = True
        daemonset(api, "kube-proxy", aside=True, pods=0)
        task = asyncio.ensure_future(running(succeed(left), 10))
        await asyncio.sleep(5)
        left.broken = False
        await task
        assert left.log.count("remove") == 1


class TestWithdrawal:
    async def test_a_restart_is_none(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "understudy-service-proxy", aside=False, pods=1)
        daemonset(api, "kube-proxy", aside=False, pods=1)
        assert not await succeed(Left(serving=True)).withdrawn()

    async def test_it_waits_for_the_rules_of_kube_proxy(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "understudy-service-proxy", aside=True, pods=1)
        daemonset(api, "kube-proxy", aside=False, pods=1)
        none, left = Left(), Left()
        asyncio.get_running_loop().call_later(7, setattr, left, "there", True)
        assert await succeed(none, left).withdrawn()
        assert 7 <= asyncio.get_running_loop().time() < 8

    async def test_it_does_not_wait_for_ever(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "kube-proxy", aside=False, pods=1)  # and ours is deleted
        assert await succeed(Left()).withdrawn()
        assert PATIENCE <= asyncio.get_running_loop().time() < PATIENCE + 1

    async def test_it_does_not_wait_for_nobody(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "understudy-service-proxy", aside=True, pods=1)
        assert await succeed(Left()).withdrawn()
        assert asyncio.get_running_loop().time() < 1

    async def test_ours_stay_while_kube_proxy_is_held_back(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "kube-proxy", aside=True, pods=0)  # ours was deleted without the chart's hooks
        assert not await succeed(Left()).withdrawn()
        assert asyncio.get_running_loop().time() >= PATIENCE

    async def test_kube_proxy_may_be_called_back_after_ours_is_deleted(self, api: FakeApi, succeed: Any) -> None:
        daemonset(api, "kube-proxy", aside=True, pods=0)
        left, loop = Left(), asyncio.get_running_loop()
        loop.call_later(3, lambda: daemonset(api, "kube-proxy", aside=False, pods=0))
        loop.call_later(8, setattr, left, "there", True)
        assert await succeed(left).withdrawn()
        assert 8 <= loop.time() < 9

    @pytest.mark.parametrize("back", [True, False])
    async def test_without_rights_the_rules_of_kube_proxy_tell(self, api: FakeApi, succeed: Any, back: bool) -> None:
        daemonset(api, "kube-proxy", aside=True, pods=0)
        left = Left()
        asyncio.get_running_loop().call_later(8, setattr, left, "there", back)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "call", _forbidden)
            assert await succeed(left).withdrawn() is back

    async def test_ours_stay_if_nobody_can_tell(self, api: FakeApi, succeed: Any) -> None:
        succession = succeed(Left())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "call", _nobody)
            assert not await succession.withdrawn()
        assert await succession.withdrawn()


async def _forbidden(*_: Any, **__: Any) -> bytes:
    raise Forbidden(403, "the account is gone")


async def _nobody(*_: Any, **__: Any) -> bytes:
    raise Lost("nobody answers")


@pytest.mark.parametrize(
    ("table", "chain", "its"),
    [
        ("kube-proxy", "services", True),
        ("nat", "KUBE-SVC-ABC", True),
        ("filter", "KUBE-FORWARD", True),
        ("mangle", "KUBE-PROXY-CANARY", True),
        ("nat", "PREROUTING", False),
        ("nat", "KUBE-MARK-DROP", False),
        ("filter", "KUBE-FIREWALL", False),
        ("mangle", "KUBE-KUBELET-CANARY", False),
        ("mangle", "KUBE-IPTABLES-HINT", False),
        ("understudy-services", "services", False),
        ("others", "KUBE-SERVICES", False),
    ],
)
def test_what_is_kube_proxys_and_what_the_kubelets(table: str, chain: str, its: bool) -> None:
    assert is_kube_proxys(table, chain) is its
