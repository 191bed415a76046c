"""kube-proxy steps aside for ours and comes back: no connection is lost on the way, and nothing of either is left."""

import time
from collections.abc import Iterator

import pytest

from tests.api.world import Place, until
from tests.cluster.world import BUSYBOX, KindWorld, web
from tests.conformance.proxies import kube_proxies
from understudy.cluster.kind import stage
from understudy.proxy.service.layout import TABLE

ASK = "while true; do timeout 5 wget -qO- http://{ip}/ > /dev/null && echo good || echo LOST; done"
HANDOVER = 240.0
"""Seconds: pods go and come on every node, and a node looks every half minute whether kube-proxy has left."""


@pytest.fixture
def installed(world: KindWorld) -> Iterator[None]:
    """The service proxy too; without it again afterwards."""
    world.ours_lead()
    stage.install(world.cluster, lambda _: None, values=stage.service_proxy(world.cluster))
    yield
    stage.install(world.cluster, lambda _: None)
    until(lambda: not _tables(world, TABLE), HANDOVER, why=lambda: _tables(world, TABLE))


def test_a_handover_and_back_loses_no_connection(world: KindWorld, place: Place, installed: None) -> None:
    del installed
    place.create("deployments", web("web", 4))
    place.complete("web", 120)
    assert place.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080").code == 0
    service = place.get("services", "web")
    assert service
    ask = ASK.format(ip=service["spec"]["clusterIP"])
    assert place.kubectl("run", "asker", f"--image={BUSYBOX}", "--restart=Never", "--", "sh", "-c", ask).code == 0
    until(lambda: "good" in place.kubectl("logs", "asker").out, 60)
    until(lambda: not kube_proxies(world.cluster), HANDOVER, why=lambda: kube_proxies(world.cluster))
    _still_asking(place)
    _want(world, take_over=False)
    until(lambda: not _tables(world, TABLE), HANDOVER, why=lambda: _tables(world, TABLE))
    assert len(_tables(world, "kube-proxy")) == 3
    _still_asking(place)
    _want(world, take_over=True)
    until(lambda: not kube_proxies(world.cluster), HANDOVER, why=lambda: kube_proxies(world.cluster))
    _still_asking(place)
    assert "LOST" not in place.kubectl("logs", "asker").out


def _still_asking(place: Place) -> None:
    before = place.kubectl("logs", "asker").out.count("good")
    time.sleep(3)
    until(lambda: place.kubectl("logs", "asker").out.count("good") > before + 5, 60)


def _want(world: KindWorld, *, take_over: bool) -> None:
    patch = f'{{"spec":{{"serviceProxy":{{"takeOver":{str(take_over).lower()}}}}}}}'
    assert world.kubectl("patch", "controlplane", "cluster", "--type=merge", f"--patch={patch}").code == 0


def _tables(world: KindWorld, name: str) -> list[str]:
    """The nodes that have an IPv4 table called that."""
    wanted = f"table ip {name}"
    return [node for node in world.cluster.nodes() if wanted in world.cluster.execute(node, "nft", "list", "tables")]
