"""Plans of misfortune: scripted ones hit what they were meant for, drawn ones are the same for the same seed."""

from understudy.testing.faults import (
    CONFLICT,
    FINE,
    LOST_AFTER,
    UNAVAILABLE,
    UNDISTURBED,
    Fault,
    Faults,
    Mishap,
)


def test_nothing_happens_unless_asked_for() -> None:
    faults = Faults()
    assert {faults.for_request("POST", "/x") for _ in range(100)} == {FINE}
    assert {faults.for_event("/x") for _ in range(100)} == {UNDISTURBED}


def test_scripted_faults_hit_the_next_that_match() -> None:
    faults = Faults()
    faults.next(UNAVAILABLE, method="POST", path="/pods", times=2)
    faults.next(LOST_AFTER)
    assert faults.for_request("GET", "/pods") is LOST_AFTER
    assert faults.for_request("POST", "/nodes") is FINE
    assert [faults.for_request("POST", "/pods") for _ in range(3)] == [UNAVAILABLE, UNAVAILABLE, FINE]


def test_scripted_mishaps_hit_the_next_events_of_their_path() -> None:
    faults = Faults()
    cut = Mishap(cut=True)
    faults.next_event(cut, path="/pods", times=2)
    assert faults.for_event("/nodes") is UNDISTURBED
    assert [faults.for_event("/pods?watch=1") for _ in range(3)] == [cut, cut, UNDISTURBED]


def test_drawn_faults_repeat_with_the_seed_and_keep_their_rate() -> None:
    def drawn(seed: int) -> list[Fault]:
        faults = Faults(seed, rate=0.25)
        return [faults.for_request("PATCH", "/x") for _ in range(1000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 180 < sum(fault is not FINE for fault in drawn(1)) < 320


def test_what_has_no_revision_meets_no_conflict() -> None:
    faults = Faults(rate=1.0, requests=[CONFLICT])
    assert faults.for_request("PUT", "/x") is CONFLICT
    assert {faults.for_request(method, "/x") for method in ("GET", "POST", "DELETE")} == {FINE}


def test_calm_ends_it_all() -> None:
    faults = Faults(rate=1.0, event_rate=1.0)
    faults.next(UNAVAILABLE)
    faults.next_event(Mishap(cut=True))
    faults.cut_off = True
    faults.calm()
    assert faults.for_request("POST", "/x") is FINE
    assert faults.for_event("/x") is UNDISTURBED
    assert not faults.cut_off
