"""When a run is void: recorded looks at the Leases, and what they prove."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.leases import Held, Look, changes, leading, side_of, voids

OURS, OURS_TOO, THEIRS = "understudy:worker_1", "understudy:worker2_1", "kind-control-plane_6f1c"
RELAY = "understudy:relay"
MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"


def film(*scheduler: tuple[str, int]) -> list[Look]:
    """Looks two seconds apart: our controllers lead all the time, of the scheduler's Lease this was seen."""
    steady = Held(OURS, 3)
    return [Look(2.0 * n, {MANAGER: steady, SCHEDULER: Held(*held)}) for n, held in enumerate(scheduler)]


def test_whose() -> None:
    assert [side_of(holder) for holder in (OURS, THEIRS, "", RELAY)] == ["ours", "upstream", "nobody", "nobody"]


def test_a_steady_leader_proves_it() -> None:
    assert voids(film((OURS, 1), (OURS, 1), (OURS, 1)), "ours") == []
    assert leading(film((OURS, 1))[0], "ours")


def test_our_own_failover_does_no_harm() -> None:
    assert voids(film((OURS, 1), (RELAY, 1), (OURS_TOO, 2)), "ours") == []
    assert voids(film((OURS, 1), (OURS_TOO, 2)), "ours") == []
    assert voids(film((OURS, 1), ("", 1), (OURS, 2)), "ours") == []


def test_upstream_in_between_voids_it() -> None:
    (why,) = voids(film((OURS, 1), (THEIRS, 2), (THEIRS, 2), (OURS, 3)), "ours")
    assert why == f"kube-scheduler was led by upstream ({THEIRS}) 2 s into the run"


def test_upstream_at_the_end_voids_it() -> None:
    whys = voids(film((OURS, 1), (THEIRS, 2)), "ours")
    assert whys[0].startswith("ours did not lead when it ended")


def test_nobody_at_the_beginning_voids_it() -> None:
    (why,) = voids(film(("", 1), (OURS, 2)), "ours")
    assert why.startswith("ours did not lead when it began")


def test_a_change_that_nobody_saw_voids_it() -> None:
    (why,) = voids(film((OURS, 1), (OURS, 3)), "ours")
    assert why == "kube-scheduler changed hands unseen between 0 s and 2 s into the run"


@pytest.mark.parametrize("held", [(OURS, 0), (OURS_TOO, 3), (OURS_TOO, 1)])
def test_a_count_that_the_change_does_not_explain_voids_it(held: tuple[str, int]) -> None:
    assert voids(film((OURS, 1), held), "ours")


def test_a_reference_run_is_void_if_we_lead() -> None:
    theirs = [Look(float(n), {MANAGER: Held(THEIRS, 1), SCHEDULER: Held(THEIRS, 1)}) for n in range(3)]
    assert voids(theirs, "upstream") == []
    assert voids(film((THEIRS, 1), (THEIRS, 1)), "upstream")


def test_one_look_is_not_enough() -> None:
    assert voids(film((OURS, 1)), "ours") == ["the Leases were not read before and after"]


def test_only_changes_are_kept_and_the_end() -> None:
    looks = film((OURS, 1), (OURS, 1), (OURS_TOO, 2), (OURS_TOO, 2), (OURS_TOO, 2))
    assert [look.at for look in changes(looks)] == [0.0, 4.0, 8.0]
    assert [look.at for look in changes(looks[:1])] == [0.0]
    assert changes([]) == []


@given(st.lists(st.sampled_from([OURS, OURS_TOO, THEIRS, ""]), min_size=1), st.data())
def test_upstream_never_slips_through(taken: list[str], data: st.DataObject) -> None:
    """Whatever is looked at of a Lease's true history: if upstream led after the first look, that shows."""
    history, count = [Held(OURS, 0)], 0
    for before, holder in pairwise([OURS, *taken]):
        count += holder not in ("", before)
        history.append(Held(holder, count))
    history.append(Held(OURS, count + (history[-1].holder != OURS)))
    seen = sorted(data.draw(st.sets(st.integers(1, len(history) - 2)))) if len(history) > 2 else []
    looks = [Look(float(at), {SCHEDULER: history[at]}) for at in (0, *seen, len(history) - 1)]
    if THEIRS in taken:
        assert voids(looks, "ours")
