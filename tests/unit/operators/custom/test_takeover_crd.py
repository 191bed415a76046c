"""The CRD against the code it must agree with: names, conditions, what the status holds."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from understudy.operators.custom import upstream
from understudy.operators.custom.addons import ADDONS
from understudy.operators.custom.addons.addon import Verdict
from understudy.operators.custom.controlplane import KIND, names
from understudy.operators.custom.stage import decide
from understudy.takeover.leases import API
from understudy.takeover.seen import LEASE_OF, see

CRD: dict[str, Any] = yaml.safe_load((Path(__file__).parents[4] / "crds/controlplane.yaml").read_text())
SCHEMA: dict[str, Any] = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]


def test_it_is_the_kind_the_handlers_serve() -> None:
    version = CRD["spec"]["versions"][0]["name"]
    assert (CRD["spec"]["group"], version, CRD["spec"]["names"]["plural"]) == KIND
    assert f"{CRD['spec']['group']}/{version}" == API


def test_its_rule_knows_exactly_the_controllers_there_are() -> None:
    [rule] = SCHEMA["spec"]["properties"]["controllers"]["properties"]["run"]["items"]["x-kubernetes-validations"]
    named = re.findall(r"'([a-z-]+-controller)'", rule["rule"])
    assert sorted(named) == sorted((*upstream.DEFAULT, *upstream.OPTIONAL, *upstream.OWN))


def test_its_spec_has_the_components_and_those_reserved() -> None:
    assert set(SCHEMA["spec"]["properties"]) == {*LEASE_OF, *(each.name for each in ADDONS)}


def test_its_status_has_a_place_for_all_that_is_written() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    nobody = {component: see(name, None, (), now) for component, name in LEASE_OF.items()}
    addons = {each.name: Verdict("none") for each in ADDONS}
    status = decide({"metadata": {}, "spec": {}}, nobody, now, names, addons).status
    places = SCHEMA["status"]["properties"]
    assert set(status) <= set(places)
    for component in (*LEASE_OF, *addons):
        assert set(status[component]) == set(places[component]["properties"])
    for each in status["conditions"]:
        assert set(each) == set(places["conditions"]["items"]["properties"])
