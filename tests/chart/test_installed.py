"""The chart on a real API server: it is accepted whole, its rights are enough, and it goes without leaving anything."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.api.world import is_complete, path, until, workload
from tests.chart.installed import NAMESPACE, SECONDS, Installed
from understudy.cluster.embedded import EmbeddedCluster

LEASES = ("kube-controller-manager", "kube-scheduler")
OURS = "labelSelector=app.kubernetes.io%2Fpart-of%3Dunderstudy"
KINDS = (
    "/api/v1/serviceaccounts",
    "/api/v1/pods",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/daemonsets",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
)
CONTROL_PLANES = "/apis/understudy.dev/v1alpha1/controlplanes"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The chart installed on three simulated nodes, and nobody else to lead."""
    folder = tmp_path_factory.mktemp("chart")
    cluster = EmbeddedCluster("chart-test", folder)
    try:
        cluster.up(nodes=3, die_with_parent=True)
        release = Installed(cluster, folder)
        release.install()
        yield release
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def loops(release: Installed) -> Iterator[Installed]:
    """Controllers and scheduler, as their pods would run them."""
    with ExitStack() as stack:
        for component in ("controllers", "scheduler"):
            stack.enter_context(release.running(component, "--leader-elect", "--on-call"))
        yield release


def test_with_the_charts_rights_all_lead_and_a_deployment_rolls_out(loops: Installed) -> None:
    with loops.running("operator"), loops.cluster.api() as api:
        stage = loops.hook("understudy.onstage", "controllers", "scheduler", f"--timeout={SECONDS}")
        assert stage.returncode == 0, stage.stderr + loops.log("operator")
        api.create(path("deployments", "default"), workload("web", 5))
        until(lambda: is_complete(api.get(path("deployments", "default", "web"))), SECONDS)
        # The chart's own pods too, on nodes of their own where they share the nodes' ports.
        for name in ("controllers", "scheduler", "operator"):
            where = path("deployments", NAMESPACE, f"understudy-{name}")
            until(lambda: is_complete(api.get(where)), SECONDS)  # noqa: B023
        pods = api.get(path("pods", NAMESPACE))["items"]
        placed = [(pod["metadata"]["labels"]["app.kubernetes.io/component"], pod["spec"]["nodeName"]) for pod in pods]
        assert len(placed) == len(set(placed))
    for component in ("controllers", "scheduler", "operator"):
        assert "orbidden" not in loops.log(component), component


def test_an_upgrade_that_changes_nothing_restarts_nothing(loops: Installed) -> None:
    where = path("deployments", NAMESPACE, "understudy-controllers")
    with loops.cluster.api() as api:
        before = api.get(where)["metadata"]["generation"]
        loops.install()
        assert api.get(where)["metadata"]["generation"] == before


def test_without_its_operator_the_stage_is_given_back_all_the_same(loops: Installed) -> None:
    """The two steps of the pre-delete hook, on a ControlPlane whose finalizer nobody takes off."""
    with loops.cluster.api() as api:
        assert api.get(f"{CONTROL_PLANES}/cluster")["metadata"]["finalizers"]
        withdrawn = loops.hook("understudy.withdraw", "--timeout=3")
        assert "its operator did not answer within 3 s" in withdrawn.stdout
        assert api.get(CONTROL_PLANES)["items"] == []
        released = loops.hook("understudy", "release", "--all", "--timeout=5")
        assert "nobody took it: does upstream run?" in released.stderr
        for lease in LEASES:
            held = api.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{lease}")
            assert held["spec"].get("holderIdentity", "") == ""


def test_nothing_is_left_but_the_definitions(loops: Installed) -> None:
    loops.helm("uninstall", "ours", "--no-hooks", "--ignore-not-found")
    with loops.cluster.api() as api:
        for kind in KINDS:
            left = [
                item["metadata"]["name"]
                for item in api.get(f"{kind}?{OURS}")["items"]
                if "deletionTimestamp" not in item["metadata"] and not item["metadata"].get("ownerReferences")
            ]
            assert left == [], kind
        assert api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/controlplanes.understudy.dev")
