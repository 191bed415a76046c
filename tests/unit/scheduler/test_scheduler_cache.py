"""The cache: a pod is counted once, from its decision on, wherever it turns out to be."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler.builders import container, node, pod
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.kinds import Pod
from understudy.scheduler.shape import Usage, usage_of
from understudy.scheduler.terms import badge_of

SMALL = usage_of(pod("small", container("1")))
BIG = usage_of(pod("big", container("2")))


def named(uid: str) -> Pod:
    return pod(uid, meta={"uid": uid})


def assume(cache: Cache, uid: str, usage: Usage, node: str) -> None:
    cache.assume(named(uid), usage, badge_of(named(uid)), node)


def place(cache: Cache, uid: str, usage: Usage, node: str) -> int | None:
    return cache.place(named(uid), usage, badge_of(named(uid)), node)


def usage_in(cache: Cache, uid: str) -> Usage | None:
    held = cache.get(uid)
    return None if held is None else held.usage


def start() -> tuple[Cache, Columns]:
    columns = Columns()
    for name in ("a", "b"):
        columns.set_node(node(name))
    return Cache(columns), columns


def cpu(columns: Columns) -> list[int]:
    return [columns.view(row).requested["cpu"] for row in (0, 1)]


def test_an_assumed_pod_is_counted_and_then_confirmed() -> None:
    cache, columns = start()
    assume(cache, "u", SMALL, "a")
    assert (cpu(columns), cache.assumed, cache.node_of("u")) == ([1000, 0], 1, "a")

    assert place(cache, "u", SMALL, "a") is None
    assert (cpu(columns), cache.assumed, len(cache)) == ([1000, 0], 0, 1)


def test_a_failed_binding_gives_the_room_back() -> None:
    cache, columns = start()
    assume(cache, "u", SMALL, "a")

    assert cache.forget("u") == 0
    assert (cpu(columns), cache.assumed, cache.node_of("u")) == ([0, 0], 0, None)


def test_a_binding_that_seemed_to_fail_but_was_seen_is_not_forgotten() -> None:
    cache, columns = start()
    assume(cache, "u", SMALL, "a")
    place(cache, "u", SMALL, "a")

    assert cache.forget("u") is None
    assert cpu(columns) == [1000, 0]


def test_a_pod_bound_elsewhere_by_another_moves() -> None:
    cache, columns = start()
    assume(cache, "u", SMALL, "a")

    assert place(cache, "u", SMALL, "b") == 0
    assert (cpu(columns), cache.assumed, cache.node_of("u")) == ([0, 1000], 0, "b")


def test_a_resize_is_counted_anew() -> None:
    cache, columns = start()
    place(cache, "u", SMALL, "a")

    assert place(cache, "u", BIG, "a") == 0
    assert (cpu(columns), usage_in(cache, "u")) == ([2000, 0], BIG)


def test_a_pod_that_is_gone_is_counted_no_more() -> None:
    cache, columns = start()
    assume(cache, "u", SMALL, "a")
    place(cache, "v", BIG, "a")

    assert (cache.drop("u"), cache.drop("v"), cache.drop("w")) == (0, 0, None)
    assert (cpu(columns), cache.assumed, usage_in(cache, "u")) == ([0, 0], 0, None)


moves = st.tuples(
    st.sampled_from(["assume", "forget", "place", "drop"]),
    st.sampled_from(["u", "v", "w"]),
    st.sampled_from([SMALL, BIG]),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(moves))
def test_what_is_counted_is_what_is_held(steps: list[tuple[str, str, object, str]]) -> None:
    cache, columns = start()
    for move, uid, usage, name in steps:
        taken = BIG if usage is BIG else SMALL
        if move == "assume" and cache.node_of(uid) is None:
            assume(cache, uid, taken, name)
        elif move == "place":
            place(cache, uid, taken, name)
        elif move in ("forget", "drop"):
            getattr(cache, move)(uid)
        held = {each: (cache.node_of(each), usage_in(cache, each)) for each in "uvw" if cache.node_of(each)}
        expected = [sum(dict(one.requests)["cpu"] for at, one in held.values() if at == node and one) for node in "ab"]
        assert cpu(columns) == expected
        assert len(cache) == len(held)
        assert 0 <= cache.assumed <= len(held)
