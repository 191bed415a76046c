"""Which devices claims get: every way to share them out is found, and none that breaks a rule."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.builders import Json
from tests.unit.scheduler.devices import DRIVER, asked, claim, device, device_class, slice_of
from understudy.scheduler.devices.kinds import DeviceClass, ResourceClaim, ResourceSlice
from understudy.scheduler.devices.pools import DeviceId, pools, shelf
from understudy.scheduler.devices.results import allocation
from understudy.scheduler.devices.search import Picked, Unallocatable, search

MODEL = f"{DRIVER}/model"


def classes(*every: DeviceClass) -> dict[str, DeviceClass]:
    return {each.name: each for each in (device_class(), *every)}


def found(
    claims: Sequence[ResourceClaim], *slices: ResourceSlice, taken: Sequence[str] = (), known: Any = None
) -> list[list[Picked]] | None:
    held = {DeviceId(DRIVER, "n0", name) for name in taken}
    return search(claims, pools(map(shelf, slices)), held, (known or classes()).get)


def names(picked: list[list[Picked]] | None) -> list[list[str]] | None:
    return None if picked is None else [[each.offer.id.device for each in one] for one in picked]


GPUS = slice_of(device("a", model="x"), device("b", model="y"), device("c", model="y"), node="n0")


def test_the_first_devices_that_are_free() -> None:
    assert names(found([claim()], GPUS)) == [["a"]]
    assert names(found([claim("gpu", asked(2))], GPUS, taken=["a"])) == [["b", "c"]]
    assert names(found([claim("one"), claim("two")], GPUS)) == [["a"], ["b"]]
    assert found([claim("gpu", asked(3))], GPUS, taken=["b"]) is None


def test_a_constraint_makes_it_look_further() -> None:
    same = [{"matchAttribute": MODEL}]
    assert names(found([claim("gpu", asked(2), constraints=same)], GPUS)) == [["b", "c"]]
    assert names(found([claim("gpu", asked(), asked(), constraints=same)], GPUS)) == [["b", "c"]]
    only_first = [{"matchAttribute": MODEL, "requests": ["r0"]}]
    assert names(found([claim("gpu", asked(), asked(), constraints=only_first)], GPUS)) == [["a", "b"]]
    unknown = [{"matchAttribute": f"{DRIVER}/colour"}]
    assert found([claim("gpu", asked(2), constraints=unknown)], GPUS) is None


def test_all_devices() -> None:
    assert names(found([claim("gpu", asked(mode="All"))], GPUS)) == [["a", "b", "c"]]
    assert found([claim("gpu", asked(mode="All"))], GPUS, taken=["c"]) is None
    assert found([claim("gpu", asked(mode="All"))], slice_of(node="n0")) is None
    with pytest.raises(Unallocatable, match=r"cannot add device gpu.example.com/n0/b because a claim constraint"):
        found([claim("gpu", asked(mode="All"), constraints=[{"matchAttribute": MODEL}])], GPUS)
    half = slice_of(device("a"), node="n0", of={"resourceSliceCount": 2})
    with pytest.raises(Unallocatable, match=r"resource pool gpu.example.com/n0 is currently being updated"):
        found([claim("gpu", asked(mode="All"))], half)
    assert names(found([claim()], half)) == [["a"]], "some may be had of what is there"


def test_the_first_alternative_that_can_be_had() -> None:
    either = [asked(3), asked(1)]
    assert names(found([claim("gpu", either)], GPUS)) == [["a", "b", "c"]]
    assert names(found([claim("gpu", either)], GPUS, taken=["a"])) == [["b"]]
    picked = found([claim("gpu", either)], GPUS, taken=["a"])
    assert picked is not None
    assert picked[0][0].want.name == "r0/a1"
    assert found([claim("gpu", either, asked())], GPUS, taken=["a", "b"]) is None


def test_who_has_admin_access_takes_nothing_from_others() -> None:
    admin = asked(mode="All", adminAccess=True)
    assert names(found([claim("work"), claim("watch", admin)], GPUS, taken=["b"])) == [["a"], ["a", "b", "c"]]


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(Unallocatable, match="claim default/gpu, request r0: could not retrieve device class none"):
        found([claim("gpu", asked(cls="none"))], GPUS)
    with pytest.raises(Unallocatable, match="constraint #0: empty constraint"):
        found([claim("gpu", constraints=[{}])], GPUS)
    twice = slice_of(device("a"), device("a"), node="n0")
    with pytest.raises(Unallocatable, match=r"pool gpu.example.com/n0 is invalid: duplicate device name a"):
        found([claim()], twice)


def test_devices_that_need_more_are_left_alone() -> None:
    counted = device("a", more={"consumesCounters": [{"counterSet": "s", "counters": {}}]})
    conditional = device("b", more={"bindingConditions": ["ready"]})
    assert names(found([claim()], slice_of(counted, conditional, device("c"), node="n0"))) == [["c"]]


def test_only_the_newest_generation_counts() -> None:
    old = slice_of(device("a"), node="n0", name="old")
    new = slice_of(device("b"), node="n0", name="new", of={"generation": 2})
    assert names(found([claim()], old, new)) == [["b"]]
    assert names(found([claim()], new, old)) == [["b"]]


def test_a_hopeless_search_is_short() -> None:
    many = slice_of(*(device(f"d{i}", model="x") for i in range(100)), node="n0")
    hopeless = claim(
        "gpu", asked(20), asked(12), [asked(1, mode="All"), asked(50)], constraints=[{"matchAttribute": MODEL}]
    )
    assert found([hopeless], many) is None
    mixed = slice_of(*(device(f"d{i}", n=i) for i in range(60)), node="n0")
    with pytest.raises(Unallocatable, match="timed out trying to allocate devices"):
        found([claim("gpu", asked(20), asked(41))], mixed)


def test_what_is_written() -> None:
    config = {"opaque": {"driver": DRIVER, "parameters": {"a": 1}}}
    known = classes(device_class("big", config=config))
    wanted = claim(
        "gpu",
        asked(1, cls="big"),
        [asked(9), asked(1)],
        config=[
            {"requests": ["r0"], **config},
            {"requests": ["r1/a0"], **config},
            {"requests": ["r1/a1"], **config},
            config,
        ],
    )
    picked = found([wanted], GPUS, known=known)
    assert picked is not None
    here = {"key": "metadata.name", "operator": "In", "values": ["n0"]}
    pool = {"driver": DRIVER, "pool": "n0"}
    assert allocation(wanted, picked[0]) == {
        "devices": {
            "results": [{"request": "r0", "device": "a", **pool}, {"request": "r1/a1", "device": "b", **pool}],
            "config": [
                {"source": "FromClass", "requests": ["r0"], **config},
                {"source": "FromClaim", "requests": ["r0"], **config},
                {"source": "FromClaim", "requests": ["r1/a1"], **config},
                {"source": "FromClaim", **config},
            ],
        },
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [here]}]},
    }


def test_where_shared_devices_can_be_used() -> None:
    zone = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
    picked = found([claim("gpu", asked(2))], slice_of(device("a"), device("b"), nodeSelector=zone))
    assert picked is not None
    assert msgspec.json.decode(msgspec.json.encode(allocation(claim(), picked[0])))["nodeSelector"] == zone
    picked = found([claim()], slice_of(device("a"), allNodes=True))
    assert picked is not None
    assert "nodeSelector" not in allocation(claim(), picked[0])


# Against a search that tries everything

Device = tuple[str, int, str]
"""Its name, and two attributes."""


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Device], list[str], list[ResourceClaim]]:
    few = st.tuples(st.integers(0, 1), st.sampled_from("xy"))
    every = [(f"d{i}", *each) for i, each in enumerate(draw(st.lists(few, min_size=1, max_size=5)))]
    taken = [name for name, _, _ in every if draw(st.integers(0, 4)) == 0]
    claims = []
    for number in range(draw(st.integers(1, 2))):
        requests: list[Any] = []
        for _ in range(draw(st.integers(1, 2))):
            alternatives = [asked(draw(st.integers(1, 3))) for _ in range(draw(st.integers(1, 2)))]
            requests.append(alternatives if len(alternatives) > 1 else alternatives[0])
        constraint: list[Json] = []
        if draw(st.booleans()):
            constraint = [{"matchAttribute": f"{DRIVER}/{draw(st.sampled_from(['n', 'model']))}"}]
            if draw(st.booleans()):
                constraint[0]["requests"] = ["r0"]
        claims.append(claim(f"c{number}", *requests, constraints=constraint))
    return every, taken, claims


def solutions(claims: Sequence[ResourceClaim], free: list[Device]) -> Iterator[bool]:
    """One for every way to satisfy all claims."""
    wants = [(at, request) for at, each in enumerate(claims) for request in each.spec.devices.requests]

    def share(number: int, left: list[Device], had: list[tuple[int, str, Device]]) -> Iterator[bool]:
        if number == len(wants):
            if all(
                agrees(each, [(name, one) for at, name, one in had if at == place]) for place, each in enumerate(claims)
            ):
                yield True
            return
        at, request = wants[number]
        for each in (request.exactly,) if request.exactly is not None else request.firstAvailable:
            for group in combinations(left, each.count):
                rest = [one for one in left if one not in group]
                yield from share(number + 1, rest, [*had, *((at, request.name, one) for one in group)])

    return share(0, free, [])


def agrees(of: ResourceClaim, had: list[tuple[str, Device]]) -> bool:
    for each in of.spec.devices.constraints:
        place = 1 if (each.matchAttribute or "").endswith("/n") else 2
        if len({one[place] for name, one in had if not each.requests or name in each.requests}) > 1:
            return False
    return True


@settings(max_examples=150, deadline=None)
@given(problems())
def test_it_finds_a_way_if_there_is_one(problem: tuple[list[Device], list[str], list[ResourceClaim]]) -> None:
    every, taken, claims = problem
    offered = slice_of(*(device(name, n=n, model=model) for name, n, model in every), node="n0")
    picked = found(claims, offered, taken=taken)
    free = [each for each in every if each[0] not in taken]
    assert (picked is not None) == any(solutions(claims, free))
    if picked is None:
        return
    used = [each.offer.id.device for one in picked for each in one]
    assert len(set(used)) == len(used)
    assert set(used).isdisjoint(taken)
    by_name = {each[0]: each for each in every}
    for of, one in zip(claims, picked, strict=True):
        assert agrees(of, [(each.want.base, by_name[each.offer.id.device]) for each in one])
        for request in of.spec.devices.requests:
            (name,) = {each.want.name for each in one if each.want.base == request.name}
            alternatives = (request.exactly,) if request.exactly is not None else request.firstAvailable
            wanted = next(each for each in alternatives if name in (request.name, f"{request.name}/{each.name}"))
            assert sum(each.want.base == request.name for each in one) == wanted.count
