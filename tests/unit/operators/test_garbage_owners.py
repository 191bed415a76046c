"""Which owners count as standing, gone or waiting: by what the watches show, and by whom the server is asked."""

from typing import Any

import msgspec
import pytest

from tests.unit.operators.decisions import events, of
from tests.unit.operators.garbage_world import (
    GADGETS,
    PLANETS,
    VERBS,
    WIDGETS,
    World,
    at,
    kind,
    reference,
    started,
)
from understudy.errors import ApiError, NotFound
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Obj, OwnerReference
from understudy.operators.garbage.absence import REMEMBERED, Absences, coordinates, coordinates_of
from understudy.operators.garbage.graph import Item
from understudy.operators.garbage.owners import LOOK_AGAIN, Owners, classify
from understudy.operators.garbage.watched import SYNC_POLL, Catalog
from understudy.plan.steps import Get, Requeue, Step
from understudy.state.store import Store
from understudy.state.view import View

STRANGER = OwnerReference("example.com/v1", "Widget", "stranger", "uid-stranger")


def asked(world: World, obj: Obj, of: Kind[Obj] = WIDGETS, now: float = 0) -> tuple[Owners | None, list[Step]]:
    """What the collector makes of the owners of `obj`, and how it came to it."""
    generator = classify(Item(world.graph, of, obj), world.view, at(now))
    steps: list[Step] = []
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            step = generator.throw(error) if error is not None else generator.send(answer)
        except StopIteration as end:
            return end.value, steps
        steps.append(step)
        answer = error = None
        try:
            answer = world._do(obj.key, step)
        except ApiError as met:
            error = met


def named(references: list[OwnerReference]) -> list[str]:
    return [each.name for each in references]


class TestTheWatchesShow:
    def test_each_owner_as_it_is_without_a_question(self) -> None:
        world = started()
        solid, ended = world.create("solid"), world.create("ended")
        waiting = world.create("waiting", finalizers=["foregroundDeletion"], deleting=True)
        leaving = world.create("leaving", finalizers=["example.com/other"], deleting=True)
        child = world.create("child", owners=[reference(each) for each in (solid, ended, waiting, leaving)])
        world.deliver_all()
        world.delete(WIDGETS, ended)
        world.deliver_all()
        owners, steps = asked(world, child)
        assert owners is not None
        assert named(owners.solid) == ["solid", "leaving"]
        assert named(owners.dangling) == ["ended"]
        assert named(owners.waiting) == ["waiting"]
        assert steps == []

    def test_a_cluster_scoped_owner_that_ended_is_gone_in_every_namespace(self) -> None:
        world = started()
        planet = world.create("earth", PLANETS)
        child = world.create("child", owners=[reference(planet, PLANETS)], namespace="elsewhere")
        world.deliver_all()
        world.delete(PLANETS, planet)
        world.deliver_all()
        owners, steps = asked(world, child)
        assert owners is not None
        assert named(owners.dangling) == ["earth"]
        assert steps == []


class TestTheServerIsAsked:
    def test_once_about_an_owner_never_seen(self) -> None:
        world = started()
        first, second = (world.create(name, owners=[STRANGER]) for name in ("a", "b"))
        world.deliver_all()
        for child, questions in ((first, 1), (second, 0)):
            owners, steps = asked(world, child)
            assert owners is not None
            assert named(owners.dangling) == ["stranger"]
            assert len(of(steps, Get)) == questions

    def test_a_namesake_is_not_the_owner(self) -> None:
        world = started()
        world.create("stranger")
        child = world.create("child", owners=[STRANGER])
        world.deliver_all()
        owners, _ = asked(world, child)
        assert owners is not None
        assert named(owners.dangling) == ["stranger"]

    @pytest.mark.parametrize("waits", [False, True])
    def test_an_owner_the_watch_has_not_told_of_counts_and_is_looked_at_again(self, waits: bool) -> None:
        world = started()
        owner = world.create("owner", finalizers=["foregroundDeletion"], deleting=waits)
        child = world.create("child", owners=[reference(owner)])
        owners, steps = asked(world, child)
        assert owners is not None
        assert named(owners.waiting if waits else owners.solid) == ["owner"]
        assert [step.after for step in of(steps, Requeue)] == [LOOK_AGAIN]

    def test_about_the_one_the_reference_names_if_it_names_another(self) -> None:
        world = started()
        owner = world.create("owner")
        child = world.create("child", owners=[reference(owner, lie={"kind": "Gadget"})])
        world.deliver_all()
        owners, steps = asked(world, child)
        assert [(step.kind.plural, step.namespace, step.name) for step in of(steps, Get)] == [
            ("gadgets", "default", "owner")
        ]
        assert owners is not None
        assert named(owners.dangling) == ["owner"]

    def test_in_no_namespace_about_a_cluster_scoped_owner(self) -> None:
        world = started()
        child = world.create("child", owners=[reference(world.create("earth", PLANETS), PLANETS)])
        _, steps = asked(world, child)
        assert [step.namespace for step in of(steps, Get)] == [""]

    @pytest.mark.parametrize("error", [ApiError(500, "", "broken"), NotFound(404, "NotFound", "page not found")])
    def test_no_answer_is_no_proof(self, error: ApiError, monkeypatch: pytest.MonkeyPatch) -> None:
        """A 404 that names no object is that of a path nobody serves."""
        world = started()
        child = world.create("child", owners=[STRANGER])

        def fail(*_: Any) -> Any:
            raise error

        monkeypatch.setattr(world, "_held", fail)
        with pytest.raises(ApiError) as raised:
            asked(world, child)
        assert not isinstance(raised.value, NotFound)
        assert not world.graph.absences.proven(STRANGER, "default", world.view)


class TestNothingIsKnown:
    def test_of_a_kind_that_is_not_served(self) -> None:
        world = started()
        solid = world.create("solid")
        unheard = OwnerReference("other.example.com/v1", "Widget", "x", "uid-x")
        world.deliver_all()
        child = world.create("child", owners=[reference(solid), unheard])
        owners, steps = asked(world, child)
        assert owners is None
        assert [step.after for step in of(steps, Requeue)] == [LOOK_AGAIN]

    def test_of_a_namespaced_owner_of_a_cluster_scoped_object_and_never_will_be(self) -> None:
        world = started()
        planet = world.create("earth", PLANETS, owners=[STRANGER])
        assert asked(world, planet, PLANETS) == (None, [])

    def test_while_the_owners_kind_is_still_listed_but_not_for_ever(self) -> None:
        world = World()
        world.sync(GADGETS)
        world.open(WIDGETS)
        child = world.create("child", GADGETS, owners=[STRANGER])
        for second in range(30):
            owners, steps = asked(world, child, GADGETS, now=second)
            assert owners is None
            assert [step.after for step in of(steps, Requeue)] == [SYNC_POLL]
        owners, steps = asked(world, child, GADGETS, now=30)
        assert owners is not None
        assert named(owners.dangling) == ["stranger"]

    def test_a_later_list_is_waited_for_anew(self) -> None:
        world = World()
        world.open(WIDGETS)
        waits = world.graph.patience.syncing
        assert waits(world.view, WIDGETS, at(0))
        assert waits(world.view, WIDGETS, at(3600))
        assert waits(world.view, WIDGETS, at(3605))

    def test_a_list_that_came_ends_the_waiting(self) -> None:
        world = World()
        world.open(WIDGETS)
        waits = world.graph.patience.syncing
        assert all(waits(world.view, WIDGETS, at(second)) for second in range(0, 28, 4))
        world.fill(WIDGETS)
        assert not waits(world.view, WIDGETS, at(28))
        world.stores[WIDGETS.id].forget()
        assert waits(world.view, WIDGETS, at(29))
        assert waits(world.view, WIDGETS, at(38))


class TestInvalidNamespace:
    def test_is_told_in_upstreams_words(self) -> None:
        world = started()
        owner = world.create("owner", namespace="a")
        child = world.create("child", owners=[reference(owner)], namespace="b")
        world.deliver_all()
        owners, steps = asked(world, child)
        assert owners is not None
        assert named(owners.dangling) == ["owner"]
        identity = f"[example.com/v1/Widget, namespace: b, name: owner, uid: {owner.uid}]"
        message = f'ownerRef {identity} does not exist in namespace "b"'
        assert events(steps) == [("Warning", "OwnerRefInvalidNamespace", message)]

    def test_other_lies_are_not_about_namespaces(self) -> None:
        world = started()
        owner, planet = world.create("owner"), world.create("earth", PLANETS)
        lies = [reference(owner, lie={"name": "x"}), reference(planet, PLANETS, lie={"name": "x"}), STRANGER]
        child = world.create("child", owners=lies)
        world.deliver_all()
        assert events(asked(world, child)[1]) == []


class TestAbsence:
    """An end that was seen is a proof, as long as the store it vanished from is in order."""

    @staticmethod
    def world() -> tuple[World, Obj]:
        world = started()
        owner = world.create("owner")
        world.create("child", GADGETS, owners=[reference(owner)])
        world.deliver_all()
        return world, owner

    def test_a_store_that_was_given_up_proves_nothing(self) -> None:
        world, owner = self.world()
        world.stores[WIDGETS.id].forget()
        assert not world.graph.absences.proven(reference(owner), "default", world.view)
        world.stores[WIDGETS.id].synced = True  # not served at the moment: nothing to wait for, nothing known
        assert not world.graph.absences.proven(reference(owner), "default", world.view)

    def test_an_owner_that_is_listed_again_never_was_gone(self) -> None:
        world, owner = self.world()
        world.stores[WIDGETS.id].forget()
        world.fill(WIDGETS)
        assert not world.graph.absences.proven(reference(owner), "default", world.view)
        assert world.graph.owner(reference(owner), "default") is not None

    def test_one_that_is_not_listed_again_is(self) -> None:
        world, owner = self.world()
        world.stores[WIDGETS.id].forget()
        world.delete(WIDGETS, owner)
        world.fill(WIDGETS)
        assert world.graph.absences.proven(reference(owner), "default", world.view)

    def test_a_kind_no_longer_served_leaves_only_what_was_proven_before(self) -> None:
        world, owner = self.world()
        other = world.create("other")
        world.create("its-child", GADGETS, owners=[reference(other)])
        world.deliver_all()
        world.delete(WIDGETS, owner)
        world.deliver_all()
        assert world.graph.absences.proven(reference(owner), "default", world.view)
        world.stores.pop(WIDGETS.id).forget()
        assert world.graph.absences.proven(reference(owner), "default", world.view)
        assert not world.graph.absences.proven(reference(other), "default", world.view)

    def test_it_is_bound_to_everything_the_reference_says(self) -> None:
        world, owner = self.world()
        world.delete(WIDGETS, owner)
        world.deliver_all()
        proven = world.graph.absences.proven
        assert proven(reference(owner), "default", world.view)
        assert not proven(reference(owner), "elsewhere", world.view)
        assert not proven(reference(owner), "", world.view)
        for lie in ({"name": "x"}, {"kind": "Gadget"}, {"apiVersion": "v1"}, {"uid": "x"}):
            assert not proven(reference(owner, lie=lie), "default", world.view)

    def test_the_oldest_proofs_are_forgotten(self) -> None:
        absences, store = Absences(), Store(WIDGETS)
        store.replace((), 1)
        view = View({WIDGETS.id: store})
        owners = [OwnerReference("example.com/v1", "Widget", "x", f"uid-{n}") for n in range(REMEMBERED + 1)]
        for each in owners:
            absences.asked(coordinates(each, "default"), WIDGETS)
        assert not absences.proven(owners[0], "default", view)
        assert absences.proven(owners[1], "default", view)


def test_coordinates_of_an_object_are_those_of_a_true_reference() -> None:
    obj = msgspec.convert({"metadata": {"name": "x", "namespace": "ns", "uid": "u"}}, Obj)
    assert coordinates_of(WIDGETS, obj) == coordinates(reference(obj), "ns")


class TestCatalog:
    def test_finds_what_can_be_read_by_group_and_kind(self) -> None:
        catalog = Catalog()
        hidden = kind("secrets", "Hidden")
        served = [Resource(WIDGETS, VERBS), Resource(hidden, frozenset({"create"}))]
        assert catalog.find(served, "example.com", "Widget") is WIDGETS
        assert catalog.find(served, "", "Widget") is None
        assert catalog.find(served, "example.com", "Hidden") is None

    def test_of_two_resources_of_a_kind_the_first_counts(self) -> None:
        second = kind("widgetcopies", "Widget")
        assert Catalog().find([Resource(WIDGETS, VERBS), Resource(second, VERBS)], "example.com", "Widget") is WIDGETS

    def test_follows_discovery(self) -> None:
        catalog = Catalog()
        assert catalog.find([Resource(GADGETS, VERBS)], "example.com", "Widget") is None
        assert catalog.find([Resource(WIDGETS, VERBS)], "example.com", "Widget") is WIDGETS
