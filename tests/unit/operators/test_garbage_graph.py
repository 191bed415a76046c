"""The graph of owners and dependents: whom each change wakes, and what the policies may ask it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.garbage_world import GADGETS, PLANETS, WIDGETS, reference
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, OwnerReference
from understudy.operators.garbage.graph import FOREGROUND, ORPHAN, Graph


def obj(name: str, *owners: OwnerReference, namespace: str = "default", revision: int = 1, **metadata: Any) -> Obj:
    body = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": str(revision), **metadata}
    return msgspec.convert({"metadata": {**body, "ownerReferences": [msgspec.to_builtins(o) for o in owners]}}, Obj)


def gone(*finalizers: str) -> dict[str, Any]:
    return {"deletionTimestamp": "2026-01-02T12:00:00Z", "finalizers": list(finalizers)}


def names(keys: list[Key]) -> list[str]:
    assert {key.namespace for key in keys} <= {""}
    return [key.name.removeprefix("uid-") for key in keys]


class Told:
    """A graph, and the changes told to it so far."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._now: dict[str, Obj] = {}

    def __call__(self, new: Obj, kind: Kind[Obj] = WIDGETS) -> list[str]:
        """`new` as it is now; whom that wakes."""
        old = self._now.get(new.name)
        self._now[new.name] = new
        return names(self.graph.changed(kind, new, old))

    def without(self, name: str, kind: Kind[Obj] = WIDGETS) -> list[str]:
        return names(self.graph.changed(kind, None, self._now.pop(name)))


@pytest.fixture
def tell() -> Told:
    return Told()


OWNER = obj("owner")
PLANET = obj("earth", namespace="")


class TestArrivals:
    def test_an_object_that_nobody_owns_wakes_nobody(self, tell: Told) -> None:
        assert tell(OWNER) == []

    def test_a_dependent_of_a_known_owner_wakes_nobody(self, tell: Told) -> None:
        tell(OWNER)
        assert tell(obj("child", reference(OWNER))) == []

    def test_a_dependent_of_an_unknown_owner_is_looked_at(self, tell: Told) -> None:
        assert tell(obj("child", reference(OWNER))) == ["child"]

    def test_one_unknown_owner_of_two_is_enough(self, tell: Told) -> None:
        tell(OWNER)
        assert tell(obj("child", reference(OWNER), reference(obj("other")))) == ["child"]

    @pytest.mark.parametrize(
        "lie", [{"name": "x"}, {"kind": "Gadget"}, {"apiVersion": "other.example.com/v1"}, {"apiVersion": "v1"}]
    )
    def test_a_reference_that_lies_about_its_owner_is_looked_at(self, tell: Told, lie: dict[str, str]) -> None:
        tell(OWNER)
        assert tell(obj("child", reference(OWNER, lie=lie))) == ["child"]

    def test_another_version_of_the_same_group_is_no_lie(self, tell: Told) -> None:
        tell(OWNER)
        assert tell(obj("child", reference(OWNER, lie={"apiVersion": "example.com/v1beta1"}))) == []

    def test_an_owner_in_another_namespace_is_looked_at(self, tell: Told) -> None:
        tell(OWNER)
        assert tell(obj("child", reference(OWNER), namespace="elsewhere")) == ["child"]

    def test_a_cluster_scoped_owner_is_known_everywhere(self, tell: Told) -> None:
        tell(PLANET, PLANETS)
        assert tell(obj("child", reference(PLANET, PLANETS), namespace="elsewhere")) == []

    def test_an_owner_that_comes_late_wakes_only_those_who_lie_about_it(self, tell: Told) -> None:
        tell(obj("honest", reference(OWNER)))
        tell(obj("liar", reference(OWNER, lie={"name": "x"})))
        assert tell(OWNER) == ["liar"]

    def test_an_owner_that_waits_wakes_its_dependents_and_itself(self, tell: Told) -> None:
        tell(obj("child", reference(OWNER)))
        assert tell(obj("owner", **gone(FOREGROUND))) == ["owner", "child"]

    def test_a_dependent_of_a_waiting_owner_is_looked_at(self, tell: Told) -> None:
        tell(obj("owner", **gone(FOREGROUND)))
        assert tell(obj("child", reference(OWNER))) == ["child"]


class TestChanges:
    def test_what_does_not_concern_us_wakes_nobody(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER)))
        assert tell(obj("child", reference(OWNER), revision=2, labels={"a": "b"})) == []
        assert tell(obj("owner", revision=2, finalizers=["example.com/other"])) == []
        assert tell(obj("owner", revision=3, **gone("example.com/other"))) == []

    def test_a_new_owner_is_looked_at_unless_it_is_known(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child"))
        assert tell(obj("child", reference(OWNER), revision=2)) == []
        assert tell(obj("child", reference(OWNER), reference(obj("other")), revision=3)) == ["child"]

    def test_losing_the_last_standing_owner_is_looked_at(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER), reference(obj("other"))))
        assert tell(obj("child", reference(obj("other")), revision=2)) == ["child"]

    @pytest.mark.parametrize("finalizer", [ORPHAN, FOREGROUND])
    def test_a_deletion_that_asks_us_wakes_the_object(self, tell: Told, finalizer: str) -> None:
        tell(OWNER)
        assert tell(obj("owner", revision=2, **gone(finalizer))) == ["owner"]
        assert tell(obj("owner", revision=3, **gone(finalizer))) == []

    def test_a_deletion_in_the_foreground_wakes_the_dependents_once(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER)))
        waiting = gone(FOREGROUND)
        assert tell(obj("owner", revision=2, **waiting)) == ["owner", "child"]
        waiting["finalizers"] = [FOREGROUND, "example.com/other"]
        assert tell(obj("owner", revision=3, **waiting)) == ["owner"]

    @pytest.mark.parametrize("finalizers", [[ORPHAN], [FOREGROUND, ORPHAN]])
    def test_orphaning_wakes_no_dependent(self, tell: Told, finalizers: list[str]) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER)))
        assert tell(obj("owner", revision=2, **gone(*finalizers))) == ["owner"]

    def test_the_last_block_that_falls_wakes_the_waiting_owner(self, tell: Told) -> None:
        tell(obj("owner", **gone(FOREGROUND)))
        for name in ("a", "b", "c"):
            tell(obj(name, reference(OWNER, block=True)))
        assert tell(obj("a", revision=2)) == []
        assert tell.without("b") == []
        assert tell(obj("c", reference(OWNER), revision=2)) == ["owner", "c"]
        assert not tell.graph.blocked("uid-owner")


class TestEnds:
    def test_the_end_of_an_owner_wakes_its_dependents(self, tell: Told) -> None:
        tell(OWNER)
        for name in ("a", "b"):
            tell(obj(name, reference(OWNER)))
        assert tell.without("owner") == ["a", "b"]
        assert tell.graph.get(Key("", "uid-owner")) is None

    def test_the_end_of_an_object_without_dependents_wakes_nobody(self, tell: Told) -> None:
        tell(OWNER)
        assert tell.without("owner") == []

    def test_it_is_forgotten_by_its_owner(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER, block=True)))
        tell.without("child")
        assert tell.graph.dependents("uid-owner") == []
        assert not tell.graph.blocked("uid-owner")

    def test_a_namesake_is_another_object(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER)))
        namesake = obj("owner", uid="uid-second")
        assert tell(namesake) == ["child"]
        assert tell.graph.get(Key("", "uid-owner")) is None
        assert tell.graph.get(Key("", "uid-second")) is not None

    def test_an_end_told_twice_wakes_once(self, tell: Told) -> None:
        tell(OWNER)
        tell(obj("child", reference(OWNER)))
        assert tell.without("owner") == ["child"]
        assert names(tell.graph.changed(WIDGETS, None, OWNER)) == []


def test_an_item_is_the_newest_state(tell: Told) -> None:
    tell(OWNER)
    tell(obj("owner", revision=7))
    item = tell.graph.get(Key("", "uid-owner"))
    assert item is not None
    assert item.metadata.resourceVersion == "7"
    assert item.kind is WIDGETS


def test_two_references_to_one_owner_count_once(tell: Told) -> None:
    tell(obj("child", reference(OWNER), reference(OWNER, block=True), reference(OWNER, lie={"kind": "Gadget"})))
    assert tell.graph.blocked("uid-owner")
    tell(obj("child", reference(OWNER), revision=2))
    assert not tell.graph.blocked("uid-owner")
    assert tell.graph.dependents("uid-owner") == ["uid-child"]


class TestCircles:
    @staticmethod
    def ring(tell: Told, size: int, *, broken: int = -1, standing: int = -1) -> None:
        """Each waits for the next; `broken` does not block, `standing` is not deleted in the foreground."""
        for number in range(size):
            owner = reference(obj(str((number + 1) % size)), block=number != broken)
            fate = {} if number == standing else gone(FOREGROUND)
            tell(obj(str(number), owner, **fate))

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    def test_is_found_from_everywhere(self, tell: Told, size: int) -> None:
        self.ring(tell, size)
        assert all(tell.graph.in_circle(f"uid-{number}") for number in range(size))

    @pytest.mark.parametrize("gap", [{"broken": 1}, {"standing": 1}])
    def test_one_that_blocks_nobody_or_waits_for_nobody_is_no_part_of_it(self, tell: Told, gap: dict[str, int]) -> None:
        self.ring(tell, 3, **gap)
        assert not any(tell.graph.in_circle(f"uid-{number}") for number in range(3))

    def test_who_only_waits_for_a_circle_is_not_in_it(self, tell: Told) -> None:
        self.ring(tell, 2)
        waits_for_it = obj("outside", **gone(FOREGROUND))
        tell(waits_for_it)
        tell(obj("0", reference(obj("1"), block=True), reference(waits_for_it, block=True), revision=2))
        assert not tell.graph.in_circle("uid-outside")


UIDS = [f"{number}" for number in range(5)]
REFERENCES = st.lists(st.tuples(st.sampled_from(UIDS), st.booleans()), max_size=4)
CHANGES = st.lists(
    st.tuples(st.sampled_from(UIDS), st.none() | st.tuples(REFERENCES, st.booleans())), min_size=1, max_size=30
)


@given(CHANGES)
def test_families_are_what_the_objects_say(changes: list[Any]) -> None:
    """After any changes: dependents and blocks are those of the references there are, and nothing is left over."""
    tell, now = Told(), dict[str, Obj]()
    for name, change in changes:
        if change is None:
            if now.pop(name, None) is not None:
                tell.without(name)
            continue
        owners, waiting = change
        references = [reference(obj(owner), GADGETS, block=block) for owner, block in owners]
        now[name] = obj(name, *references, **(gone(FOREGROUND) if waiting else {}))
        tell(now[name])
    for owner in UIDS:
        mine = {
            each.uid: [r for r in each.metadata.ownerReferences if r.uid == f"uid-{owner}"] for each in now.values()
        }
        expected = {uid for uid, references in mine.items() if references}
        assert set(tell.graph.dependents(f"uid-{owner}")) == expected
        assert tell.graph.blocked(f"uid-{owner}") == any(r.blockOwnerDeletion for rs in mine.values() for r in rs)
        assert (tell.graph.node(f"uid-{owner}") is not None) == (owner in now)
    if not now:
        assert not tell.graph._families
