"""What kubectl prints about our loops' work, line by line: the texts a stock cluster is known by.

kubectl reads status, conditions, annotations, Events and EndpointSlices; each of these tests would fail if one of them
were not what kube-controller-manager writes.
"""

import re

import pytest

from tests.api.world import Place, until, workload


def ok(place: Place, *arguments: str) -> list[str]:
    """The lines kubectl prints; it must succeed."""
    said = place.kubectl(*arguments)
    assert said.code == 0, said
    return said.lines


def refused(place: Place, *arguments: str) -> str:
    said = place.kubectl(*arguments)
    assert said.code == 1, said
    return said.err.strip()


@pytest.fixture
def web(place: Place) -> Place:
    """A place with a Deployment that has rolled out."""
    assert ok(place, "create", "deployment", "web", "--image=app:1", "--replicas=2") == ["deployment.apps/web created"]
    place.complete("web")
    return place


def test_create_and_scale(web: Place) -> None:
    assert ok(web, "rollout", "status", "deployment/web") == ['deployment "web" successfully rolled out']
    assert ok(web, "scale", "deployment/web", "--replicas=5") == ["deployment.apps/web scaled"]
    web.complete("web")
    header, row = ok(web, "get", "deployment", "web", "-o", "wide")
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert re.fullmatch(r"web +5/5 +5 +5 +\d+s +app +app:1 +app=web", row)
    header, row = ok(web, "get", "replicasets")
    assert header.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert re.fullmatch(r"web-[a-z0-9]{5,10} +5 +5 +5 +\d+s", row)
    condition = ["wait", "deployment/web", "--for=condition=Available", "--timeout=10s"]
    assert ok(web, *condition) == ["deployment.apps/web condition met"]


def test_status_says_what_is_missing(place: Place) -> None:
    place.create("deployments", workload("web", 3))
    place.complete("web")
    place.patch("deployments", "web", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}})
    annotations = {"kwok.understudy.dev/not-ready": "true"}
    place.patch("deployments", "web", {"spec": {"template": {"metadata": {"annotations": annotations}}}})
    until(lambda: (place.get("deployments", "web") or {})["status"].get("unavailableReplicas") == 1)
    waiting = 'Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated...'
    assert ok(place, "rollout", "status", "deployment/web", "--watch=false") == [waiting]
    said = place.kubectl("rollout", "status", "deployment/web", "--timeout=1s")
    assert (said.code, said.lines, said.err) == (1, [waiting], "error: timed out waiting for the condition\n")
    row = ok(place, "get", "deployment", "web", "--no-headers")[0]
    assert row.split()[:4] == ["web", "3/3", "1", "3"]


def test_a_rollout_and_its_history(web: Place) -> None:
    assert ok(web, "set", "image", "deployment/web", "app=app:2") == ["deployment.apps/web image updated"]
    assert ok(web, "rollout", "status", "deployment/web")[-1] == 'deployment "web" successfully rolled out'
    ok(web, "annotate", "deployment/web", "kubernetes.io/change-cause=the second")
    until(lambda: "the second" in ok(web, "rollout", "history", "deployment/web")[-2])
    lines = [" ".join(each.split()) for each in ok(web, "rollout", "history", "deployment/web")]
    assert lines == ["deployment.apps/web", "REVISION CHANGE-CAUSE", "1 <none>", "2 the second", ""]
    detail = ok(web, "rollout", "history", "deployment/web", "--revision=1")
    assert detail[0] == "deployment.apps/web with revision #1"
    assert any(each.split() == ["Image:", "app:1"] for each in detail)


def test_undo(web: Place) -> None:
    ok(web, "set", "image", "deployment/web", "app=app:2")
    web.complete("web")
    assert ok(web, "rollout", "undo", "deployment/web") == ["deployment.apps/web rolled back"]
    web.complete("web")
    until(lambda: web.images() == {"app:1": 2})
    lines = [each.split()[0] for each in ok(web, "rollout", "history", "deployment/web")[1:-1]]
    assert lines == ["REVISION", "2", "3"]
    assert len(web.items("replicasets")) == 2, "the old one is used again"
    again = ["rollout", "undo", "deployment/web", "--to-revision=3"]
    skipped = "deployment.apps/web skipped rollback (current template already matches revision 3)"
    assert ok(web, *again) == [skipped]
    missing = refused(web, "rollout", "undo", "deployment/web", "--to-revision=1")
    assert missing == "error: unable to find specified revision 1 in history"


def test_pause_and_resume(web: Place) -> None:
    assert ok(web, "rollout", "pause", "deployment/web") == ["deployment.apps/web paused"]
    assert refused(web, "rollout", "pause", "deployment/web") == 'error: deployments.apps "web" is already paused'
    ok(web, "set", "image", "deployment/web", "app=app:2")
    ok(web, "scale", "deployment/web", "--replicas=3")
    until(lambda: web.images() == {"app:1": 3})
    waiting = 'Waiting for deployment "web" rollout to finish: 0 out of 3 new replicas have been updated...'
    until(lambda: ok(web, "rollout", "status", "deployment/web", "--watch=false") == [waiting])
    conditions = (web.get("deployments", "web") or {})["status"]["conditions"]
    assert ("Progressing", "Unknown", "DeploymentPaused") in {(c["type"], c["status"], c["reason"]) for c in conditions}
    advice = "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again"
    assert refused(web, "rollout", "undo", "deployment/web", "--to-revision=1") == f"error: {advice}"
    assert ok(web, "rollout", "resume", "deployment/web") == ["deployment.apps/web resumed"]
    assert ok(web, "rollout", "status", "deployment/web")[-1] == 'deployment "web" successfully rolled out'
    until(lambda: web.images() == {"app:2": 3})


def test_restart(web: Place) -> None:
    before = web.names("pods")
    assert ok(web, "rollout", "restart", "deployment/web") == ["deployment.apps/web restarted"]
    assert ok(web, "rollout", "status", "deployment/web")[-1] == 'deployment "web" successfully rolled out'
    until(lambda: len(web.names("pods")) == 2 and not web.names("pods") & before)


def test_describe_shows_events_and_conditions(web: Place) -> None:
    old = web.items("replicasets")[0]["metadata"]["name"]
    ok(web, "scale", "deployment/web", "--replicas=3")
    web.complete("web")
    scaled = f"Scaled up replica set {old} from 2 to 3"
    until(lambda: scaled in "\n".join(ok(web, "describe", "deployment", "web")))
    text = ok(web, "describe", "deployment", "web")
    lines = [re.sub(r" \d+s ", " 1s ", " ".join(each.split())) for each in text]
    assert sorted(lines[lines.index("Events:") + 3 :]) == [
        f"Normal ScalingReplicaSet 1s deployment-controller Scaled up replica set {old} from 0 to 2",
        f"Normal ScalingReplicaSet 1s deployment-controller {scaled}",
    ]
    assert "Available True MinimumReplicasAvailable" in lines
    assert "Progressing True NewReplicaSetAvailable" in lines
    assert "Replicas: 3 desired | 3 updated | 3 total | 3 available | 0 unavailable" in lines
    assert f"NewReplicaSet: {old} (3/3 replicas created)" in lines
    created = ok(web, "describe", "replicaset", old)
    assert sum("SuccessfulCreate" in each and "replicaset-controller" in each for each in created) == 3


def test_a_rollout_that_cannot_go_on(web: Place) -> None:
    patch = '{"spec": {"progressDeadlineSeconds": 1, "template": {"spec": {"nodeSelector": {"no": "where"}}}}}'
    ok(web, "patch", "deployment", "web", "-p", patch)
    said = web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert said.code == 1
    assert said.err == 'error: deployment "web" exceeded its progress deadline\n'
    conditions = {each["type"]: each for each in (web.get("deployments", "web") or {})["status"]["conditions"]}
    assert (conditions["Progressing"]["status"], conditions["Progressing"]["reason"]) == (
        "False",
        "ProgressDeadlineExceeded",
    )
    assert conditions["Available"]["status"] == "True", "the old pods are left alone"
    ok(web, "rollout", "undo", "deployment/web")
    assert ok(web, "rollout", "status", "deployment/web")[-1] == 'deployment "web" successfully rolled out'


def test_expose(web: Place) -> None:
    assert ok(web, "expose", "deployment/web", "--port=80", "--target-port=8080") == ["service/web exposed"]
    addresses = sorted(each["status"]["podIP"] for each in web.items("pods"))
    shown = "{.subsets[0].addresses[*].ip} {.subsets[0].ports[*].port}"
    endpoints = ["get", "endpoints", "web", "-o", f"jsonpath={shown}"]
    until(lambda: ok(web, *endpoints) == [f"{' '.join(addresses)} 8080"], why=lambda: ok(web, *endpoints))
    header, row = ok(web, "get", "endpointslices", "-l", "kubernetes.io/service-name=web")
    name, kind, ports, ips, _ = row.split()
    assert header.split() == ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"]
    assert re.fullmatch("web-[a-z0-9]{5}", name)
    assert (kind, ports, sorted(ips.split(","))) == ("IPv4", "8080", addresses)
    slice_ = web.get("endpointslices", name) or {}
    assert slice_["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert slice_["metadata"]["ownerReferences"][0]["kind"] == "Service"
    for each in slice_["endpoints"]:
        assert each["conditions"] == {"ready": True, "serving": True, "terminating": False}
        assert each["targetRef"]["kind"] == "Pod"
        assert each["nodeName"].startswith("node-")
    ok(web, "scale", "deployment/web", "--replicas=0")
    until(lambda: not (web.get("endpointslices", name) or {}).get("endpoints"))
    assert not (web.get("endpoints", "web") or {}).get("subsets")


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_delete_takes_everything_along(web: Place, cascade: str) -> None:
    said = ok(web, "delete", "deployment", "web", f"--cascade={cascade}", "--timeout=30s")
    assert said == [f'deployment.apps "web" deleted from {web.name} namespace']
    if cascade == "foreground":
        assert not web.names("replicasets"), "they went before it"
        assert not web.names("pods")
    web.gone("replicasets")
    web.gone("pods")


def test_delete_without_cascade_leaves_orphans_that_are_adopted_again(web: Place) -> None:
    pods, sets = web.names("pods"), web.names("replicasets")
    ok(web, "delete", "deployment", "web", "--cascade=orphan")
    until(lambda: not web.items("replicasets")[0]["metadata"].get("ownerReferences"))
    assert (web.names("pods"), web.names("replicasets")) == (pods, sets)
    ok(web, "create", "deployment", "web", "--image=app:1", "--replicas=2")
    web.complete("web")
    assert (web.names("pods"), web.names("replicasets")) == (pods, sets)
    owner = web.items("replicasets")[0]["metadata"]["ownerReferences"][0]
    assert owner["uid"] == (web.get("deployments", "web") or {})["metadata"]["uid"]


def test_component_statuses_look_right(place: Place) -> None:
    def statuses() -> set[tuple[str, ...]]:
        return {tuple(line.split()[:3]) for line in ok(place, "get", "componentstatuses", "--no-headers")}

    until(lambda: {("controller-manager", "Healthy", "ok"), ("scheduler", "Healthy", "ok")} <= statuses(), why=statuses)
