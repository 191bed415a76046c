"""Types of policies' expressions, as upstream's e2e tests of ValidatingAdmissionPolicies want them told.

Answers to "should type check validation expressions" and "should type check a CRD" in
test/e2e/apimachinery/validatingadmissionpolicy.go.
"""

from typing import Any

import pytest

from tests.api import crds
from tests.api.world import World, until
from understudy.cluster.rest import Object

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"


def warned(world: World, name: str, group: str, resource: str, *validations: dict[str, str]) -> list[Object]:
    """The warnings of a new policy."""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource]}
    spec: dict[str, Any] = {"matchConstraints": {"resourceRules": [rule]}, "validations": list(validations)}
    world.api.create(POLICIES, {"metadata": {"name": name}, "spec": spec})

    def checked() -> Object | None:
        status: Object = world.api.get(f"{POLICIES}/{name}").get("status", {})
        return status if "typeChecking" in status else None

    status = until(checked)
    assert status is not None
    assert status["observedGeneration"] == 1
    world.api.delete(f"{POLICIES}/{name}")
    found: list[Object] = status["typeChecking"].get("expressionWarnings", [])
    return found


def test_right_expressions_are_not_warned_of(world: World) -> None:
    assert warned(world, "right", "apps", "deployments", {"expression": "object.spec.replicas > 1"}) == []


def test_wrong_ones_are(world: World) -> None:
    confused = {
        "expression": "object.spec.replicas > '1'",
        "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
    }
    first, second = warned(world, "confused", "apps", "deployments", confused)
    assert first["fieldRef"] == "spec.validations[0].expression"
    assert "found no matching overload for '_>_' applied to '(int, string)'" in first["warning"]
    assert second["fieldRef"] == "spec.validations[0].messageExpression"
    assert "found no matching overload for '_+_' applied to '(string, int)'" in second["warning"]


@pytest.mark.parametrize(
    ("expression", "issue"),
    [
        ("object.metadata.name.startsWith('a') && object.kind == 'Widget'", ""),
        ("object.spec.nope == 1", "undefined field 'spec'"),
        ("object.metadata.name == 1", "found no matching overload for '_==_' applied to '(string, int)'"),
    ],
)
def test_custom_resources_have_types_too(world: World, expression: str, issue: str) -> None:
    name = f"custom-{abs(hash(expression))}"
    found = warned(world, name, crds.GROUP, "widgets", {"expression": expression})
    assert [issue in each["warning"] for each in found] == ([True] if issue else [])
