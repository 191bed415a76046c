"""What plugins do beside filter and score: in which order they are called, and that whatever fails is given back."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.scenarios.scheduler_stage import Play, pod, stage
from understudy.errors import NotFound
from understudy.kinds.core import CONFIG_MAPS, PODS
from understudy.loop.controller import may
from understudy.plan.steps import Create, Get
from understudy.scheduler.columns import NodeView
from understudy.scheduler.framework import Arguments, Handle, Hint, Permission, Refused, Steps, Until
from understudy.scheduler.kinds import Pod
from understudy.scheduler.registry import PLUGINS, Entry, ready
from understudy.scheduler.shape import PodInfo, Shape
from understudy.testing.faults import BROKEN, Faults

pytestmark = pytest.mark.looptime


GO_ON = Permission()


@dataclass
class Witness:
    """Takes note of every call. What it answers can be chosen."""

    called: list[str] = field(default_factory=list)
    refuses: str = ""
    permission: Permission = GO_ON
    steps: Callable[[PodInfo], Steps | None] = lambda _: None
    NAME: str = "Witness"
    handle: Handle | None = None

    def reserve(self, info: PodInfo, node: str) -> str:
        self.called.append(f"reserve {info.pod.name} {node}")
        return self.refuses

    def unreserve(self, info: PodInfo, node: str) -> None:
        self.called.append(f"unreserve {info.pod.name}")

    def permit(self, info: PodInfo, node: str) -> Permission:
        self.called.append("permit")
        return self.permission

    def pre_bind(self, info: PodInfo, node: str) -> Steps | None:
        self.called.append("pre_bind")
        return self.steps(info)

    def post_bind(self, info: PodInfo, node: str) -> None:
        self.called.append("post_bind")

    def make(self, _: Arguments, handle: Handle) -> "Witness":
        self.handle = handle
        return self


def beside(**plugins: Any) -> Mapping[str, Entry]:
    return {**PLUGINS, **{name: Entry(make) for name, make in plugins.items()}}


async def test_every_point_is_called_once_in_upstreams_order() -> None:
    witness = Witness()
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on()

        assert play.where() == {"web": "node-1"}
        assert witness.called == ["reserve web node-1", "permit", "pre_bind", "post_bind"]


async def test_what_cannot_be_reserved_is_given_back_told_and_tried_again() -> None:
    witness = Witness(refuses="no licence is free")
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on(0.5)

        assert play.where() == {"web": None}
        assert witness.called == ["reserve web node-1", "unreserve web"]
        assert play.condition("web")["message"] == "0/1 nodes are available: 1 no licence is free."
        assert play.page("state")["counted"] == 0

        witness.refuses = ""
        await play.on()
        assert play.where() == {"web": "node-1"}


async def test_a_pod_that_is_held_up_counts_on_its_node_and_goes_on_when_it_is_allowed() -> None:
    witness = Witness(permission=Permission(wait=60))
    async with stage(cpu="1", plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on()
        assert (play.where(), play.page("state")["held"]) == ({"web": None}, 1)
        assert play.page("state")["counted"] == 1

        allow(witness)
        await play.on()
        assert play.where() == {"web": "node-1"}


def allow(witness: Witness) -> None:
    assert witness.handle is not None
    waiting = witness.handle.waiting
    assert waiting is not None
    for uid in waiting.held():
        waiting.allow(uid, "Witness")


async def test_patience_ends_and_a_rejection_frees_the_room() -> None:
    witness = Witness(permission=Permission(wait=5))
    async with stage(cpu="1", plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on(5.5)

        assert witness.called == ["reserve web node-1", "permit", "unreserve web"]
        said = "0/1 nodes are available: 1 rejected due to timeout after waiting at plugin Witness."
        assert (play.condition("web")["reason"], play.condition("web")["message"]) == ("Unschedulable", said)
        assert play.page("state")["counted"] == 0


async def test_a_pod_that_is_deleted_while_it_is_held_up_is_given_back() -> None:
    witness = Witness(permission=Permission(wait=600))
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on()
        play.api.delete("pods", "web")
        await play.on()

        assert witness.called[-1] == "unreserve web"
        assert (play.page("state")["held"], play.page("state")["binding"]) == (0, 0)


async def test_hundreds_that_are_held_up_do_not_keep_others_from_being_bound() -> None:
    witness = Witness()
    async with stage(cpu="1000", plugins=beside(Witness=witness.make)) as play:
        witness.permission = Permission(wait=600)
        for number in range(100):
            play.api.apply(pod(f"held-{number}"))
        await play.on()
        witness.permission = Permission()
        play.api.apply(pod("free"))
        await play.on()

        assert (play.page("state")["held"], play.where()["free"]) == (100, "node-1")


def ledger(info: PodInfo) -> Steps:
    """Writes an object of its own before the binding, and waits for another's."""
    body = {"metadata": {"name": info.pod.name}}
    yield Create(CONFIG_MAPS, "default", body, why="it is written down before the binding")
    there = yield Until(lambda: True, 5.0, why="nothing to wait for")
    if not there:
        raise Refused("never")


class Writing(Witness):
    RIGHTS = (may("create", CONFIG_MAPS),)


async def test_steps_write_before_the_binding() -> None:
    witness = Writing(steps=ledger)
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on()

        assert play.where() == {"web": "node-1"}
        made = [each.path for each in play.api.log if each.method == "POST" and each.user == "scheduler"]
        written = next(at for at, path in enumerate(made) if path.endswith("/configmaps"))
        assert written < next(at for at, path in enumerate(made) if path.endswith("/binding"))


async def test_a_write_that_fails_fails_the_binding_and_everything_is_given_back() -> None:
    faults = Faults(0)
    faults.next(BROKEN, method="POST", path="/configmaps", times=1)
    witness = Writing(steps=ledger)
    async with stage(plugins=beside(Witness=witness.make), faults=faults) as play:
        play.api.apply(pod("web"))
        await play.on(0.5)
        assert witness.called == ["reserve web node-1", "permit", "pre_bind", "unreserve web"]
        assert play.condition("web")["message"].startswith('running PreBind plugin "Witness": ')
        assert play.page("state")["counted"] == 0

        await play.on(5)
        assert play.where() == {"web": "node-1"}


def impatient(info: PodInfo) -> Steps:
    found = yield Until(lambda: False, 3.0, why="somebody else is to do something")
    assert found is False
    raise Refused("it takes too long")


async def test_waiting_ends_and_the_refusal_is_told() -> None:
    witness = Witness(steps=impatient)
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on(3.5)

        assert play.condition("web")["message"] == 'running PreBind plugin "Witness": it takes too long'
        assert witness.called[-1] == "unreserve web"


def curious(info: PodInfo) -> Steps:
    try:
        yield Get(CONFIG_MAPS, "default", "absent", why="it may be there")
    except NotFound:
        return
    raise AssertionError("it is not there")


async def test_steps_can_catch_what_they_meet() -> None:
    witness = Witness(steps=curious)
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on()

        assert play.where() == {"web": "node-1"}


def broken(_: PodInfo) -> Steps:
    yield Until(lambda: True, 1.0, why="nothing to wait for")
    raise KeyError("no such licence")


async def test_an_error_nobody_foresaw_gives_everything_back_too() -> None:
    witness = Witness(steps=broken)
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on(0.5)

        assert witness.called == ["reserve web node-1", "permit", "pre_bind", "unreserve web"]
        assert play.condition("web")["message"] == "a plugin failed: KeyError: 'no such licence'"
        assert play.page("state")["counted"] == 0


class Courier:
    """Binds pods whose annotation says so, by steps; leaves the others to the scheduler."""

    NAME = "Courier"
    RIGHTS = (may("create", PODS, "binding"),)

    def bind(self, info: PodInfo, node: str) -> Steps | None:
        return self._bind(info.pod, node) if "courier" in info.pod.metadata.annotations else None

    def _bind(self, pod: Pod, node: str) -> Steps:
        target = {"apiVersion": "v1", "kind": "Node", "name": node if pod.name == "good" else "nowhere"}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name}, "target": target}
        if pod.name == "bad":
            raise Refused("it was lost on the way")
        yield Create(PODS, pod.namespace, body, why="it is delivered", subresource="binding", name=pod.name)


async def test_a_plugin_binds_in_the_place_of_the_default_binder() -> None:
    async with stage(plugins=beside(Courier=ready(Courier()))) as play:
        for name in ("good", "bad"):
            wanted = pod(name)
            wanted["metadata"]["annotations"] = {"courier": "yes"}
            play.api.apply(wanted)
        play.api.apply(pod("plain"))
        await play.on()

        assert play.where() == {"good": "node-1", "bad": None, "plain": "node-1"}
        assert play.condition("bad")["message"] == 'running Bind plugin "Courier": it was lost on the way'
        assert play.page("state")["counted"] == 2


async def test_a_write_that_was_not_declared_is_refused_here() -> None:
    witness = Witness(steps=ledger)  # without RIGHTS
    async with stage(plugins=beside(Witness=witness.make)) as play:
        play.api.apply(pod("web"))
        await play.on(0.5)

        assert "declare it in the controller's `rights`" in play.condition("web")["message"]
        assert play.page("state")["counted"] == 0
        assert not [each for each in play.api.log if each.path.endswith("/configmaps")]


class Opening:
    """Pods whose annotation names a ConfigMap wait until it is there: as a filter of the plain form, with a hint."""

    NAME = "Opening"
    READS = (CONFIG_MAPS,)

    def __init__(self, _: Arguments, handle: Handle) -> None:
        self._view = handle.view
        self.HINTS = (Hint(CONFIG_MAPS, self._named),)

    def wish(self, pod: Pod) -> Hashable:
        return pod.metadata.annotations.get("wants")

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        there = self._view.get(CONFIG_MAPS, "default", str(shape.wishes[self.NAME]))
        return [] if there is not None else ["node(s) had nothing to open"]

    def version(self, shape: Shape) -> Hashable:
        return len(self._view.all(CONFIG_MAPS))

    def _named(self, shape: Shape, new: Any, old: Any) -> bool:
        return new is not None and new.name == shape.wishes[self.NAME]


async def test_a_hint_wakes_the_pods_it_is_about() -> None:
    async with stage(plugins=beside(Opening=Opening)) as play:
        annotated = pod("web")
        annotated["metadata"]["annotations"] = {"wants": "key"}
        play.api.apply(annotated)
        play.api.apply(pod("other"))
        await play.on()
        assert play.where() == {"web": None, "other": "node-1"}
        assert play.condition("web")["message"].startswith("0/1 nodes are available: 1 node(s) had nothing to open.")

        configure(play, "lock")
        await play.on()
        assert play.where()["web"] is None
        configure(play, "key")
        await play.on()
        assert play.where()["web"] == "node-1"


def configure(play: Play, name: str) -> None:
    play.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


class Gatekeeper:
    """No pod before the ConfigMap `open` is there."""

    NAME = "Gatekeeper"
    READS = (CONFIG_MAPS,)
    HINTS = ()

    def __init__(self, _: Arguments, handle: Handle) -> None:
        self._view = handle.view

    def pre_enqueue(self, pod: Pod) -> str:
        return "" if self._view.get(CONFIG_MAPS, "default", "open") else "the gate is shut"


async def test_a_gate_opens_when_what_its_plugin_reads_changes() -> None:
    async with stage(plugins=beside(Gatekeeper=Gatekeeper)) as play:
        play.api.apply(pod("web"))
        await play.on()
        assert (play.where(), play.page("state")["gated"]) == ({"web": None}, 1)

        configure(play, "open")
        await play.on()
        assert (play.where(), play.page("state")["gated"]) == ({"web": "node-1"}, 0)
