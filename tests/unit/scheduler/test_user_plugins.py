"""Plugins of users' own: found in a directory and by entry points, and what cannot be loaded is told."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from understudy.api.config import ConfigError
from understudy.scheduler.registry import PLUGINS
from understudy.scheduler.state import State
from understudy.scheduler.user_plugins import GROUP, load

CLASS = """
class Near:
    NAME = "Near"
    WEIGHT = 7
    def __init__(self, arguments, handle):
        if arguments.get("far"):
            raise ValueError("far is not near")
    def score(self, shape, node):
        return 1
PLUGINS = [Near]
"""
MODULE = """
NAME = "Gate"
def pre_enqueue(pod):
    return "shut"
"""


def folder(at: Path, **files: str) -> Path:
    for name, text in files.items():
        (at / f"{name}.py").write_text(text)
    return at


def test_a_directory_of_modules(tmp_path: Path) -> None:
    found = load(folder(tmp_path, near=CLASS, gate=MODULE, test_near="import nothing", _helper="1/0"), ())

    assert [name for name in found if name not in PLUGINS] == ["Gate", "Near"]
    assert (found["Near"].weight, found["Near"].default) == (7, False)


def test_they_decide_where_a_profile_says_so(tmp_path: Path) -> None:
    profiles = State(["plain"], load(folder(tmp_path, near=CLASS, gate=MODULE), ())).profiles
    profiles.set("mine", {"plugins": {"enabled": [{"name": "Near"}, {"name": "Gate"}]}})

    assert [weight for plugin, weight in profiles.of("mine").scores if plugin.NAME == "Near"] == [7]
    assert "Gate" in [each.NAME for each in profiles.of("mine").pre_enqueue]
    assert "Near" not in [plugin.NAME for plugin, _ in profiles.of("plain").scores]
    with pytest.raises(ValueError, match="Near: far is not near"):
        profiles.set("mine", {"plugins": {"enabled": [{"name": "Near"}]}, "arguments": {"Near": {"far": True}}})
    with pytest.raises(ValueError, match="Gate takes no arguments, but has a"):
        profiles.set("mine", {"plugins": {"enabled": [{"name": "Gate"}]}, "arguments": {"Gate": {"a": 1}}})


def test_entry_points() -> None:
    point = EntryPoint("green", "examples.scheduler_plugin.carbon:Carbon", GROUP)

    assert load(None, [point])["Carbon"].weight == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_there", "broken.py: ModuleNotFoundError: No module named 'nothing_there'"),
        ("def (", "broken.py: SyntaxError"),
        ("x = 1", "broken.py: it has neither PLUGINS, a list of plugins, nor NAME"),
        ("PLUGINS = [3]", "broken.py: a plugin needs a NAME, which 3 does not have"),
        ('NAME = "NodeName"', "broken.py: there is a plugin NodeName already"),
    ],
)
def test_what_cannot_be_loaded_ends_the_start(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(folder(tmp_path, broken=text), ())

    assert why in str(refused.value)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such directory"):
        load(tmp_path / "nowhere", ())


def test_an_entry_point_that_leads_nowhere() -> None:
    with pytest.raises(ConfigError, match="entry point green = nothing:Here: ModuleNotFoundError"):
        load(None, [EntryPoint("green", "nothing:Here", GROUP)])
