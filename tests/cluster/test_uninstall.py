"""`helm uninstall`: upstream leads again at once, workloads are untouched, nothing of ours is left but the CRDs."""

import time
from collections.abc import Iterator

import pytest

from tests.api.world import Place, until
from tests.cluster.world import KindWorld, generation, web
from understudy.cluster.kind import stage

KINDS = (
    "all,configmaps,secrets,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,"
    "leases,priorityclasses,validatingwebhookconfigurations,mutatingwebhookconfigurations"
)


@pytest.fixture
def uninstalled(world: KindWorld, place: Place) -> Iterator[float]:
    """A workload is there, and the chart is gone; how long upstream took to lead. It is installed again afterwards."""
    world.ours_lead()
    place.create("deployments", web("web", 4))
    place.complete("web", 120)
    place.before = {pod["metadata"]["uid"] for pod in place.items("pods")}  # type: ignore[attr-defined]
    world.cluster.helm("uninstall", stage.RELEASE, "--namespace", stage.NAMESPACE, "--wait")
    gone = time.monotonic()
    world.upstream_leads()
    yield time.monotonic() - gone
    stage.install(world.cluster, lambda _: None)
    world.ours_lead(120)


def test_uninstalling_gives_the_stage_back(world: KindWorld, place: Place, uninstalled: float) -> None:
    assert uninstalled < 20
    assert {pod["metadata"]["uid"] for pod in place.items("pods")} == place.before, "untouched"  # type: ignore[attr-defined]
    place.patch("deployments", "web", generation(2))
    place.complete("web", 180)
    label = "app.kubernetes.io/part-of=understudy"
    until(lambda: not world.kubectl("get", KINDS, "--all-namespaces", f"--selector={label}", "--no-headers").out, 60)
    assert "controlplanes.understudy.dev" in world.kubectl("get", "crds", "--output=name").out
    assert not world.kubectl("get", "controlplanes", "--no-headers").out
