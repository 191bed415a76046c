"""Which of many volumes a claim gets: one that does, and the one that wastes least."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.volumes import claim, volume, world
from understudy.kinds.storage import PersistentVolume
from understudy.operators.pvbinder.matching import best_match, mismatch

MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany")
SIZES = st.sampled_from(["500Mi", "1Gi", "1025Mi", "5Gi"])
SOME = st.sets(st.sampled_from(MODES), min_size=1)


def best(*volumes: PersistentVolume, delayed: bool = False, **spec: Any) -> str | None:
    wanted = claim(**spec)
    found = best_match(wanted, world(wanted, *volumes), delayed=delayed)
    return found.name if found is not None else None


@st.composite
def volumes(draw: st.DrawFn) -> PersistentVolume:
    return volume(
        f"v{draw(st.integers(0, 9))}",
        size=draw(SIZES),
        modes=sorted(draw(SOME)),
        cls=draw(st.sampled_from(["", "fast"])),
        phase=draw(st.sampled_from(["Available", "Available", "Pending", "Bound", "Released"])),
        of=draw(st.sampled_from([None, None, None, "c", "other", claim(uid="old")])),
        deleting=draw(st.booleans() | st.just(value=False)),
    )


@given(st.lists(volumes(), max_size=6, unique_by=lambda each: each.name), SIZES, SOME)
def test_what_is_chosen_suits_and_is_nobody_elses(there: list[PersistentVolume], size: str, modes: set[str]) -> None:
    wanted = claim(size=size, modes=sorted(modes))
    found = best_match(wanted, world(*there), delayed=False)
    if found is None:
        assert not [each for each in there if each.status.phase == "Available" and _is_free_for(each, wanted)]
        return
    assert found.spec.claimRef is None or (found.spec.claimRef.name == "c" and not found.spec.claimRef.uid)
    assert found.spec.claimRef is not None or (found.status.phase == "Available" and not mismatch(found, wanted))
    rivals = [each for each in there if _is_free_for(each, wanted)]
    assert all(len(found.spec.accessModes) <= len(each.spec.accessModes) for each in rivals)


def _is_free_for(each: PersistentVolume, wanted: Any) -> bool:
    return each.spec.claimRef is None and each.status.phase == "Available" and mismatch(each, wanted) is None


def test_the_smallest_that_is_large_enough() -> None:
    assert best(volume("a", size="5Gi"), volume("b", size="2Gi"), volume("c", size="1Gi"), size="2Gi") == "b"
    assert best(volume("a", size="2Gi"), volume("b", size="2000Mi"), size="2Gi") == "a"


def test_few_access_modes_count_more_than_size() -> None:
    wide = volume("wide", size="1Gi", modes=MODES)
    assert best(wide, volume("narrow", size="5Gi", modes=MODES[:1])) == "narrow"
    assert best(wide, volume("narrow", modes=MODES[:1]), modes=MODES[1:2]) == "wide"


def test_a_reserved_one_counts_more_among_those_of_the_same_modes() -> None:
    assert best(volume("small"), volume("mine", size="5Gi", of="c")) == "mine"
    assert best(volume("small"), volume("mine", size="5Gi", of="c", modes=MODES)) == "small"
    assert best(volume("small", cls="fast"), volume("mine", of="c", phase="Pending"), cls="fast") == "mine"


def test_labels_modes_and_attributes_are_asked_for() -> None:
    red, blue = volume("red", labels={"c": "red"}), volume("blue", labels={"c": "blue"})
    assert best(red, blue, spec={"selector": {"matchLabels": {"c": "red"}}}) == "red"
    assert best(red, blue, volume("mine", of="c", size="9Gi"), spec={"selector": {"matchLabels": {"c": "x"}}}) == "mine"
    assert best(red, spec={"volumeMode": "Block"}) is None
    assert best(volume(spec={"volumeMode": "Block"}), spec={"volumeMode": "Block"}) == "v"
    assert best(red, spec={"volumeAttributesClassName": "gold"}) is None


def test_a_delayed_claim_takes_only_what_names_it() -> None:
    assert best(volume("a"), delayed=True) is None
    assert best(volume("a"), volume("b", of=claim()), delayed=True) == "b"
