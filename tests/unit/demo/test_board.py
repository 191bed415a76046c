"""The live picture: what each pod counts as, and what a table of it all shows."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console, RenderableType

from understudy.demo.audience import _deeds_of
from understudy.demo.board import LINES, REVISION, Deed, Scene, draw, phase_of, phases
from understudy.kinds.apps import ReplicaSet, ReplicaSetSpec
from understudy.kinds.core import Pod, PodStatus
from understudy.kinds.meta import Condition, ObjectMeta, OwnerReference

STATUS = msgspec.convert({"replicas": 4, "readyReplicas": 3}, type(ReplicaSet(ObjectMeta()).status))
READY = [Condition("Ready", "True")]


def pod(phase: str = "Running", *, ready: bool = True, going: bool = False, owner: str = "rs") -> Pod:
    owners = [OwnerReference("apps/v1", "ReplicaSet", "web", owner, controller=True)]
    meta = ObjectMeta("p", "default", "u", ownerReferences=owners)
    meta.deletionTimestamp = "2026-01-01T00:00:00Z" if going else None
    return Pod(meta, status=PodStatus(phase, conditions=READY if ready else [Condition("Ready", "False")]))


def replica_set(name: str, revision: str, image: str = "registry.example/web:v1") -> ReplicaSet:
    template = {"spec": {"containers": [{"image": image}]}} if image else {}
    annotations = {REVISION: revision} if revision else {}
    meta = ObjectMeta(name, "default", name, annotations=annotations)
    spec = ReplicaSetSpec(replicas=10, template=template)
    return msgspec.structs.replace(ReplicaSet(meta, spec), status=STATUS)


def shown(what: RenderableType, width: int = 160) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("one", "phase"),
    [
        (pod("Pending", ready=False), "Pending"),
        (pod("", ready=False), "Pending"),
        (pod("Failed"), "Pending"),
        (pod(ready=False), "Starting"),
        (pod(), "Ready"),
        (pod(going=True), "Terminating"),
        (pod("Pending", going=True), "Terminating"),
    ],
)
def test_what_a_pod_counts_as(one: Pod, phase: str) -> None:
    assert phase_of(one) == phase


def test_all_of_them_in_a_line() -> None:
    line = phases([pod(), pod(), pod("Pending"), pod(going=True)])
    assert line.plain.split() == ["pods", "1", "Pending", "0", "Starting", "2", "Ready", "1", "Terminating"]


class TestPicture:
    def scene(self, *deeds: Deed) -> Scene:
        sets = [replica_set("web-b", "10"), replica_set("web-a", "9", "")]
        pods = [pod(owner="web-b"), pod(owner="web-b"), pod(ready=False, owner="web-b"), pod(owner="web-a", going=True)]
        return Scene("An update", "kubectl set image", 3.25, sets, pods, deeds)

    def test_title_command_and_time(self) -> None:
        lines = shown(draw(self.scene()))
        assert lines[0] == "An update    3.2s"
        assert lines[1] == "$ kubectl set image"

    def test_replica_sets_stand_in_the_order_of_their_revisions(self) -> None:
        rows = [line.split() for line in shown(draw(self.scene())) if line.startswith("web-")]
        assert rows == [
            ["web-a", "9", "10", "4", "3", "■"],
            ["web-b", "10", "web:v1", "10", "4", "3", "■■■"],
        ]

    def test_without_a_revision_yet_it_comes_first(self) -> None:
        scene = Scene("", "", 0.0, [replica_set("web-b", "1"), replica_set("web-new", "")], [], [])
        rows = [line.split()[0] for line in shown(draw(scene)) if line.startswith("web-")]
        assert rows == ["web-new", "web-b"]

    def test_the_last_deeds_and_room_for_more(self) -> None:
        few, many = (
            [line for line in shown(draw(self.scene(*deeds))) if "loop-" in line]
            for deeds in (
                [Deed("loop-0", "web", "create Pod")],
                [Deed(f"loop-{number}", "web", "create Pod") for number in range(30)],
            )
        )
        assert [line.split() for line in few] == [["loop-0", "web", "create", "Pod"]]
        assert [line.split()[0] for line in many] == [f"loop-{number}" for number in range(30 - LINES, 30)]
        heights = [len(shown(draw(self.scene(*[Deed("loop", "web", "x")] * count)))) for count in (0, 1, LINES, 50)]
        assert len(set(heights)) == 1

    def test_what_users_chose_is_not_taken_for_markup(self) -> None:
        lines = shown(draw(self.scene(Deed("loop-0", "web", "patch [bold]x[/] because [red]"))))
        assert any("patch [bold]x[/] because [red]" in line for line in lines)


RECORD = {
    "controller": "deployment-controller",
    "namespace": "default",
    "name": "web",
    "steps": ["create ReplicaSet web-1: a new template", "event Normal Scaling: …", "look again in 5s: …"],
}


class TestDeeds:
    def test_what_was_done_and_not_what_was_said(self) -> None:
        assert _deeds_of(RECORD, "default") == [
            Deed("deployment", "web", "create ReplicaSet web-1: a new template"),
        ]

    @pytest.mark.parametrize(
        ("namespace", "name", "counts"), [("other", "web", 0), ("", "default", 1), ("", "node-1", 0)]
    )
    def test_in_its_namespace_or_about_it(self, namespace: str, name: str, counts: int) -> None:
        assert len(_deeds_of(RECORD | {"namespace": namespace, "name": name}, "default")) == counts
