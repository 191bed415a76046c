"""Plugins that users bring: by the entry point group `understudy.scheduler_plugins`, or as modules in a directory.

Of a directory tests (`test_*.py`) and `_*.py` are left alone.

Read once, when the scheduler starts (`component`); a SchedulerProfile says who gets them. A plugin that cannot be
loaded ends the start with exit code 2: pods must not be placed as if it did not exist. docs/scheduler-plugins.md.
"""

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from understudy.api.config import ConfigError
from understudy.scheduler.registry import PLUGINS, Entry, ready

GROUP = "understudy.scheduler_plugins"
_PREFIX = "understudy_scheduler_plugins"


def load(directory: Path | None = None, points: Iterable[EntryPoint] | None = None) -> Mapping[str, Entry]:
    """All plugins there are, ours first. Raises ConfigError for what cannot be loaded, and for names that clash."""
    found = dict(PLUGINS)
    for where, plugin in _brought(directory, entry_points(group=GROUP) if points is None else points):
        name, entry = _entry(where, plugin)
        if name in found:
            raise ConfigError(f"{where}: there is a plugin {name} already")
        found[name] = entry
    return found


def _brought(directory: Path | None, points: Iterable[EntryPoint]) -> Iterator[tuple[str, Any]]:
    """Plugins, and where each is from."""
    for point in points:
        where = f"entry point {point.name} = {point.value}"
        try:
            yield where, point.load()
        except Exception as error:
            raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    if directory is None:
        return
    if not directory.is_dir():
        raise ConfigError(f"--plugin-dir {directory}: there is no such directory")
    for path in sorted(directory.glob("*.py")):
        if path.name.startswith(("test_", "_")):
            continue
        for plugin in _listed(path, _module(path)):
            yield str(path), plugin


def _module(path: Path) -> ModuleType:
    name = f"{_PREFIX}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _listed(path: Path, module: ModuleType) -> Iterable[Any]:
    """What its `PLUGINS` lists; without such a list, the module is a plugin itself."""
    if hasattr(module, "PLUGINS"):
        return tuple(module.PLUGINS)
    if hasattr(module, "NAME"):
        return (module,)
    raise ConfigError(f"{path}: it has neither PLUGINS, a list of plugins, nor NAME, the name of the plugin it is")


def _entry(where: str, plugin: Any) -> tuple[str, Entry]:
    """A class is made with arguments and a handle, anything else is a plugin already. `WEIGHT`: of its score."""
    name = getattr(plugin, "NAME", None)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where}: a plugin needs a NAME, which {plugin!r} does not have")
    weight = int(getattr(plugin, "WEIGHT", 1))
    return name, Entry(plugin if isinstance(plugin, type) else ready(plugin), weight, default=False)
