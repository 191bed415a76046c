"""Scheduler plugins of a user's own: a ConfigMap is mounted where the scheduler looks, with the rights it is given."""

from typing import Any

import pytest

from tests.chart.rendering import find, refusal, render
from understudy.components import SETTINGS

RULES = [{"apiGroups": ["example.com"], "resources": ["licences"], "verbs": ["get", "list", "watch"]}]


def pod(values: dict[str, Any] | None = None, name: str = "scheduler") -> dict[str, Any]:
    found: dict[str, Any] = find(render(values), "Deployment", f"understudy-{name}")["spec"]["template"]["spec"]
    return found


def role(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = find(render(values), "ClusterRole", "understudy-scheduler")["rules"]
    return found


def test_nothing_is_mounted_unless_asked_for() -> None:
    assert "volumes" not in pod()
    assert not [each for each in pod()["containers"][0]["args"] if "plugin" in each]


def test_a_config_map_is_mounted_where_the_scheduler_looks() -> None:
    values = {"scheduler": {"pluginConfigMap": "carbon"}}
    scheduler = pod(values)
    (container,) = scheduler["containers"]
    assert scheduler["volumes"] == [{"name": "plugins", "configMap": {"name": "carbon"}}]
    (mount,) = container["volumeMounts"]
    (setting,) = [each for each in SETTINGS if each.name == "plugin-dir"]
    assert f"{setting.option}={mount['mountPath']}" in container["args"]
    assert (setting.of, mount["readOnly"]) == (("scheduler",), True)
    assert pod(values, "controllers") == pod(None, "controllers")


def test_plugins_get_the_rights_they_need_and_no_other_component_does() -> None:
    values = {"scheduler": {"pluginRules": RULES}}
    assert role(values) == [*role(), *RULES]
    controllers = [find(render(each), "ClusterRole", "understudy-controllers") for each in (values, None)]
    assert controllers[0] == controllers[1]


@pytest.mark.parametrize("scheduler", [{"pluginConfigMap": "Bad_Name"}, {"pluginRules": [{"resources": ["x"]}]}])
def test_nonsense_is_refused(scheduler: dict[str, Any]) -> None:
    assert f"at '/scheduler/{next(iter(scheduler))}" in refusal({"scheduler": scheduler})
