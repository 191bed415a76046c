"""RollingUpdate step by step: how far the new ReplicaSet may grow, how far the old ones may shrink, and rollover."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import events, of, only
from tests.unit.operators.deployments import (
    current,
    decided,
    deployment,
    progressing,
    replica_set,
    report,
    rollout,
    seen,
    sizes,
)
from understudy.kinds.apps import REPLICA_SETS, ReplicaSet
from understudy.operators.deployment.newest import first_replicas
from understudy.operators.deployment.rolling import new_size, old_sizes
from understudy.operators.deployment.rollout import asked
from understudy.plan.steps import Create, Patch


def new(replicas: int, available: int | None = None) -> ReplicaSet:
    return replica_set("new", replicas, image="web:2", revision="2", available=available)


@pytest.mark.parametrize(
    ("replicas", "surge", "old", "present", "expected"),
    [
        (10, 0, 10, 0, 0),
        (10, 2, 10, 0, 2),
        (10, 2, 5, 0, 7),
        (10, 2, 10, 2, 2),
        (10, 2, 0, 10, 10),
        (10, 2, 2, 11, 10),
        (1, "100%", 1, 0, 1),
        (10, 3, 20, 4, 4),
    ],
)
def test_the_new_one_grows_into_the_room_there_is(
    replicas: int, surge: int | str, old: int, present: int, expected: int
) -> None:
    web = deployment(replicas, surge=surge, unavailable=1)
    state = rollout(web, replica_set("old", old), new(present))
    assert state.new is not None
    assert new_size(state, state.new) == expected


@pytest.mark.parametrize(
    ("unavailable", "old", "old_available", "fresh", "fresh_available", "left"),
    [
        (0, 10, 10, 0, 0, 9),
        (2, 10, 10, 0, 0, 8),
        (2, 10, 8, 0, 0, 8),
        (2, 10, 9, 0, 0, 8),
        (2, 8, 8, 2, 0, 8),
        (2, 8, 8, 2, 2, 6),
        (2, 8, 8, 5, 0, 8),  # the new pods crash: the old ones stay
        (2, 8, 4, 5, 1, 7),  # of its unavailable pods, no more than there are beyond the minimum
        (2, 0, 0, 10, 10, 0),
        (0, 2, 2, 9, 9, 0),
        (0, 2, 2, 8, 8, 1),
        (10, 10, 0, 0, 0, 0),
    ],
)
def test_old_ones_shrink_as_far_as_enough_pods_stay_available(
    unavailable: int, old: int, old_available: int, fresh: int, fresh_available: int, left: int
) -> None:
    web = deployment(10, surge=0, unavailable=unavailable)
    state = rollout(web, replica_set("old", old, available=old_available), new(fresh, fresh_available))
    assert state.new is not None
    changes = {each.name: size for each, size in old_sizes(state, state.new)}
    assert changes.get("old", old) == left


def test_unavailable_pods_go_first_wherever_they_are() -> None:
    healthy = replica_set("a-healthy", 5, created="2026-01-01T00:00:00Z")
    broken = replica_set("b-broken", 5, available=2, created="2026-01-01T01:00:00Z")
    state = rollout(deployment(10, surge=2, unavailable=3), healthy, broken, new(0))
    assert state.new is not None
    assert [(each.name, size) for each, size in old_sizes(state, state.new)] == [("b-broken", 2)]


def test_the_oldest_shrinks_first() -> None:
    older = replica_set("b-older", 3, created="2026-01-01T00:00:00Z")
    younger = replica_set("a-younger", 7, created="2026-01-01T01:00:00Z")
    state = rollout(deployment(10, surge=0, unavailable=4), younger, older, new(0))
    assert state.new is not None
    assert [(each.name, size) for each, size in old_sizes(state, state.new)] == [("b-older", 0), ("a-younger", 6)]


def test_a_count_from_before_the_last_scaling_saves_no_pod() -> None:
    """The old one has been scaled from 10 to 8 and still reports 10: those 2 are gone already."""
    stale = replica_set("old", 8, actual=10, available=10)
    state = rollout(deployment(10, surge=3, unavailable=2), stale, new(5, 1))
    assert state.new is not None
    assert [size for _, size in old_sizes(state, state.new)] == [7]


def test_it_grows_into_the_place_of_pods_that_are_gone_and_not_of_those_that_will_go() -> None:
    web = deployment(10, surge=3, unavailable=2)
    for actual, size in ((10, 3), (9, 4), (8, 5)):
        state = rollout(web, replica_set("old", 8, actual=actual), new(3))
        assert state.new is not None
        assert new_size(state, state.new) == size


def test_a_new_one_that_has_not_counted_since_its_scaling_is_not_built_upon() -> None:
    """It may have been an old one a moment ago, and have deleted pods it still reports."""
    for generation, left in ((1, 6), (2, 8)):
        fresh = replica_set("new", 4, image="web:2", revision="2", available=2, generation=generation)
        state = rollout(deployment(10, surge=2, unavailable=2), replica_set("old", 8), fresh)
        assert state.new is not None
        assert {"old": 8} | {each.name: size for each, size in old_sizes(state, state.new)} == {"old": left}


def test_while_an_old_one_has_not_counted_since_its_scaling_nothing_moves() -> None:
    """It may have shrunk and grown again meanwhile: there may be more pods than it says, or fewer available ones."""
    silent = replica_set("old", 10, generation=2)
    state = rollout(deployment(10, surge=3, unavailable=2), silent, new(1))
    assert state.new is not None
    assert new_size(state, state.new) == 1
    assert old_sizes(state, state.new) == []
    third = rollout(deployment(10, image="web:3", surge=3, unavailable=2), silent)
    assert first_replicas(third) == 0


POD_COUNTS = st.integers(0, 30)


@given(st.lists(st.tuples(POD_COUNTS, POD_COUNTS), max_size=5), st.tuples(POD_COUNTS, POD_COUNTS), st.data())
def test_no_shrinking_costs_more_available_pods_than_allowed(
    old: list[tuple[int, int]], fresh: tuple[int, int], data: st.DataObject
) -> None:
    web = deployment(data.draw(POD_COUNTS), surge=data.draw(st.integers(0, 5)), unavailable=data.draw(POD_COUNTS))
    sets = [replica_set(f"old-{n}", size, available=ready) for n, (size, ready) in enumerate(old)]
    state = rollout(web, *sets, new(*fresh))
    assert state.new is not None
    after = {each.name: each.spec.replicas for each in state.every}
    available = {each.name: min(each.status.availableReplicas, each.spec.replicas) for each in state.every}
    for each, size in old_sizes(state, state.new):
        assert 0 <= size < after[each.name]
        after[each.name] = size
    left = sum(min(count, after[name]) for name, count in available.items())
    assert left >= min(sum(available.values()), state.least)
    assert new_size(state, state.new) - state.new.spec.replicas <= max(0, state.most - asked(state.every))


def test_a_first_rollout_from_creation_to_the_last_word() -> None:
    view = seen(deployment(3))
    steps = decided(view)
    created = only(steps, Create)
    name = created.body["metadata"]["name"]
    assert events(steps) == [("Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to 3")]
    assert progressing(view) == ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    (made,) = view.all(REPLICA_SETS)
    report(view, made, actual=3, available=1)
    decided(view)
    assert progressing(view) == ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
    report(view, made, actual=3, available=3)
    decided(view)
    assert progressing(view) == ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    assert decided(view) == []


def test_a_rollout_goes_hand_over_hand() -> None:
    web = deployment(10, surge=3, unavailable=2)
    view = seen(web, replica_set("old", 10, desired=10, most=13))
    steps = decided(view)
    fresh = only(steps, Create).body["metadata"]["name"]
    told = [message for _, _, message in events(steps)]
    assert told == [f"Scaled up replica set {fresh} from 0 to 3", "Scaled down replica set old from 10 to 8"]
    by_name = {each.name: each for each in view.all(REPLICA_SETS)}
    assert of(decided(view), Patch) == []  # the old pods are still there
    report(view, by_name["old"], actual=8, available=8)
    decided(view)
    assert sizes(view) == {"old": 8, fresh: 5}
    assert of(decided(view), Patch) == []
    report(view, by_name[fresh], actual=5, available=4)
    decided(view)
    assert sizes(view) == {"old": 4, fresh: 5}
    assert current(view).status.updatedReplicas == 5


def test_rolling_over_starts_the_third_template_while_the_second_is_on_its_way() -> None:
    web = deployment(10, image="web:3", surge=3, unavailable=2)
    first = replica_set("first", 8, image="web:1", revision="1", created="2026-01-01T00:00:00Z")
    second = replica_set("second", 5, image="web:2", revision="2", available=0)
    view = seen(web, first, second)
    steps = decided(view)
    body = only(steps, Create).body
    assert body["spec"]["replicas"] == 0
    assert body["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert {name: size for name, size in sizes(view).items() if name in ("first", "second")} == {
        "first": 8,
        "second": 0,
    }


def test_a_new_one_that_is_too_large_shrinks() -> None:
    view = seen(deployment(3), replica_set("new", 5, image="web:2", desired=3, most=4))
    assert events(decided(view)) == [("Normal", "ScalingReplicaSet", "Scaled down replica set new from 5 to 3")]
