"""When a volume is attached to a node, when it is detached, and what its Pods are told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, of, only, run, writes
from tests.unit.operators.volumes import claim, volume, world
from understudy.errors import AlreadyExists, Forbidden
from understudy.kinds.core import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, Node, PersistentVolumeClaim, Pod
from understudy.kinds.csi import attachment_name, source_of, unique_name
from understudy.kinds.meta import Key
from understudy.kinds.storage import (
    CSI_DRIVERS,
    PERSISTENT_VOLUMES,
    VOLUME_ATTACHMENTS,
    CSIVolumeSource,
    PersistentVolume,
    VolumeAttachment,
)
from understudy.loop.controller import REGISTRY
from understudy.operators import attachdetach
from understudy.plan.steps import Create, Delete, Get, Patch, Requeue, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["persistentvolume-attach-detach-controller"]
MANAGED = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
NAME = "kubernetes.io/csi/d^v"
SUCCEEDED = 'AttachVolume.Attach succeeded for volume "v" '
FAILED = 'AttachVolume.Attach failed for volume "v" : '
MULTI = 'Multi-Attach error for volume "v" '


def node(
    name: str = "n1",
    *,
    listed: Sequence[str] = (),
    in_use: Sequence[str] = (),
    ready: bool = True,
    taint: str = "",
    managed: bool = True,
) -> Node:
    status = {
        "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        "volumesAttached": [{"name": each, "devicePath": ""} for each in listed],
        "volumesInUse": list(in_use),
    }
    taints = [{"key": taint, "effect": "NoExecute"}] if taint else []
    return make(NODES, name, annotations=MANAGED if managed else {}, spec={"taints": taints}, status=status)


def user(name: str = "p", on: str = "n1", of: str = "c", phase: str = "Running", **more: Any) -> Pod:
    spec = {"nodeName": on, "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": of}}]}
    return make(PODS, name, spec=spec, status={"phase": phase, "containerStatuses": more.pop("statuses", [])}, **more)


def attachment(to: str = "n1", *, attached: bool = True, error: str = "", **metadata: Any) -> VolumeAttachment:
    status: dict[str, Any] = {"attached": attached} | ({"attachError": {"message": error}} if error else {})
    spec = {"attacher": "d", "nodeName": to, "source": {"persistentVolumeName": "v"}}
    return make(
        VOLUME_ATTACHMENTS, attachment_name(CSIVolumeSource("d", "v"), to), spec=spec, status=status, **metadata
    )


def bound(**given: Any) -> tuple[PersistentVolumeClaim, PersistentVolume]:
    mine = claim(volume="v", phase="Bound")
    return mine, volume(of=mine, phase="Bound", **given)


def decide(view: View, key: str = "v", now: datetime = NOW, answer: Any = None) -> list[Step]:
    found = view.get(PERSISTENT_VOLUMES, "", key)
    decision = attachdetach.decide(found, view, now) if found else attachdetach.gone(Key("", key), view, now)
    return run(decision, view, answer)


def listed(view: View, on: str = "n1") -> list[str]:
    found = view.get(NODES, "", on)
    assert found is not None
    return [each.name for each in found.status.volumesAttached]


# Attaching


def test_an_attachment_is_made_where_a_pod_is_and_nowhere_else() -> None:
    view = world(*bound(), node(), node("n2"), user())
    create = only(decide(view), Create)
    assert create.body == {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "csi-" + _sha("vdn1")},
        "spec": {"attacher": "d", "nodeName": "n1", "source": {"persistentVolumeName": "v"}},
    }
    assert not writes(decide(view))


def _sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "objects",
    [
        [*bound(), node(managed=False), user()],
        [*bound(), user()],
        [*bound(), node(), user(phase="Succeeded")],
        [*bound(), node(), user(deleting=True)],
        [claim(phase="Bound", volume="v"), volume(), node(), user()],
        [claim(volume="v"), bound()[1], node(), user()],
        [*bound(), node(), user(), make(CSI_DRIVERS, "d", spec={"attachRequired": False})],
        [*bound(source={"nfs": {"path": "/"}}), node(), user()],
    ],
)
def test_who_does_not_need_one(objects: Any) -> None:
    assert not decide(world(*objects))


def test_a_pod_on_its_way_out_needs_its_volume_while_something_runs() -> None:
    for state, needs in (({"running": {}}, True), ({"waiting": {}}, False), ({"terminated": {"exitCode": 0}}, False)):
        view = world(*bound(), node(), user(deleting=True, statuses=[{"name": "c", "state": state}]))
        assert bool(writes(decide(view))) is needs


def test_an_attached_volume_is_listed_and_its_pods_are_told_once() -> None:
    view = world(*bound(), node(), user("a"), user("b"), attachment())
    assert not writes(decide(view))
    steps = decide(view, "n1")
    assert only(steps, Patch).body == {"status": {"volumesAttached": [{"name": NAME, "devicePath": ""}]}}
    assert events(steps) == [("Normal", "SuccessfulAttachVolume", SUCCEEDED)] * 2
    assert not decide(view, "n1")


def test_what_is_not_attached_yet_is_not_listed() -> None:
    for given in (attachment(attached=False), attachment(deleting=True, finalizers=["x"])):
        assert not decide(world(*bound(), node(), user(), given), "n1")


def test_what_is_attached_no_more_is_listed_no_more() -> None:
    view = world(*bound(), node(listed=[NAME, "kubernetes.io/iscsi/x"], in_use=[NAME]), user())
    assert decide(view, "n1")
    assert listed(view) == ["kubernetes.io/iscsi/x"]  # not ours to judge


def test_a_driver_that_fails_or_takes_too_long_is_told_of() -> None:
    steps = decide(world(*bound(), node(), user(), attachment(attached=False, error="no such disk")))
    assert events(steps) == [("Warning", "FailedAttachVolume", f"{FAILED}no such disk")]
    view = world(*bound(), node(), user(), attachment(attached=False, created="2026-01-02T11:59:00Z"))
    assert only(decide(view), Requeue).after == 60
    steps = decide(view, now=NOW + timedelta(seconds=60))
    late = "timed out waiting for external-attacher of d CSI driver to attach volume v"
    assert events(steps) == [("Warning", "FailedAttachVolume", FAILED + late)]
    assert only(steps, Requeue).after == 120
    steps = decide(world(*bound(), node(), user(), attachment(deleting=True, finalizers=["x"])))
    assert events(steps) == [("Warning", "FailedAttachVolume", f"{FAILED}volume attachment is being deleted")]


def test_an_attachment_that_cannot_be_made() -> None:
    told: list[Step] = []

    def refuse(step: Step) -> None:
        told.append(step)
        if isinstance(step, Create):
            raise Forbidden(403, "Forbidden", "no")

    with pytest.raises(Forbidden):
        decide(world(*bound(), node(), user()), answer=refuse)
    message = f"{FAILED}kubernetes.io/csi: attacher.Attach failed: no"
    assert events(told) == [("Warning", "FailedAttachVolume", message)]

    def exists(step: Step) -> None:
        if isinstance(step, Create):
            raise AlreadyExists(409, "AlreadyExists", "there")

    assert not events(decide(world(*bound(), node(), user()), answer=exists))


# One node at a time


def test_an_exclusive_volume_waits_for_the_other_node_and_says_so_once() -> None:
    view = world(*bound(), node(), node("n2", listed=[NAME]), user("a"), user("b", "n2"), attachment("n2"))
    steps = decide(view)
    message = f"{MULTI}Volume is already used by pod(s) b"
    assert events(steps) == [("Warning", "FailedAttachVolume", message)]
    assert not writes(steps)
    assert not decide(view)
    gone = world(*bound(), node(), node("n2", listed=[NAME], in_use=[NAME]), user("a"), attachment("n2"))
    exclusive = "Volume is already exclusively attached to one node and can't be attached to another"
    assert events(decide(gone)) == [("Warning", "FailedAttachVolume", MULTI + exclusive)]


def test_a_volume_on_its_way_to_or_from_another_node_is_waited_for_in_silence() -> None:
    for given in (attachment("n2", attached=False), attachment("n2", deleting=True, finalizers=["x"])):
        steps = decide(world(*bound(), node(), node("n2"), user("a"), user("b", "n2"), given))
        assert not of(steps, Create)
        assert not [each for each in events(steps) if each[2].startswith("Multi")]


def test_a_shared_volume_is_attached_everywhere() -> None:
    for modes in (["ReadWriteMany"], ["ReadWriteOnce", "ReadOnlyMany"], []):
        view = world(*bound(modes=modes), node(), node("n2"), user("a"), user("b", "n2"))
        assert len(of(decide(view), Create)) == 2
    view = world(*bound(), node(), node("n2"), user("a"), user("b", "n2"))
    assert len(of(decide(view), Create)) == 1


# Detaching


def test_a_volume_leaves_the_list_before_it_is_detached() -> None:
    view = world(*bound(), node(listed=[NAME]), attachment())
    assert not writes(decide(view))
    decide(view, "n1")
    assert listed(view) == []
    steps = decide(view)
    assert [type(step) for step in steps] == [Get, Delete]
    assert not view.all(VOLUME_ATTACHMENTS)


def test_a_mounted_volume_stays_as_long_as_its_node_lives() -> None:
    view = world(*bound(), node(listed=[NAME], in_use=[NAME]), attachment())
    for minutes in (0, 7):
        assert not decide(view, "n1", NOW + timedelta(minutes=minutes))
    assert listed(view) == [NAME]


def test_a_mounted_volume_is_taken_from_a_dead_node_after_six_minutes() -> None:
    view = world(*bound(), node(listed=[NAME], in_use=[NAME], ready=False), attachment())
    assert only(decide(view, "n1"), Requeue).after == 360
    assert not writes(decide(view, "n1", NOW + timedelta(seconds=359)))
    late = NOW + timedelta(minutes=6)
    assert writes(decide(view, "n1", late))
    assert [type(step) for step in decide(view, now=late)] == [Delete]


def test_not_if_that_is_switched_off() -> None:
    view = world(*bound(), node(listed=[NAME], in_use=[NAME], ready=False), attachment())
    view.settings = {"disable-force-detach-on-timeout": "true"}
    assert not decide(view, "n1")
    assert not decide(view, "n1", NOW + timedelta(minutes=7))


def test_a_pod_that_comes_back_begins_the_time_anew() -> None:
    view = world(*bound(), node(listed=[NAME], in_use=[NAME], ready=False), attachment())
    decide(view, "n1")
    back = user()
    view.store(PODS).listed(back)
    assert not decide(view, "n1", NOW + timedelta(minutes=5))
    view.store(PODS).removed(back.key, back.uid)
    assert only(decide(view, "n1", NOW + timedelta(minutes=7)), Requeue).after == 360


def test_a_node_out_of_service_keeps_nothing() -> None:
    taint = "node.kubernetes.io/out-of-service"
    view = world(*bound(), node(listed=[NAME], in_use=[NAME], ready=False, taint=taint), attachment())
    assert writes(decide(view, "n1"))
    assert [type(step) for step in decide(view)] == [Delete]


def test_a_node_that_is_gone_is_given_six_minutes() -> None:
    view = world(*bound(), attachment())
    assert only(decide(view), Requeue).after == 360
    assert of(decide(view, now=NOW + timedelta(minutes=6)), Delete)


def test_the_node_itself_has_the_last_word() -> None:
    view = world(*bound(), node(), attachment())
    newest = node(in_use=[NAME])
    assert not writes(decide(view, answer=lambda step: newest if isinstance(step, Get) else None))


def test_other_peoples_attachments_are_left_alone() -> None:
    spec = {"attacher": "d", "nodeName": "n1", "source": {"persistentVolumeName": "v"}}
    foreign = make(VOLUME_ATTACHMENTS, "mine", spec=spec, status={"attached": True})
    view = world(*bound(), node(), foreign)
    assert not decide(view)
    assert not decide(view, "n1")


def test_what_a_volume_has_left_behind_is_detached_too() -> None:
    view = world(node(listed=[NAME]), attachment())
    assert writes(decide(view, "n1"))
    assert of(decide(view, NAME), Delete)


# Names and waking


def test_names() -> None:
    source = CSIVolumeSource("csi.example.com", "a/b")
    assert unique_name(source) == "kubernetes.io/csi/csi.example.com^a/b"
    assert source_of(unique_name(source)) == source
    assert source_of("kubernetes.io/iscsi/a^b") is None
    assert source_of("kubernetes.io/csi/a") is None


def woken(view: View, kind: Any, new: Any, old: Any = None) -> set[str]:
    found: set[str] = set()
    for on in CONTROLLER.watches:
        if on.kind is kind and (on.when is None or on.when(new, old)):
            found |= {str(key) for state in (new, old) if state is not None for key in on.keys(state, view)}
    return found


def test_who_is_woken() -> None:
    mine, held = bound()
    view = world(mine, held, node(), user(), attachment())
    assert woken(view, PODS, user()) == {"v", "n1"}
    assert woken(view, PODS, user(), user()) == set()
    assert woken(view, PODS, user(phase="Failed"), user()) == {"v", "n1"}
    assert woken(view, PERSISTENT_VOLUME_CLAIMS, mine) == {"v", "n1"}
    assert woken(view, PERSISTENT_VOLUME_CLAIMS, mine, mine) == set()
    assert woken(view, PERSISTENT_VOLUMES, None, held) == {"v", "n1", NAME}
    assert woken(view, VOLUME_ATTACHMENTS, attachment()) == {"v", "n1"}
    assert woken(view, CSI_DRIVERS, make(CSI_DRIVERS, "d")) == {"v", "n1"}
    assert woken(view, NODES, node(), node()) == set()
    assert woken(view, NODES, node(), node(ready=False)) == {"v", "n1"}
    left = "kubernetes.io/csi/d^gone"
    assert woken(view, NODES, node(), node(listed=[left])) == {"v", "n1", left}
