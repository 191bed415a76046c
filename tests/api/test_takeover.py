"""The takeover, against upstream's own binaries: won, given back, lost, chosen anew, and never shared."""

import base64
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.api.theatre import LEASES, OURS, PLANE, THEIRS, Theatre, busy, longest_pause, theatre
from tests.api.world import get, path, until
from understudy.cluster.rest import ApiError, Object
from understudy.cluster.toolchain import ensure

pytestmark = pytest.mark.slow
HANDOVER = 40.0
"""Seconds a takeover may take on a busy machine: a try, the robbed Lease's 15 s, and starting."""
BACK = 20.0
"""Seconds after the death of all of ours in which upstream must lead again."""
ON_CALL = ("controllers-a", "controllers-b", "scheduler-a")
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
PLANES = PLANE.rpartition("/")[0]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[Theatre]:
    upstream = ensure(["kube-controller-manager", "kube-scheduler"])
    with theatre(tmp_path_factory.mktemp("takeover"), binaries | upstream) as made:
        yield made


@pytest.fixture
def cast(stage: Theatre) -> Iterator[Theatre]:
    """All of ours are on call and upstream leads; afterwards upstream leads again."""
    for name in ON_CALL:
        stage.start(name, name.rpartition("-")[0], "--on-call")
    stage.start("operator", "operator")
    until(lambda: set(ON_CALL) <= on_call(stage), why=lambda: (on_call(stage), ended(stage)))
    yield stage
    stage.world.api.delete(PLANE)
    until(lambda: get(stage.world.api, PLANE) is None, HANDOVER)
    assert stage.cli("release", "--all").code == 0


def on_call(stage: Theatre) -> set[str]:
    """Which replicas' processes have an entry; what was killed leaves one behind."""
    labelled = f"{path('leases', 'kube-system')}?labelSelector=understudy.dev/candidate-for"
    holders = {each["spec"]["holderIdentity"].split("_")[-2] for each in stage.world.api.get(labelled)["items"]}
    return {name for name in ON_CALL if stage.world.running(name) and str(stage.world.pid(name)) in holders}


def ended(stage: Theatre) -> str:
    """The end of the log of what does not run any more."""
    gone = [name for name in (*ON_CALL, "operator") if not stage.world.running(name)]
    return "\n".join("".join(list(stage.cluster.logs(name))[-15:]) for name in gone)


def plane(name: str = "cluster", **spec: object) -> Object:
    return {"apiVersion": "understudy.dev/v1alpha1", "kind": "ControlPlane", "metadata": {"name": name}, "spec": spec}


def led_by(stage: Theatre, who: str, seconds: float = HANDOVER) -> None:
    until(lambda: {stage.leader(each) for each in LEASES} == {who}, seconds, lambda: stage.cli("status").out)


def test_the_custom_resource_takes_over_and_gives_back(cast: Theatre) -> None:
    api, began = cast.world.api, time.time()
    with busy(cast.world):
        until(lambda: all(cast.acts(each, began) == [THEIRS] for each in LEASES))
        some = {"takeOver": True, "run": ["*", "-node-lifecycle"]}
        api.create(PLANES, plane(controllers=some, scheduler={"takeOver": True}))
        led_by(cast, OURS)
        until(lambda: cast.condition("Ready") == ("True", "AsAsked"), HANDOVER, cast.control_plane)
        status = cast.control_plane()["status"]
        assert "node-lifecycle-controller" in status["controllers"]["unattended"]
        assert status["lastHandover"]["to"] == OURS
        assert cast.condition("AllControllersRun") == ("False", "NotRun")
        until(lambda: cast.acts("controllers", began) == [THEIRS, OURS], why=lambda: cast.acts("controllers", began))
        api.patch(PLANE, {"spec": {"controllers": {"takeOver": False}, "scheduler": {"takeOver": False}}})
        led_by(cast, THEIRS)
        until(lambda: cast.condition("Ready") == ("True", "AsAsked"), HANDOVER, cast.control_plane)
        acts = [THEIRS, OURS, THEIRS]
        until(lambda: cast.acts("controllers", began) == acts, why=lambda: cast.acts("controllers", began))
        until(lambda: cast.acts("scheduler", began) == acts, why=lambda: cast.acts("scheduler", began))
    assert longest_pause(cast.writes("controllers", began)) < HANDOVER


def test_other_controllers_are_chosen_without_letting_upstream_in(cast: Theatre) -> None:
    api = cast.world.api
    api.create(PLANES, plane(controllers={"takeOver": True}))
    until(lambda: cast.condition("Ready") == ("True", "AsAsked"), HANDOVER, cast.control_plane)
    began = time.time()
    with busy(cast.world):
        api.patch(PLANE, {"spec": {"controllers": {"run": ["*", "-replicaset"]}}})
        until(lambda: "replicaset-controller" in cast.control_plane()["status"]["controllers"]["unattended"])
        until(lambda: any("leading" in line and "*,-replicaset" in line for line in cast.cli("status").lines), HANDOVER)
        until(lambda: cast.condition("Ready")[0] == "True", HANDOVER)
        assert cast.acts("controllers", began) == [OURS], "upstream had no chance to come between"
        chosen = time.time()
        until(lambda: len(cast.writes("controllers", chosen)) > 5)
        assert "create pods" not in {each.what for each in cast.writes("controllers", chosen)}


def test_a_deleted_custom_resource_gives_back(cast: Theatre) -> None:
    cast.world.api.create(PLANES, plane(controllers={"takeOver": True}, scheduler={"takeOver": True}))
    led_by(cast, OURS)
    until(lambda: cast.condition("Ready")[0] == "True", HANDOVER, cast.control_plane)
    cast.world.api.delete(PLANE)
    until(lambda: get(cast.world.api, PLANE) is None, HANDOVER)
    assert OURS not in {cast.leader(each) for each in LEASES}, "the finalizer waits for that"
    led_by(cast, THEIRS)


def test_upstream_is_back_when_all_of_ours_are_killed(cast: Theatre) -> None:
    began = time.time()
    with busy(cast.world):
        said = cast.cli("takeover", "--all")
        assert said.code == 0, said.err
        assert "may write for 15 s more" in said.out
        until(lambda: cast.acts("controllers", began)[-1:] == [OURS])
        killed = time.time()
        for name in ON_CALL:
            cast.world.kill(name)
        led_by(cast, THEIRS)
        took = {each: cast.since(each) - killed for each in LEASES}
        print(f"upstream leads again {took} s after kill -9 of all of ours")
        assert max(took.values()) <= BACK
        until(lambda: cast.acts("controllers", began) == [THEIRS, OURS, THEIRS])
    assert longest_pause(cast.writes("controllers", began)) < HANDOVER


def test_a_leader_that_is_asked_to_go_is_followed_by_our_own(cast: Theatre) -> None:
    assert cast.cli("takeover", "controllers").code == 0
    began, first = time.time(), cast.holder("controllers")
    leader = next(name for name in ON_CALL if f"_{cast.world.pid(name)}_" in first)
    with busy(cast.world):
        until(lambda: cast.acts("controllers", began) == [OURS])
        cast.cluster.stop_component(leader)
        until(lambda: cast.leader("controllers") == OURS and cast.holder("controllers") != first, 10)
        until(lambda: len(cast.writes("controllers", time.time() - 1)) > 0)
        assert cast.acts("controllers", began) == [OURS], "upstream had no chance to come between"


def test_by_hand_it_says_what_is_missing_and_how_it_is(cast: Theatre) -> None:
    said = cast.cli("status")
    assert said.code == 0, said.err
    assert "there is no ControlPlane" in said.out
    assert said.out.count("standing by") == 3
    cast.cluster.stop_component("scheduler-a")
    said = cast.cli("takeover", "scheduler")
    assert said.code == 1
    assert "no replica of Understudy is on call for kube-scheduler: install the chart" in said.err
    said = cast.cli("takeover", "controllers", "--run", "nonsense")
    assert said.code == 2
    assert "there is no controller 'nonsense'" in said.err


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (plane("other"), "a cluster has one control plane: name it 'cluster'"),
        (plane(controllers={"run": ["*", "-nonsense"]}), "there is no controller -nonsense"),
        (plane(controllers={"run": ["-deployment"]}), "only exclusions leave nothing to run"),
        (plane(controllers={"run": []}), "should have at least 1 items"),
    ],
)
def test_nonsense_is_refused_by_the_server_itself(stage: Theatre, body: Object, why: str) -> None:
    with pytest.raises(ApiError, match=why):
        stage.world.api.create(PLANES, body)


def test_with_the_webhook_what_we_do_not_have_is_refused_too(stage: Theatre) -> None:
    api, pki = stage.world.api, stage.cluster.at.pki
    webhook, liveness = free_port(), free_port()
    stage.cluster.stop_component("operator")
    certificate = [str(webhook), str(pki / "apiserver.crt"), str(pki / "apiserver.key")]
    probe = f"http://127.0.0.1:{liveness}/healthz"
    stage.start("operator-webhook", "operator", "--webhook", *certificate, "--liveness", probe)
    try:
        api.create(WEBHOOKS, webhook_configuration(webhook, (pki / "ca.crt").read_bytes()))
        why = "spec.controllers.run: there is no controller 'selinux-warning'"
        until(lambda: why in refused(stage), HANDOVER, lambda: refused(stage))
        with urlopen(probe, timeout=10) as answer:
            assert "quiet" in answer.read().decode()
    finally:
        api.delete(f"{WEBHOOKS}/understudy")
        stage.cluster.stop_component("operator-webhook")


def refused(stage: Theatre) -> str:
    """Why the server does not take a ControlPlane with a controller that upstream has and we do not, "" if it does."""
    try:
        stage.world.api.create(f"{PLANES}?dryRun=All", plane(controllers={"run": ["selinux-warning"]}))
    except ApiError as error:
        return str(error)
    return ""


def webhook_configuration(port: int, authority: bytes) -> Object:
    rule = {"apiGroups": ["understudy.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["controlplanes"]}
    hook = {
        "name": "validate.understudy.dev",
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}/validate",
            "caBundle": base64.b64encode(authority).decode(),
        },
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {"metadata": {"name": "understudy"}, "webhooks": [hook]}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
