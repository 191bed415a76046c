"""The example profiles make sense to the scheduler, and name the fields the CRD has."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from understudy.scheduler.state import State
from understudy.scheduler.user_plugins import load

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = [*sorted((EXAMPLES / "scheduler_profiles").glob("*.yaml")), EXAMPLES / "scheduler_plugin" / "profile.yaml"]
SPEC: Any = yaml.safe_load((EXAMPLES.parent / "crds" / "schedulerprofile.yaml").read_text())["spec"]["versions"][0][
    "schema"
]["openAPIV3Schema"]["properties"]["spec"]


def strange(value: Any, schema: Any, where: str = "spec") -> list[str]:
    """Fields the schema has no place for."""
    if isinstance(value, list):
        return [name for each in value for name in strange(each, schema["items"], where)]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields", False)
    known = schema["properties"]
    missing = [f"{where}.{name}" for name in value if name not in known and not open_ended]
    return missing + [
        name for key in value if key in known for name in strange(value[key], known[key], f"{where}.{key}")
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_an_example(file: Path) -> None:
    profile = yaml.safe_load(file.read_text())
    state = State([], load(EXAMPLES / "scheduler_plugin", ()))

    state.profiles.set(profile["metadata"]["name"], profile["spec"])

    assert (profile["apiVersion"], profile["kind"]) == ("understudy.dev/v1alpha1", "SchedulerProfile")
    assert strange(profile["spec"], SPEC) == []
