"""The queue: order, pauses, parked pods woken one by one, and no pod ever lost."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler.builders import container, info, node
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Cycle
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.queue import STALE, Entry, Place, Queue
from understudy.scheduler.shape import PodInfo


def pop(queue: Queue, now: float = 0.0) -> str | None:
    entry = queue.pop(now)
    return None if entry is None else entry.info.pod.name


def out(queue: Queue, now: float = 0.0) -> Entry:
    entry = queue.pop(now)
    assert entry is not None
    return entry


def park_all(queue: Queue, now: float) -> list[str]:
    names = []
    while (entry := queue.pop(now)) is not None:
        names.append(entry.info.pod.name)
        queue.park(entry, now)
    return names


def test_by_priority_then_by_time_then_by_arrival() -> None:
    queue = Queue()
    for name, priority, now in (("low", 0, 0.0), ("late", 5, 2.0), ("early", 5, 1.0), ("second", 5, 1.0)):
        queue.add(info(name, priority=priority), now)

    assert [pop(queue, 3.0) for _ in range(5)] == ["early", "second", "late", "low", None]


def test_a_pod_waits_once() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    queue.add(info("a"), 1.0)

    assert [pop(queue), pop(queue)] == ["a", None]


def test_a_pod_that_is_out_is_not_queued_again_by_an_update() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    entry = out(queue)
    changed = info("a", container("1"))
    queue.add(changed, 1.0)

    assert pop(queue) is None
    assert entry.info is changed
    assert queue.count(Place.OUT) == 1


def test_a_removed_pod_is_not_popped() -> None:
    queue = Queue()
    for name in ("a", "b"):
        queue.add(info(name), 0.0)
    queue.remove("uid-a", 0.0)
    queue.remove("uid-a", 0.0)

    assert "uid-a" not in queue
    assert [pop(queue), pop(queue)] == ["b", None]


def test_a_pod_of_the_same_name_made_anew_is_popped_once() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    queue.remove("uid-a", 0.0)
    queue.add(info("a"), 1.0)

    assert [pop(queue), pop(queue)] == ["a", None]


def test_pauses_after_errors_double_up_to_ten_seconds() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    now = 0.0
    for pause in (1, 2, 4, 8, 10, 10):
        queue.retry(out(queue, now), now)
        assert queue.next_due() == now + pause
        assert pop(queue, now + pause - 0.1) is None
        now += pause
    assert pop(queue, now) == "a"


def test_a_diagnosis_ends_a_run_of_errors() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    for _ in range(3):
        entry = out(queue, 100.0)
        queue.retry(entry, 50.0)
    queue.park(out(queue, 100.0), 100.0)
    assert (entry.errors, entry.refused, entry.ready_at) == (0, 1, 101.0)


def test_a_woken_pod_pauses_while_others_wait_and_is_next_when_none_do() -> None:
    queue = Queue()
    queue.add(info("refused"), 0.0)
    queue.park(out(queue), 0.0)
    queue.add(info("fresh", container("1")), 0.1)
    assert queue.wake(info("refused").shape, 0.1)
    assert queue.count(Place.BACKOFF) == 1

    assert [pop(queue, 0.1), pop(queue, 0.1)] == ["fresh", "refused"]


def test_a_woken_pod_whose_pause_is_over_waits_its_turn() -> None:
    queue = Queue()
    queue.add(info("refused", priority=9), 0.0)
    queue.park(out(queue), 0.0)
    queue.add(info("fresh", container("1")), 0.1)
    queue.wake(info("refused").shape, 2.0)

    assert [pop(queue, 2.0), pop(queue, 2.0)] == ["refused", "fresh"]


def test_parked_pods_stay_until_woken() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    assert park_all(queue, 0.0) == ["a"]
    queue.add(info("a"), 1.0)

    assert pop(queue, 1000.0) is None
    assert list(queue.parked) == [info("a").shape]


def test_a_parked_pod_that_wants_something_else_is_tried_again() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    park_all(queue, 0.0)
    queue.add(info("a", tolerations=[{"operator": "Exists"}]), 5.0)

    assert pop(queue, 5.0) == "a"
    assert not queue.parked


def test_waking_a_shape_tries_its_first_pod_and_the_next_only_after_success() -> None:
    queue = Queue()
    for name, priority in (("low", 0), ("high", 9), ("middle", 5)):
        queue.add(info(name, priority=priority), 0.0)
    park_all(queue, 0.0)
    shape = info("low").shape
    assert queue.wake(shape, 20.0)
    assert not queue.wake(shape, 20.0)
    first = out(queue, 20.0)
    assert (first.info.pod.name, pop(queue, 20.0)) == ("high", None)

    queue.placed(first, 20.0)
    second = out(queue, 20.0)
    assert second.info.pod.name == "middle"
    queue.park(second, 20.0)
    assert pop(queue, 1000.0) is None
    assert queue.count(Place.PARKED) == 2


def test_a_pod_on_trial_that_is_deleted_lets_the_next_one_try() -> None:
    queue = Queue()
    for name in ("a", "b"):
        queue.add(info(name), 0.0)
    park_all(queue, 0.0)
    queue.wake(info("a").shape, 20.0)
    queue.remove("uid-a", 20.0)

    assert pop(queue, 20.0) == "b"


def test_the_last_pod_of_a_shape_may_be_tried_parked_and_woken_again() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    park_all(queue, 0.0)
    for now in (20.0, 40.0, 60.0):
        assert queue.wake(info("a").shape, now)
        assert park_all(queue, now) == ["a"]


def test_shapes_not_tried_for_long_are_tried_all_the_same() -> None:
    queue = Queue()
    queue.add(info("a"), 0.0)
    queue.add(info("b", container("1")), 0.0)
    park_all(queue, 0.0)

    assert queue.flush(STALE) == 0
    assert queue.flush(STALE + 1) == 2
    assert sorted(park_all(queue, STALE + 1)) == ["a", "b"]
    assert queue.flush(STALE + 2) == 0


def test_what_is_put_back_after_it_was_removed_stays_away() -> None:
    queue = Queue()
    for put_back in (queue.park, queue.retry):
        queue.add(info("a"), 0.0)
        entry = out(queue)
        queue.remove("uid-a", 0.0)
        put_back(entry, 0.0)
        assert pop(queue, 100.0) is None
        assert "uid-a" not in queue
    assert all(queue.count(place) == 0 for place in Place)


WISHES = [info("x", container("1")), info("x", container("2")), info("x", container("3"))]
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "park", "retry", "place", "wake", "flush"]),
        st.integers(0, 5),
        st.integers(0, 2),
        st.floats(0, 400),
    ),
    max_size=60,
)


@given(steps)
def test_every_pod_is_in_one_place_and_none_is_lost(story: list[tuple[str, int, int, float]]) -> None:
    queue, now, known, away = Queue(), 0.0, set[str](), list[Entry]()
    for what, which, wish, passed in story:
        now += passed
        uid = f"uid-p{which}"
        match what:
            case "add":
                one = info(f"p{which}", priority=which % 2)
                queue.add(PodInfo(one.pod, WISHES[wish].shape, one.badge), now)
                known.add(uid)
            case "remove":
                queue.remove(uid, now)
                known.discard(uid)
            case "wake":
                queue.wake(WISHES[wish].shape, now)
            case "flush":
                queue.flush(now)
            case _:
                if (entry := queue.pop(now)) is not None:
                    assert entry.info.uid in known
                    {"park": queue.park, "retry": queue.retry, "place": queue.placed}[what](entry, now)
                    if what == "place":
                        away.append(entry)
        _check(queue, known)
    for entry in away:
        queue.remove(entry.info.uid, now)
        known.discard(entry.info.uid)
    assert _everybody(queue, now) == known


def _check(queue: Queue, known: set[str]) -> None:
    entries = [entry for uid in known if (entry := queue.get(uid)) is not None]
    assert len(entries) == len(known)
    for place in Place:
        assert queue.count(place) == sum(entry.place is place for entry in entries)
    parked = {entry.lot.shape for entry in entries if entry.place is Place.PARKED and entry.lot is not None}
    assert set(queue.parked) == parked


def _everybody(queue: Queue, now: float) -> set[str]:
    """Pop all there is; what is parked is woken, each success waking the next."""
    found = set()
    for _ in range(30):
        now += 1000.0
        queue.flush(now)
        while (entry := queue.pop(now)) is not None:
            found.add(entry.info.uid)
            queue.placed(entry, now)
    return found


def test_ten_thousand_parked_pods_are_asked_about_once() -> None:
    """Bounded cost by counting, not by the clock: one question a shape, one trial a question."""
    queue, columns = Queue(), Columns()
    columns.set_node(node(cpu="1"))
    cycle, asked = Cycle(columns), 0
    for number in range(10_000):
        queue.add(info(f"big-{number}", container("64")), 0.0)
    park_all(queue, 0.0)
    for shape in list(queue.parked):
        asked += 1
        assert not cycle.helps(shape, [0])
        queue.wake(shape, 20.0)

    assert asked == 1
    assert len(park_all(queue, 20.0)) == 1
    assert isinstance(cycle.pick(info("big-0", container("64")).shape, 0.0), Diagnosis)
