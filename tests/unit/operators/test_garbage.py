"""The garbage collector's decisions: what is deleted how, what is freed, what waits, and what it costs."""

from typing import Any

import pytest

from tests.unit.operators.garbage_world import GADGETS, PLANETS, WIDGETS, World, reference, started
from understudy.errors import Conflict
from understudy.kinds.meta import Key, Obj, OwnerReference
from understudy.loop.controller import REGISTRY
from understudy.operators.garbage import decide
from understudy.operators.garbage.background import ATTEMPTS
from understudy.plan.steps import Delete, Get, Patch, Requeue, Together

UNKNOWN = OwnerReference("example.com/v1", "Widget", "unknown", "uid-unknown")
FINALIZER = "example.com/other"


def deletes(world: World) -> list[Delete]:
    return [step for step in world.log if isinstance(step, Delete)]


def alive(world: World) -> set[str]:
    return {key.name for _, key in world.truth}


class TestBackground:
    def test_one_delete_for_each_dependent_and_nothing_else(self) -> None:
        world = started()
        owner = world.create("owner")
        children = [world.create(f"child-{n}", GADGETS, owners=[reference(owner)]) for n in range(50)]
        world.settle()
        assert world.log == []
        world.delete(WIDGETS, owner)
        world.settle()
        assert alive(world) == set()
        assert len(world.log) == len(children)
        for step in deletes(world):
            assert step.unchanged
            assert step.propagation == "Background"
            assert step.why == "Widget owner is gone"

    def test_generations_go_one_after_the_other(self) -> None:
        world = started()
        above = world.create("0")
        for name in ("1", "2", "3"):
            above = world.create(name, owners=[reference(above)])
        world.settle()
        world.delete(WIDGETS, world.truth[WIDGETS.id, Key("default", "0")])
        world.settle()
        assert [each.name for each in world.ended] == ["0", "1", "2", "3"]

    @pytest.mark.parametrize(
        ("finalizers", "policy"),
        [
            ([], "Background"),
            ([FINALIZER], "Background"),
            (["orphan"], "Orphan"),
            (["foregroundDeletion"], "Foreground"),
            (["foregroundDeletion", "orphan"], "Orphan"),
        ],
    )
    def test_the_objects_own_finalizers_choose_the_policy(self, finalizers: list[str], policy: str) -> None:
        world = started()
        world.create("child", owners=[UNKNOWN], finalizers=finalizers)
        world.settle()
        assert [step.propagation for step in deletes(world)] == [policy]

    def test_dependents_of_its_own_do_not_change_that(self) -> None:
        world = started()
        child = world.create("child", owners=[UNKNOWN])
        world.create("grandchild", owners=[reference(child)])
        world.settle()
        assert [step.propagation for step in deletes(world)] == ["Background", "Background"]

    def test_what_is_being_deleted_is_left_alone(self) -> None:
        world = started()
        world.create("child", owners=[UNKNOWN], finalizers=[FINALIZER], deleting=True)
        world.settle()
        assert world.log == []

    def test_an_object_without_owners_is_left_alone(self) -> None:
        world = started()
        world.create("alone")
        world.deliver_all()
        world.pending[Key("", world.truth[WIDGETS.id, Key("default", "alone")].uid)] = None
        world.settle()
        assert world.log == []


class TestSeveralOwners:
    @pytest.mark.parametrize("patches", ["strategic", "merge"])
    def test_one_that_stands_keeps_the_object_and_the_others_are_cut_off(self, patches: str) -> None:
        world = started(patches=patches)
        solid = world.create("solid")
        waiting = world.create("waiting", finalizers=["foregroundDeletion", FINALIZER], deleting=True)
        references = [UNKNOWN, reference(solid, block=True), reference(waiting, block=True)]
        child = world.create("child", owners=references)
        world.settle()
        found = world.find(child)
        assert found is not None
        assert found.metadata.ownerReferences == [references[1]]
        assert deletes(world) == []

    def test_a_kind_without_strategic_patches_is_tried_once(self) -> None:
        world = started(patches="merge")
        solid = world.create("solid")
        for name in ("a", "b"):
            world.create(name, owners=[UNKNOWN, reference(solid)])
            world.settle()
        tried = [step.steps[0].strategic for step in world.log if isinstance(step, Together)]  # type: ignore[union-attr]
        assert tried == [True, False, False]

    def test_only_standing_owners_cost_nothing(self) -> None:
        world = started()
        a, b = world.create("a"), world.create("b")
        world.create("child", owners=[reference(a), reference(b)])
        world.settle()
        assert world.log == []

    def test_the_object_goes_with_the_last_of_them(self) -> None:
        world = started()
        a, b = world.create("a"), world.create("b")
        child = world.create("child", owners=[reference(a), reference(b)])
        world.settle()
        world.delete(WIDGETS, a)
        world.settle()
        assert world.find(child) is not None
        world.delete(WIDGETS, b)
        world.settle()
        assert alive(world) == set()


class TestConflicts:
    """The object changed between the look at it and its DELETE."""

    @staticmethod
    def changed_once(world: World, child: Obj, body: dict[str, Any]) -> None:
        def change(step: Any) -> None:
            if isinstance(step, Delete) and world.before_write is not None:
                world.before_write = None
                world.change(WIDGETS, child, body)

        world.before_write = change

    @staticmethod
    def decide_once(world: World) -> None:
        world.begin(next(iter(world.pending)))
        while world.playing:
            world.advance(next(iter(world.playing)))

    def test_an_adopted_object_is_spared(self) -> None:
        world = started()
        child, rescuer = world.create("child", owners=[UNKNOWN]), world.create("rescuer")
        adopted = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "rescuer", "uid": rescuer.uid}
        self.changed_once(world, child, {"metadata": {"ownerReferences": [adopted]}})
        world.settle()
        assert world.find(child) is not None
        assert len(deletes(world)) == 1

    def test_one_whose_finalizers_changed_is_judged_again(self) -> None:
        world = started()
        child = world.create("child", owners=[UNKNOWN])
        self.changed_once(world, child, {"metadata": {"finalizers": ["orphan"]}})
        world.settle()
        assert [step.propagation for step in deletes(world)] == ["Background", "Orphan"]

    @pytest.mark.parametrize(("beats", "tries"), [(1, 2), (ATTEMPTS - 1, ATTEMPTS), (ATTEMPTS, ATTEMPTS)])
    def test_one_that_only_keeps_changing_is_not_spared(self, beats: int, tries: int) -> None:
        world = started()
        child = world.create("child", owners=[UNKNOWN])
        world.deliver_all()

        def beat(step: Any) -> None:
            if isinstance(step, Delete) and len(deletes(world)) <= beats:
                world.change(WIDGETS, child, {"metadata": {"labels": {"beat": str(len(world.log))}}})

        world.before_write = beat
        self.decide_once(world)
        assert [step.unchanged for step in deletes(world)] == [True] * tries
        assert (world.find(child) is None) == (beats < ATTEMPTS)
        world.settle()
        assert world.find(child) is None

    def test_a_conflict_that_is_none_of_ours_is_tried_later(self) -> None:
        """The server refuses though it holds the very state we know: asking at once again would be a storm."""
        world = started()
        world.create("child", owners=[UNKNOWN])
        world.deliver_all()

        def refuse(_: Any) -> None:
            world.before_write = None
            raise Conflict(409, "Conflict", "busy")

        world.before_write = refuse
        self.decide_once(world)
        assert len(deletes(world)) == 1
        assert len(world.pending) == 1

    def test_one_that_somebody_else_deletes_meanwhile_is_left_to_them(self) -> None:
        world = started()
        child = world.create("child", owners=[UNKNOWN], finalizers=[FINALIZER])
        self.changed_once(world, child, {"metadata": {"deletionTimestamp": "2026-01-02T12:00:00Z"}})
        world.settle()
        assert len(deletes(world)) == 1
        assert world.find(child) is not None

    def test_one_that_ended_meanwhile_is_done(self) -> None:
        world = started()
        child = world.create("child", owners=[UNKNOWN])

        def replaced(step: Any) -> None:
            if isinstance(step, Delete):
                world.before_write = None
                world.delete(WIDGETS, child)
                world.create("child")

        world.before_write = replaced
        world.settle()
        assert alive(world) == {"child"}
        assert len(deletes(world)) == 1


class TestForeground:
    def test_dependents_go_first_then_the_owner(self) -> None:
        world = started()
        owner = world.create("owner")
        for name in ("a", "b"):
            world.create(name, GADGETS, owners=[reference(owner, block=True)])
        world.settle()
        world.delete(WIDGETS, owner, "Foreground")
        world.settle()
        assert [each.name for each in world.ended] == ["a", "b", "owner"]
        assert world.written() == [("Delete", "a"), ("Delete", "b"), ("Patch", "owner")]
        assert deletes(world)[0].why == "Widget owner waits for its dependents to go"

    def test_grandchildren_go_before_children(self) -> None:
        world = started()
        top = world.create("top")
        middle = world.create("middle", owners=[reference(top, block=True)])
        world.create("bottom", GADGETS, owners=[reference(middle, block=True)])
        world.settle()
        world.delete(WIDGETS, top, "Foreground")
        world.settle()
        assert [each.name for each in world.ended] == ["bottom", "middle", "top"]
        assert [step.propagation for step in deletes(world)] == ["Foreground", "Background"]

    def test_a_dependent_that_does_not_block_is_deleted_but_not_waited_for(self) -> None:
        world = started()
        owner = world.create("owner")
        child = world.create("child", GADGETS, owners=[reference(owner)], finalizers=[FINALIZER])
        world.settle()
        world.delete(WIDGETS, owner, "Foreground")
        world.settle()
        found = world.find(child, GADGETS)
        assert world.find(owner) is None
        assert found is not None
        assert found.deleting

    def test_a_dependent_that_blocks_is_waited_for_however_long_it_takes(self) -> None:
        world = started()
        owner = world.create("owner")
        child = world.create("child", GADGETS, owners=[reference(owner, block=True)], finalizers=[FINALIZER])
        world.settle()
        world.delete(WIDGETS, owner, "Foreground")
        world.settle()
        assert world.find(owner) is not None
        world.change(GADGETS, child, {"metadata": {"finalizers": None}})
        world.settle()
        assert alive(world) == set()

    def test_a_dependent_with_another_owner_is_freed_and_stays(self) -> None:
        world = started()
        owner, other = world.create("owner"), world.create("other")
        child = world.create("child", GADGETS, owners=[reference(owner, block=True), reference(other, block=True)])
        world.settle()
        world.delete(WIDGETS, owner, "Foreground")
        world.settle()
        found = world.find(child, GADGETS)
        assert found is not None
        assert [each.name for each in found.metadata.ownerReferences] == ["other"]
        assert world.find(owner) is None

    def test_it_is_not_over_before_all_dependents_are_known(self) -> None:
        world = World()
        world.sync(WIDGETS)
        world.sync(PLANETS)
        world.open(GADGETS)
        owner = world.create("owner", finalizers=["foregroundDeletion"], deleting=True)
        world.create("child", GADGETS, owners=[reference(owner, block=True)], finalizers=[FINALIZER])
        world.deliver("widgets.example.com")
        for _ in range(3):
            while world.pending:
                world.begin(next(iter(world.pending)))
            while world.playing:
                world.advance(next(iter(world.playing)))
            assert world.wait()
        assert {type(step) for step in world.log} == {Requeue}
        world.fill(GADGETS)
        world.settle()
        assert world.find(owner) is not None
        assert [step.obj.name for step in deletes(world)] == ["child"]

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    @pytest.mark.parametrize("at_once", [False, True])
    def test_circles_are_opened(self, size: int, at_once: bool) -> None:
        """Also one whose members were all deleted in the foreground before any of them was looked at."""
        world = started()
        things = [world.create(f"{n}") for n in range(size)]
        for number, thing in enumerate(things):
            owner = reference(things[(number + 1) % size], block=True)
            body = {"apiVersion": owner.apiVersion, "kind": owner.kind, "name": owner.name, "uid": owner.uid}
            world.change(WIDGETS, thing, {"metadata": {"ownerReferences": [{**body, "blockOwnerDeletion": True}]}})
        world.settle()
        for thing in things if at_once else things[:1]:
            world.delete(WIDGETS, thing, "Foreground")
        world.settle()
        assert alive(world) == set()


class TestOrphan:
    @pytest.mark.parametrize("patches", ["strategic", "merge"])
    def test_dependents_stay_without_the_reference(self, patches: str) -> None:
        world = started(patches=patches)
        owner, other = world.create("owner"), world.create("other")
        kept = reference(other, block=True)
        children = [(GADGETS, world.create("a", GADGETS, owners=[reference(owner)]))]
        children.append((WIDGETS, world.create("b", owners=[kept, reference(owner, block=True)])))
        world.settle()
        world.delete(WIDGETS, owner, "Orphan")
        world.settle()
        left = [world.find(child, of) for of, child in children]
        assert [each.metadata.ownerReferences for each in left if each is not None] == [[], [kept]]
        assert world.find(owner) is None
        assert deletes(world) == []

    def test_the_owner_goes_after_its_dependents_are_free(self) -> None:
        world = started()
        owner = world.create("owner")
        world.create("child", owners=[reference(owner)])
        world.settle()
        world.delete(WIDGETS, owner, "Orphan")
        world.settle()
        assert world.written() == [("Patch", "child"), ("Patch", "owner")]

    def test_it_waits_until_all_dependents_are_known(self) -> None:
        world = World()
        world.sync(WIDGETS)
        world.open(GADGETS)
        owner = world.create("owner", finalizers=["orphan"], deleting=True)
        child = world.create("child", GADGETS, owners=[reference(owner)])
        world.deliver("widgets.example.com")
        world.begin(next(iter(world.pending)))
        world.advance(next(iter(world.playing)))
        assert [type(step) for step in world.log] == [Requeue]
        world.fill(GADGETS)
        world.settle()
        assert world.find(child, GADGETS) is not None
        assert world.find(owner) is None

    def test_dependents_that_change_all_the_time_do_not_delay_it(self) -> None:
        world = started()
        owner = world.create("owner")
        child = world.create("child", owners=[reference(owner)])
        world.settle()

        def beat(step: Any) -> None:
            if isinstance(step, Patch) and step.obj.name == "child":
                world.change(WIDGETS, child, {"metadata": {"labels": {"beat": str(len(world.log))}}})

        world.before_write = beat
        world.delete(WIDGETS, owner, "Orphan")
        world.settle()
        assert world.written() == [("Patch", "child"), ("Patch", "owner")]

    def test_other_finalizers_are_not_touched(self) -> None:
        world = started()
        owner = world.create("owner", finalizers=[FINALIZER, "orphan"], deleting=True)
        world.settle()
        found = world.find(owner)
        assert found is not None
        assert found.metadata.finalizers == [FINALIZER]

    def test_who_asks_for_both_gets_orphans(self) -> None:
        world = started()
        owner = world.create("owner", finalizers=["foregroundDeletion", "orphan"])
        child = world.create("child", owners=[reference(owner, block=True)])
        world.settle()
        world.delete(WIDGETS, owner, None)
        world.settle()
        assert world.find(owner) is None
        found = world.find(child)
        assert found is not None
        assert found.metadata.ownerReferences == []


class TestStart:
    def test_everything_with_an_owner_is_checked_whichever_kind_comes_first(self) -> None:
        world = World()
        owner = world.create("owner")
        world.create("kept", GADGETS, owners=[reference(owner)])
        world.create("lost", GADGETS, owners=[UNKNOWN])
        for of in (GADGETS, WIDGETS, PLANETS):
            world.sync(of)
        world.settle()
        assert alive(world) == {"owner", "kept"}

    def test_the_dependents_of_one_dead_owner_cost_one_question(self) -> None:
        world = World()
        for number in range(20):
            world.create(f"lost-{number}", GADGETS, owners=[UNKNOWN])
        for of in (WIDGETS, GADGETS, PLANETS):
            world.sync(of)
        world.settle()
        assert alive(world) == set()
        assert len([step for step in world.log if isinstance(step, Get)]) == 1

    def test_a_server_that_went_back_in_time_costs_nobody_its_life(self) -> None:
        """Its stores are given up and read anew; what they held is not gone."""
        world = started()
        owner = world.create("owner")
        world.create("child", GADGETS, owners=[reference(owner)])
        world.settle()
        world.stores[WIDGETS.id].forget()
        for _ in range(3):
            while world.pending:
                world.begin(next(iter(world.pending)))
            while world.playing:
                world.advance(next(iter(world.playing)))
            world.wait()
        world.fill(WIDGETS)
        world.settle()
        assert alive(world) == {"owner", "child"}
        assert world.written() == []


def test_it_is_registered_under_upstreams_name() -> None:
    ours = REGISTRY["garbage-collector-controller"]
    assert ours.decide is decide
    assert ours.source == "garbage-collector-controller"
    assert ours.kinds == ()
