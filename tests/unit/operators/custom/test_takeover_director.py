"""The handlers of ControlPlane: one round, what is not written twice, how long a deletion waits, what is refused."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import kopf
import pytest

from tests.unit.operators.custom.test_takeover_stage import BOTH, ME, NOW, TAKEN, lease
from understudy.api.transport import Lost
from understudy.loop.call import LEADER
from understudy.operators.custom.addons import ADDONS
from understudy.operators.custom.addons.addon import Verdict
from understudy.operators.custom.addons.keeper import Addons
from understudy.operators.custom.controlplane import FINALIZER, PATIENCE, Director, registered, validate
from understudy.operators.custom.dnsrecord import RIGHTS
from understudy.operators.custom.operator import configured, operator_rules
from understudy.takeover.leases import Leases
from understudy.takeover.seen import LEASE_OF, Seen, see


class Cluster(Leases):
    """Leases and a ControlPlane in memory."""

    def __init__(self, plane: dict[str, Any] | None, holder: str = "kcm_1") -> None:
        self.plane, self.holder = plane, holder
        self.annotations: dict[str, dict[str, str]] = {component: {} for component in LEASE_OF}
        self.written: list[str] = []
        self.down = False

    async def look(self, component: str) -> Seen:
        if self.down:
            raise Lost("nobody answers")
        return see(LEASE_OF[component], lease(self.holder, self.annotations[component]), (), NOW)

    async def annotate(self, component: str, annotations: Mapping[str, str | None]) -> None:
        self.written.append(component)
        merged = self.annotations[component] | dict(annotations)
        self.annotations[component] = {key: text for key, text in merged.items() if text}

    async def control_plane(self) -> dict[str, Any] | None:
        return self.plane

    async def report(self, status: Mapping[str, Any]) -> None:
        assert self.plane is not None
        self.written.append("status")
        self.plane["status"] = {
            key: {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value
            for key, value in status.items()
            if value is not None
        }


class NoAddons(Addons):
    """Add-ons that are as asked for, or on their way."""

    def __init__(self, *moving: str) -> None:
        self.moving = moving
        self.asked: list[Mapping[str, bool]] = []

    async def direct(self, wanted: Mapping[str, bool]) -> dict[str, Verdict]:
        self.asked.append(wanted)
        return {name: Verdict("understudy", moving=("Releasing", "it takes its time")) for name in self.moving}


def plane(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "cluster", "generation": 1, **metadata}, "spec": BOTH}


def director(cluster: Cluster, now: datetime = NOW, addons: Addons | None = None) -> Director:
    return Director(cluster, addons or NoAddons(), lambda: now)


async def test_a_round_writes_what_is_asked_for_and_then_nothing() -> None:
    cluster = Cluster(plane())
    await director(cluster).round()
    assert cluster.annotations == {"controllers": TAKEN, "scheduler": {LEADER: "understudy"}}
    assert cluster.written == ["controllers", "scheduler", "status"]
    await director(cluster).round()
    assert cluster.written == ["controllers", "scheduler", "status"]


async def test_without_an_object_nothing_is_done() -> None:
    cluster = Cluster(None)
    await director(cluster).round()
    assert cluster.written == []


async def test_what_the_server_does_not_answer_is_tried_again() -> None:
    cluster = Cluster(plane())
    cluster.down = True
    with pytest.raises(kopf.TemporaryError, match="nobody answers"):
        await director(cluster).round()


async def test_a_deletion_waits_until_ours_have_given_back() -> None:
    body = plane(deletionTimestamp="2026-01-02T03:04:05Z")
    cluster = Cluster(body, holder=ME)
    cluster.annotations = {component: dict(TAKEN) for component in LEASE_OF}
    with pytest.raises(kopf.TemporaryError, match="waiting for kube-controller-manager, kube-scheduler"):
        await director(cluster).leave(body["metadata"])
    assert {each[LEADER] for each in cluster.annotations.values()} == {"upstream"}
    cluster.holder = ""
    await director(cluster).leave(body["metadata"])


async def test_add_ons_are_told_what_is_wanted_and_told_of_in_the_status() -> None:
    body = plane()
    body["spec"] = {**BOTH, "serviceProxy": {"takeOver": True}, "dns": {}}
    cluster, addons = Cluster(body, holder=ME), NoAddons("serviceProxy")
    await director(cluster, addons=addons).round()
    assert addons.asked == [{"controllers": True, "scheduler": True, "serviceProxy": True, "dns": False}]
    assert body["status"]["serviceProxy"] == {"leader": "understudy", "ready": 0, "desired": 0}
    ready = next(each for each in body["status"]["conditions"] if each["type"] == "Progressing")
    assert "it takes its time" in ready["message"]


async def test_a_deletion_waits_for_add_ons_too() -> None:
    body = plane(deletionTimestamp="2026-01-02T03:04:05Z")
    body["spec"] = {"serviceProxy": {"takeOver": True}}
    addons = NoAddons("serviceProxy")
    with pytest.raises(kopf.TemporaryError, match="waiting for serviceProxy"):
        await director(Cluster(body), addons=addons).leave(body["metadata"])
    assert addons.asked == [{"serviceProxy": False}]
    await director(Cluster(body)).leave(body["metadata"])


async def test_a_deletion_does_not_wait_for_ever() -> None:
    body = plane(deletionTimestamp="2026-01-02T03:04:05Z")
    cluster = Cluster(body, holder=ME)
    await director(cluster, NOW + timedelta(seconds=PATIENCE)).leave(body["metadata"])


async def test_the_webhook_refuses_with_a_reason() -> None:
    await validate("cluster", BOTH)
    with pytest.raises(kopf.AdmissionError, match=r"spec\.controllers\.run: there is no controller 'x'"):
        await validate("cluster", {"controllers": {"run": ["x"]}})


@pytest.mark.parametrize("admission", [True, False])
def test_the_webhook_is_registered_only_if_asked_for(admission: bool) -> None:
    registry = registered(director(Cluster(None)), admission=admission)
    assert bool(registry._webhooks.get_all_handlers()) is admission


def test_kopf_marks_objects_under_our_own_name_only() -> None:
    settings = configured({"webhook-port": "1", "webhook-cert": "c", "webhook-key": "k"})
    assert settings.persistence.finalizer == FINALIZER
    assert settings.admission.server is not None
    assert not configured({}).posting.enabled
    for storage in (settings.persistence.progress_storage, settings.persistence.diffbase_storage):
        assert getattr(storage, "prefix") == "understudy.dev"  # noqa: B009 (declared on the mixin only)


def test_the_operator_may_not_touch_anything_else() -> None:
    own = {"controlplanes", "controlplanes/status", "customresourcedefinitions", "leases", "events"}
    own |= {"schedulerprofiles", "schedulerprofiles/status"}
    addons = {each for addon in ADDONS for rule in addon.rights for each in rule["resources"]}
    addons |= {each for rule in RIGHTS for each in rule["resources"]}
    assert {each for rule in operator_rules() for each in rule["resources"]} == own | addons
    assert not any("*" in rule["verbs"] + rule["resources"] + rule["apiGroups"] for rule in operator_rules())
