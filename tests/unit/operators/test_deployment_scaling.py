"""Resizing without rolling on: upstream's table of proportional scaling, and what is written for it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.operators.decisions import NOW, events, of, only, writes
from tests.unit.operators.deployments import (
    current,
    decided,
    deployment,
    replica_set,
    report,
    rollout,
    seen,
    sizes,
)
from understudy.kinds.apps import Deployment, ReplicaSet
from understudy.operators.deployment.annotations import DESIRED_REPLICAS, MAX_REPLICAS
from understudy.operators.deployment.scaling import is_saturated, is_scaled, shares
from understudy.plan.steps import Create, Patch
from understudy.values import timestamp


def family(had: dict[str, int], before: int, surge: int = 0, newest: str = "v3", **options: Any) -> list[ReplicaSet]:
    """ReplicaSets of a Deployment that had `before` replicas; the higher a version, the younger."""
    return [
        replica_set(
            name,
            replicas,
            image="web:2" if name == newest else f"web:{name}",
            desired=before,
            most=before + surge,
            created=timestamp.format(NOW - timedelta(hours=10 - int(name[1:]))),
            **options,
        )
        for name, replicas in had.items()
    ]


@pytest.mark.parametrize(
    ("now", "before", "had", "expected"),
    [
        (12, 10, {"v3": 10}, {"v3": 12}),
        (5, 10, {"v3": 10}, {"v3": 5}),
        (10, 5, {"v3": 2, "v1": 3}, {"v3": 4, "v1": 6}),
        (3, 5, {"v3": 2, "v1": 3}, {"v3": 1, "v1": 2}),
        (4, 9, {"v3": 8, "v1": 1}, {"v3": 4, "v1": 0}),
        (10, 7, {"v3": 2, "v2": 3, "v1": 2}, {"v3": 3, "v2": 4, "v1": 3}),
        (8, 13, {"v3": 2, "v2": 8, "v1": 3}, {"v3": 1, "v2": 5, "v1": 2}),
        (4, 3, {"v3": 1, "v2": 1, "v1": 1}, {"v3": 2, "v2": 1, "v1": 1}),
        (2, 3, {"v3": 1, "v2": 1, "v1": 1}, {"v3": 1, "v2": 1, "v1": 0}),
        (5, 4, {"v2": 2, "v1": 2}, {"v2": 3, "v1": 2}),
        (0, 6, {"v3": 3, "v2": 2, "v1": 1}, {"v3": 0, "v2": 0, "v1": 0}),
        (14, 10, {"v2": 7, "v1": 3}, {"v2": 10, "v1": 4}),
    ],
)
def test_proportions(now: int, before: int, had: dict[str, int], expected: dict[str, int]) -> None:
    view = seen(deployment(now), *family(had, before))
    decided(view)
    assert sizes(view) == expected


@pytest.mark.parametrize(
    ("now", "surge", "before", "had", "expected"),
    [
        (20, 2, (10, 2), {"v3": 6, "v1": 6}, {"v3": 11, "v1": 11}),
        (50, 6, (10, 3), {"v3": 5, "v1": 8}, {"v3": 22, "v1": 34}),
    ],
)
def test_the_surge_is_shared_too(
    now: int, surge: int, before: tuple[int, int], had: dict[str, int], expected: dict[str, int]
) -> None:
    view = seen(deployment(now, surge=surge), *family(had, *before))
    decided(view)
    assert sizes(view) == expected


def test_after_a_failed_write_the_rest_is_made_up_for() -> None:
    """3 became 5: the new ReplicaSet got its share, the next one did not, and its annotations say so."""
    done = family({"v3": 2, "v1": 1}, before=5)
    view = seen(deployment(5), *done, *family({"v2": 1}, before=3))
    decided(view)
    assert sizes(view) == {"v3": 2, "v2": 2, "v1": 1}


def test_none_grows_before_those_that_shrink_are_done() -> None:
    """v1 remembers a far larger Deployment and gives pods up; v3 gets them when they are gone."""
    shrinking, growing = family({"v1": 6}, before=24), family({"v3": 4}, before=6)
    view = seen(deployment(12), *shrinking, *growing)
    for _ in range(2):
        decided(view)
        assert sizes(view) == {"v1": 4, "v3": 4}
    report(view, shrinking[0], actual=4, available=4)
    decided(view)
    assert sizes(view) == {"v1": 4, "v3": 8}


@pytest.mark.parametrize("unsettled", [{"actual": 4}, {"generation": 2}])
def test_nor_before_pods_of_an_earlier_scaling_are_gone(unsettled: dict[str, Any]) -> None:
    view = seen(deployment(12), *family({"v1": 3}, before=9, **unsettled), *family({"v3": 6}, before=9))
    decided(view)
    assert sizes(view) == {"v1": 3, "v3": 6}


def test_nor_where_only_one_is_to_have_pods_and_another_still_has_some() -> None:
    leaving, staying = family({"v1": 0}, before=4, actual=2), family({"v3": 2}, before=4)
    view = seen(deployment(6), *leaving, *staying)
    decided(view)
    assert sizes(view) == {"v1": 0, "v3": 2}
    report(view, leaving[0], actual=0, available=0)
    decided(view)
    assert sizes(view) == {"v1": 0, "v3": 6}


def test_everyone_remembers_the_new_size_and_the_user_is_told() -> None:
    view = seen(deployment(10, surge=2), *family({"v3": 3, "v1": 3}, before=5, surge=1))
    steps = decided(view)
    scaled = [patch for patch in of(steps, Patch) if "replicas" in patch.body.get("spec", {})]
    remembered = {DESIRED_REPLICAS: "10", MAX_REPLICAS: "12"}
    assert [patch.body["metadata"]["annotations"] for patch in scaled] == [remembered, remembered]
    assert [message for _, _, message in events(steps)] == [
        "Scaled up replica set v3 from 3 to 6",
        "Scaled up replica set v1 from 3 to 6",
    ]


def test_from_zero_only_the_newest_grows() -> None:
    view = seen(deployment(6, paused=True), *family({"v3": 0, "v2": 0, "v1": 0}, before=6))
    decided(view)
    assert sizes(view) == {"v3": 6, "v2": 0, "v1": 0}


def test_without_a_new_one_the_latest_old_one_grows() -> None:
    view = seen(deployment(6, paused=True), *family({"v2": 0, "v1": 0}, before=6))
    decided(view)
    assert sizes(view) == {"v2": 6, "v1": 0}


def test_a_paused_deployment_without_replica_sets_stays_so() -> None:
    steps = decided(seen(deployment(6, paused=True)))
    assert only(steps, Patch).subresource == "status"


@pytest.mark.parametrize("available", [2, 0])
def test_old_ones_go_when_the_new_one_has_all_pods_and_they_work(available: int) -> None:
    new = replica_set("v3", 2, image="web:2", available=available, desired=2, most=3)
    old = replica_set("v1", 1, desired=2, most=3)
    web = deployment(2, surge=1, unavailable=1, paused=True)
    assert is_saturated(rollout(web, new, old)) == (available == 2)
    view = seen(web, new, old)
    decided(view)
    assert sizes(view) == {"v3": 2, "v1": 0 if available else 1}


@pytest.mark.parametrize(("desired", "saturated"), [(3, True), (2, False), (None, False)])
def test_saturation_needs_the_replica_sets_own_word(desired: int | None, saturated: bool) -> None:
    new = replica_set("v3", 3, image="web:2", desired=desired)
    assert is_saturated(rollout(deployment(3), new)) == saturated
    assert not is_saturated(rollout(deployment(3)))
    assert not is_saturated(rollout(deployment(3), replace(new, metadata=replace(new.metadata, generation=2))))


@pytest.mark.parametrize(
    ("replicas", "desired", "scaled"), [(3, 3, False), (3, 2, True), (3, None, False), (0, 2, False)]
)
def test_only_what_active_replica_sets_remember_tells_a_scaling(
    replicas: int, desired: int | None, scaled: bool
) -> None:
    assert is_scaled(rollout(deployment(3), replica_set("v1", replicas, desired=desired))) == scaled


def test_a_stale_memory_is_refreshed_even_if_the_size_is_right() -> None:
    """Else it would pass for a scaling for ever, and no new template would be rolled out."""
    view = seen(deployment(5), replica_set("v1", 5, desired=3, most=4))
    first = decided(view)
    assert not of(first, Create)
    assert events(first) == []
    assert of(decided(view), Create)


def test_recreate_stops_old_pods_when_scaled_with_several_replica_sets() -> None:
    """It has no proportions to keep; waiting for them to be kept would be for ever."""
    new, old = family({"v3": 2, "v1": 3}, before=5)
    view = seen(deployment(9, strategy="Recreate"), new, old)
    decided(view)
    assert sizes(view) == {"v3": 2, "v1": 0}


def test_without_the_annotation_the_present_size_is_the_measure() -> None:
    had = [replica_set("v3", 4, image="web:2", desired=8), replica_set("v1", 4, desired=8)]
    told = {each.name: size for each, size in shares(rollout(deployment(16, status={"replicas": 8}), *had))}
    assert told == {"v3": 8, "v1": 8}
    unknown = {each.name: size for each, size in shares(rollout(deployment(16), *had))}
    assert sorted(unknown.values()) == [4, 12]


def _web(replicas: int, surge: int) -> Deployment:
    return deployment(replicas, surge=surge, unavailable=1)


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=5),
    st.integers(0, 60),
    st.integers(0, 10),
    st.one_of(st.none(), st.integers(0, 60)),
)
def test_shares_add_up_and_shrinking_comes_first(had: list[int], now: int, surge: int, before: int | None) -> None:
    sets = [replica_set(f"v{index}", size, image="x", most=before) for index, size in enumerate(had)]
    found = shares(rollout(_web(now, surge), *sets))
    allowed = now + surge if now else 0
    growth = [size - each.spec.replicas for each, size in found]
    assert growth == sorted(growth)
    assert all(size >= 0 for _, size in found)
    total = sum(size for _, size in found)
    assert total == allowed or (total > allowed and any(size == 0 for _, size in found))


def test_nothing_is_written_when_all_is_as_it_should_be() -> None:
    view = seen(deployment(3, paused=True), *family({"v3": 3}, before=3))
    decided(view)
    assert writes(decided(view)) == []
    assert current(view).status.availableReplicas == 3
