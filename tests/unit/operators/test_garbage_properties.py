"""What the collector keeps, whatever the graph and whatever comes when: watches that lag or start anew, other writers.

Each run draws objects that own one another (circles, lies and the dead included), then an order of events, steps of
decisions, deletions and lost watches. Every write is judged against the server's truth at that moment.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.garbage_world import GADGETS, KINDS, PLANETS, WIDGETS, World, reference
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, OwnerReference
from understudy.operators.garbage.absence import group_of
from understudy.operators.garbage.graph import FOREGROUND, ORPHAN
from understudy.plan.steps import Delete, Patch

FOREIGN = "example.com/other"
DEAD = OwnerReference("example.com/v1", "Widget", "dead", "uid-dead", blockOwnerDeletion=True)
POLICIES = ("Background", "Foreground", "Orphan", None)
SIZE = 7

THING = st.fixed_dictionaries(
    {
        "of": st.sampled_from([WIDGETS, WIDGETS, GADGETS, PLANETS]),
        "namespace": st.sampled_from(["a", "a", "a", "b"]),
        "foreign": st.integers(0, 4).map(lambda n: n == 0),
    }
)
EDGE = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1), st.booleans(), st.integers(0, 9).map(bool))
"""(dependent, owner, whether it blocks, whether it tells the owner's true name)."""


class Judge:
    """Looks at each write before the server does it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.were_waiting: set[str] = set()
        world.before_write = self

    def note(self) -> None:
        """Remember who ever was deleted in the foreground: their dependents are to go."""
        for obj in self.world.truth.values():
            if obj.deleting and FOREGROUND in obj.metadata.finalizers:
                self.were_waiting.add(obj.uid)

    def __call__(self, step: Any) -> None:
        self.note()
        held = self.world.truth.get((step.kind.id, step.obj.key))
        if held is None or held.uid != step.obj.uid:
            return
        if isinstance(step, Delete):
            assert step.unchanged
            if held.revision == step.obj.revision:
                self._may_be_deleted(held)
        elif isinstance(step, Patch) and held.revision == step.obj.revision:
            self._may_be_let_go(held, step.body["metadata"].get("finalizers"))

    def _may_be_deleted(self, obj: Obj) -> None:
        assert obj.metadata.ownerReferences, f"{obj.name} has no owner"
        for owner in owners(self.world, obj):
            assert owner.uid in self.were_waiting, f"{obj.name} is deleted though {owner.name} stands"

    def _may_be_let_go(self, obj: Obj, finalizers: list[str] | None) -> None:
        if finalizers is None:
            return
        references = [r for each in self.world.truth.values() for r in each.metadata.ownerReferences]
        mine = [r for r in references if r.uid == obj.uid]
        if ORPHAN in obj.metadata.finalizers:
            assert not mine, f"{obj.name} goes before its dependents are free"
        elif FOREGROUND in obj.metadata.finalizers:
            assert not any(r.blockOwnerDeletion for r in mine), f"{obj.name} goes before those who block it"


def owners(world: World, obj: Obj) -> list[Obj]:
    """The owners that `obj` has in truth."""
    kinds = {each.kind: each for each in world.kinds.values()}
    found = []
    for each in obj.metadata.ownerReferences:
        of = kinds.get(each.kind)
        if of is None or of.group != group_of(each):
            continue
        owner = world.truth.get((of.id, Key(obj.namespace if of.namespaced else "", each.name)))
        if owner is not None and owner.uid == each.uid:
            found.append(owner)
    return found


def unresolvable(obj: Obj) -> bool:
    """A cluster-scoped object with a namespaced owner: upstream leaves it alone for ever."""
    return not obj.namespace and any(each.kind != PLANETS.kind for each in obj.metadata.ownerReferences)


def build(things: list[dict[str, Any]], edges: list[Any]) -> tuple[World, list[tuple[Kind[Obj], Obj]]]:
    world = World()
    for each in KINDS:
        world.open(each)
    made = []
    for number, thing in enumerate(things):
        finalizers = [FOREIGN] if thing["foreign"] else []
        obj = world.create(f"{number}", thing["of"], finalizers=finalizers, namespace=thing["namespace"])
        made.append((thing["of"], obj))
    for dependent, (of, obj) in enumerate(made):
        references = []
        for below, above, block, honest in edges:
            if below == dependent:
                owner_kind, owner = made[above % len(made)]
                lie = {} if honest else {"name": "liar"}
                references.append(reference(owner, owner_kind, block=block, lie=lie))
        references += [DEAD] * (len(edges) % 3 == 1 and dependent % 3 == 0)
        if references:
            written = [msgspec.to_builtins(each) for each in references]
            if of is PLANETS and any(each.kind != PLANETS.kind for each in references):
                written = [each | {"blockOwnerDeletion": False} for each in written]  # nobody would ever free the owner
            world.change(of, obj, {"metadata": {"ownerReferences": written}})
    return world, made


class Play:
    """One order of things, drawn from `rng`: mostly the collector's own steps, now and then somebody else's deeds."""

    def __init__(self, world: World, made: list[tuple[Kind[Obj], Obj]], rng: random.Random) -> None:
        self._world = world
        self._made = made
        self._rng = rng

    def on(self) -> None:
        luck = self._rng.random()
        if luck < 0.12:
            self._user()
        elif luck < 0.2:
            self._watch()
        else:
            self._collector()

    def _user(self) -> None:
        world = self._world
        of, obj = self._rng.choice(self._made)
        held = world.find(obj, of)
        if held is None:
            if (of.id, obj.key) not in world.truth:
                world.create(obj.name, of, namespace=obj.namespace)  # a namesake
        elif self._rng.random() < 0.6:
            world.delete(of, obj, self._rng.choice(POLICIES))
        elif self._rng.random() < 0.3:
            release(world, of, held)
        else:
            world.change(of, obj, {"metadata": {"labels": {"beat": str(self._rng.random())}}})

    def _watch(self) -> None:
        """A list comes to an end, or a store is given up."""
        of = self._rng.choice(KINDS)
        store = self._world.stores[of.id]
        if not store.synced:
            self._world.fill(of)
        elif self._rng.random() < 0.2:
            store.forget()

    def _collector(self) -> None:
        world = self._world
        beginning = [key for key in world.pending if key not in world.playing]
        deeds: list[tuple[Callable[[Any], None], Sequence[Any]]] = [
            (world.deliver, world.undelivered()),
            (world.begin, beginning),
            (world.advance, list(world.playing)),
            (self._look_again, list(world.later)),
        ]
        possible = [(do, about) for do, about in deeds if about]
        if possible:
            do, about = self._rng.choice(possible)
            do(self._rng.choice(about))

    def _look_again(self, key: Key) -> None:
        del self._world.later[key]
        self._world.pending[key] = None


def release(world: World, of: Kind[Obj], held: Obj) -> None:
    """Whoever held the object back no longer does."""
    if FOREIGN in held.metadata.finalizers:
        rest = [each for each in held.metadata.finalizers if each != FOREIGN]
        world.change(of, held, {"metadata": {"finalizers": rest}})


def finish(world: World, made: list[tuple[Kind[Obj], Obj]]) -> None:
    """Calm returns: all watches in order, nobody else holds anything back."""
    for of in KINDS:
        if not world.stores[of.id].synced:
            world.fill(of)
    world.settle()
    for of, obj in made:
        held = world.find(obj, of)
        if held is not None:
            release(world, of, held)
    world.settle()


@settings(max_examples=120, deadline=None)
@given(
    st.lists(THING, min_size=3, max_size=SIZE),
    st.lists(EDGE, min_size=3, max_size=14),
    st.integers(0, 2**32),
)
def test_the_living_stay_the_dead_go_and_the_order_is_kept(
    things: list[dict[str, Any]], edges: list[Any], seed: int
) -> None:
    world, made = build(things, edges)
    judge = Judge(world)
    rng = random.Random(seed)
    play = Play(world, made, rng)
    for _ in range(rng.randint(20, 200)):
        play.on()
        judge.note()
    finish(world, made)
    for obj in world.truth.values():
        assert not obj.deleting, f"{obj.name} never ends"
        references = obj.metadata.ownerReferences
        if references and not unresolvable(obj):
            assert len(owners(world, obj)) == len(references), f"{obj.name} keeps owners that are gone"
    assert set(world.graph._nodes) == {obj.uid for obj in world.truth.values()}
