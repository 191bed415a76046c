"""What the conditions of a SchedulerProfile say, and the CRD against the code it must agree with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from understudy.operators.custom.profiles import decide
from understudy.operators.custom.schedulerprofile import KIND
from understudy.scheduler import arguments
from understudy.scheduler.live import SCHEDULER_PROFILES, Live
from understudy.scheduler.loop import Loop
from understudy.scheduler.profiles import Choice, Enabled
from understudy.scheduler.registry import PLUGINS

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CRD: Json = yaml.safe_load((Path(__file__).parents[4] / "crds/schedulerprofile.yaml").read_text())
SCHEMA: Json = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
SPEC: Json = SCHEMA["spec"]["properties"]
BROKEN = {"arguments": {"InterPodAffinity": {"hardPodAffinityWeight": 900}}}


def body(spec: Json, status: Json | None = None, generation: int = 2) -> Json:
    return {"metadata": {"name": "mine", "generation": generation}, "spec": spec, "status": status or {}}


def conditions(spec: Json, scheduler: Json | None = None) -> dict[str, tuple[str, str, str]]:
    status = decide(body(spec, {"scheduler": scheduler} if scheduler else None), NOW)
    assert status is not None
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in status["conditions"]}


def test_one_that_makes_sense_and_is_gone_by() -> None:
    assert conditions({}, {"generationInForce": 2, "error": ""}) == {
        "Accepted": ("True", "Valid", "it makes sense"),
        "InForce": ("True", "Applied", "pods are scheduled by generation 2"),
    }


def test_one_that_does_not_make_sense() -> None:
    why = "InterPodAffinity: hardPodAffinityWeight is 900, not from 0 to 100"
    assert conditions(BROKEN, {"generationInForce": 1, "error": why}) == {
        "Accepted": ("False", "Invalid", why),
        "InForce": ("False", "NotApplied", f"{why}; generation 1 stays in force"),
    }


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        (None, ("Unknown", "NoScheduler", "no scheduler of ours has spoken of it yet")),
        ({"generationInForce": 1}, ("Unknown", "Applying", "the scheduler goes by generation 1")),
        ({"generationInForce": 0, "error": "no"}, ("False", "NotApplied", "no; nothing is in force")),
    ],
)
def test_what_the_scheduler_has_not_done_yet(scheduler: Json | None, said: tuple[str, str, str]) -> None:
    assert conditions({}, scheduler)["InForce"] == said


def test_plugins_of_a_users_own_are_left_to_their_scheduler() -> None:
    spec = {"plugins": {"enabled": [{"name": "Carbon", "weight": 2}]}, "arguments": {"Carbon": {"unknown": 1}}}
    assert conditions(spec)["Accepted"][:2] == ("True", "Valid")
    assert "Carbon must be known" in conditions(spec)["Accepted"][2]
    assert conditions({**spec, "arguments": BROKEN["arguments"]})["Accepted"][0] == "False"


def test_nothing_is_written_that_is_there_and_times_are_those_of_changes() -> None:
    first = decide(body({}), NOW)
    assert first is not None
    assert decide(body({}, first), NOW + timedelta(hours=1)) is None

    second = decide(body({}, {**first, "scheduler": {"generationInForce": 2}}), NOW + timedelta(hours=1))
    assert second is not None
    accepted, in_force = second["conditions"]
    assert (accepted["lastTransitionTime"], in_force["lastTransitionTime"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
    )


def test_the_crd_is_the_kind_both_serve() -> None:
    spec, version = CRD["spec"], CRD["spec"]["versions"][0]["name"]
    assert (spec["group"], version, spec["names"]["plural"]) == KIND
    assert (SCHEDULER_PROFILES.api, SCHEDULER_PROFILES.plural) == (f"{spec['group']}/{version}", KIND[2])


def test_the_crd_has_every_field_that_is_read() -> None:
    plugins = SPEC["plugins"]["properties"]
    assert set(plugins) == set(Choice.__struct_fields__)
    assert set(plugins["enabled"]["items"]["properties"]) == set(Enabled.__struct_fields__)
    forms = {
        "NodeResourcesFit": arguments.FitArguments,
        "NodeResourcesBalancedAllocation": arguments.BalancedArguments,
        "InterPodAffinity": arguments.InterPodAffinityArguments,
        "PodTopologySpread": arguments.SpreadArguments,
        "NodeAffinity": arguments.NodeAffinityArguments,
        "DefaultPreemption": arguments.PreemptionArguments,
    }
    for name, form in forms.items():
        assert set(SPEC["arguments"]["properties"][name]["properties"]) == set(form.__struct_fields__), name
    assert set(SPEC["arguments"]["properties"]) <= set(PLUGINS)


def test_the_crd_has_a_place_for_all_that_is_written() -> None:
    places = SCHEMA["status"]["properties"]
    status = decide(body({}), NOW)
    assert status is not None
    assert {*status, "scheduler"} == set(places)
    for each in status["conditions"]:
        assert set(each) == set(places["conditions"]["items"]["properties"])
    unset: Any = None
    loop = Loop(unset, ["mine"], unset, unset)
    loop.tallies.of("mine").count(0.25)
    told = Live(unset, loop, list).status("mine", 3)
    assert set(told) == set(places["scheduler"]["properties"])
    assert told["latency"] == {"p50Milliseconds": 250, "p99Milliseconds": 250}
    assert set(told["latency"]) == set(places["scheduler"]["properties"]["latency"]["properties"])
