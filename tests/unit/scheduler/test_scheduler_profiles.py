"""Profiles from specs: which plugins, which weights, which arguments, and what is refused with which words."""

from typing import Any

import pytest

from understudy.scheduler.framework import Arguments, Handle
from understudy.scheduler.plugins.default_preemption import DefaultPreemption
from understudy.scheduler.plugins.fit import NodeResourcesFit
from understudy.scheduler.profile import Profile
from understudy.scheduler.registry import PLUGINS, Entry, default
from understudy.scheduler.state import State
from understudy.scheduler.terms import Even

Json = dict[str, Any]


class Own:
    """A plugin of a user's own."""

    NAME = "Own"

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        self.arguments = arguments

    def post_bind(self, info: Any, node: str) -> None: ...


def made(spec: Json) -> Profile:
    state = State([], {**PLUGINS, "Own": Entry(Own, 1, default=False)})
    state.profiles.set("mine", spec)
    return state.profiles.of("mine")


def names(profile: Profile) -> set[str]:
    return {
        *(each.NAME for each in profile.filters),
        *(each.plugin.NAME for each in profile.scores),
        *(each.plugin.NAME for each in profile.wide),
    }


def weights(profile: Profile) -> dict[str, int]:
    return {plugin.NAME: weight for plugin, weight in profile.scores} | {
        plugin.NAME: weight for plugin, weight in profile.wide
    }


def test_what_is_not_said_is_as_the_defaults_have_it() -> None:
    plain, empty = default("x", State([]).handle), made({})

    assert (names(empty), weights(empty)) == (names(plain), weights(plain))
    assert empty.spread == plain.spread
    assert empty.preemption == plain.preemption == DefaultPreemption(10, 100)
    assert [each.NAME for each in empty.post_bind] == [each.NAME for each in plain.post_bind]


def test_weights_and_plugins_can_be_chosen() -> None:
    chosen = {"enabled": [{"name": "ImageLocality", "weight": 7}, {"name": "Own"}], "disabled": ["TaintToleration"]}
    found = made({"plugins": chosen})

    assert weights(found)["ImageLocality"] == 7
    assert "TaintToleration" not in names(found)
    assert "Own" in [each.NAME for each in found.post_bind]


def test_a_score_without_weight_does_not_score_and_still_filters() -> None:
    found = made({"plugins": {"enabled": [{"name": "NodeResourcesFit", "weight": 0}]}})

    assert "NodeResourcesFit" not in weights(found)
    assert "NodeResourcesFit" in [each.NAME for each in found.filters]


def test_all_can_be_disabled_but_what_is_enabled_and_what_no_profile_can_do_without() -> None:
    found = made({"plugins": {"enabled": [{"name": "NodeName"}], "disabled": ["*"]}})

    assert names(found) == {"NodeName"}
    assert (found.preemption, found.spread.constraints, found.pre_enqueue) == (None, (), ())


def test_arguments_reach_their_plugins() -> None:
    found = made(
        {
            "arguments": {
                "DefaultPreemption": {"minCandidateNodesPercentage": 50, "minCandidateNodesAbsolute": 5},
                "NodeResourcesFit": {
                    "scoringStrategy": {"type": "MostAllocated"},
                    "ignoredResources": ["example.com/x"],
                },
                "PodTopologySpread": {
                    "defaultingType": "List",
                    "defaultConstraints": [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
                },
            }
        }
    )

    fit = next(each for each in found.filters if isinstance(each, NodeResourcesFit))
    assert fit.strategy.kind == "MostAllocated"
    assert fit.ignored == {"example.com/x"}
    assert found.spread.constraints == (Even("rack", 2, hard=True),)
    assert not found.spread.system
    assert found.preemption == DefaultPreemption(50, 5)
    assert [found.preemption.wanted(nodes) for nodes in (3, 8, 1000)] == [3, 5, 500]


def ratio(*points: tuple[int, int]) -> Json:
    shape = [{"utilization": utilization, "score": score} for utilization, score in points]
    return {"scoringStrategy": {"type": "RequestedToCapacityRatio", "requestedToCapacityRatio": {"shape": shape}}}


def spread(**constraint: Any) -> Json:
    whole = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway", **constraint}
    return {"defaultingType": "List", "defaultConstraints": [whole]}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"NodeResourcesFit": {"scoringStrategy": {"type": "Best"}}}, "Invalid enum value 'Best'"),
        ({"NodeResourcesFit": {"scoring": {}}}, "unknown field `scoring`"),
        ({"NodeResourcesFit": {"scoringStrategy": {"type": "RequestedToCapacityRatio"}}}, "at least one point"),
        ({"NodeResourcesFit": ratio((50, 5), (50, 6))}, "values must be sorted in increasing order"),
        ({"NodeResourcesFit": ratio((101, 5))}, "utilization is 101, not from 0 to 100"),
        ({"NodeResourcesFit": ratio((0, 11))}, "score is 11, not from 0 to 10"),
        ({"NodeResourcesFit": {"ignoredResourceGroups": ["a/b"]}}, "can't contain '/'"),
        (
            {"NodeResourcesFit": {"scoringStrategy": {"resources": [{"name": "cpu", "weight": 101}]}}},
            "the weight of cpu is 101, not from 1 to 100",
        ),
        (
            {"NodeResourcesBalancedAllocation": {"resources": [{"name": "cpu", "weight": 2}]}},
            "the weight of cpu must be 1",
        ),
        ({"InterPodAffinity": {"hardPodAffinityWeight": 101}}, "hardPodAffinityWeight is 101, not from 0 to 100"),
        ({"PodTopologySpread": {**spread(), "defaultingType": "System"}}, 'need the defaultingType "List"'),
        ({"PodTopologySpread": spread(labelSelector={})}, "constraint must not define a selector"),
        ({"PodTopologySpread": spread(maxSkew=0)}, "maxSkew must be more than 0"),
        ({"PodTopologySpread": spread(whenUnsatisfiable="Never")}, "whenUnsatisfiable must be DoNotSchedule or"),
        ({"DefaultPreemption": {"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0}}, "at the same time"),
        ({"NodeName": {"a": 1}}, "NodeName takes no arguments, but has a"),
        ({"Nobody": {}}, "no such plugin: Nobody"),
        ({"Own": {}}, "arguments for plugins that are not enabled: Own"),
        (
            {
                "NodeAffinity": {
                    "addedAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Near"}]}]
                        }
                    }
                }
            },
            "addedAffinity",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: Json, why: str) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))) as refused:
        made({"arguments": arguments})

    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("plugins", "why"),
    [
        ({"disabled": ["DefaultBinder"]}, "DefaultBinder cannot be disabled"),
        ({"enabled": [{"name": "Nobody"}]}, "no such plugin: Nobody"),
        ({"enabled": [{"name": "NodeName"}, {"name": "NodeName"}]}, "a plugin is enabled twice"),
        ({"enable": []}, "unknown field `enable`"),
    ],
)
def test_choices_that_make_no_sense_are_refused(plugins: Json, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        made({"plugins": plugins})


def test_what_is_refused_leaves_the_last_good_one_standing() -> None:
    profiles = State(["plain"]).profiles
    profiles.set("mine", {})
    good = profiles.of("mine")

    with pytest.raises(ValueError, match="no such plugin"):
        profiles.set("mine", {"plugins": {"disabled": ["Nobody"]}})

    assert profiles.of("mine") is good
    assert [profiles.serves(name) for name in ("plain", "mine", "other")] == [True, True, False]
    assert profiles.remove("mine")
    assert not profiles.serves("mine")
