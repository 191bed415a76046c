"""`helm uninstall`: upstream leads again at once, workloads are untouched, nothing of ours is left but the CRDs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.api.world import Place, until
from tests.cluster.world import KindWorld, generation, web
from understudy.cluster.kind import stage

KINDS = (
    "all,configmaps,secrets,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,"
    "leases,priorityclasses,validatingwebhookconfigurations,mutatingwebhookconfigurations"
)


@dataclass(frozen=True)
class Gone:
    """The chart is uninstalled: pods of a workload that were there before, and how long upstream took to lead."""

    pods: set[str]
    seconds: float


@pytest.fixture
def gone(world: KindWorld, place: Place) -> Iterator[Gone]:
    """Uninstalled beside a workload that goes on; the chart is installed again afterwards."""
    world.ours_lead()
    place.create("deployments", web("web", 4))
    place.complete("web", 120)
    pods = _uids(place)
    world.cluster.helm("uninstall", stage.RELEASE, "--namespace", stage.NAMESPACE, "--wait")
    uninstalled = time.monotonic()
    world.upstream_leads()
    yield Gone(pods, time.monotonic() - uninstalled)
    stage.install(world.cluster, lambda _: None)
    world.ours_lead(120)


def test_uninstalling_gives_the_stage_back(world: KindWorld, place: Place, gone: Gone) -> None:
    assert gone.seconds < 20
    assert _uids(place) == gone.pods, "untouched"
    place.patch("deployments", "web", generation(2))
    place.complete("web", 180)
    label = "app.kubernetes.io/part-of=understudy"
    until(lambda: not world.kubectl("get", KINDS, "--all-namespaces", f"--selector={label}", "--no-headers").out, 60)
    assert "controlplanes.understudy.dev" in world.kubectl("get", "crds", "--output=name").out
    assert not world.kubectl("get", "controlplanes", "--no-headers").out


def _uids(place: Place) -> set[str]:
    return {pod["metadata"]["uid"] for pod in place.items("pods")}
