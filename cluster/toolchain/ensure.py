"""The front door: give names, get paths. Whatever needs a real apiserver or etcd asks here.

A warm call only looks at files; the building half, with rich and Go, is imported when something is missing.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.cluster.toolchain.errors import ToolchainError
from understudy.cluster.toolchain.find import Found, Search, search
from understudy.cluster.toolchain.pins import TOOLS, Tool
from understudy.cluster.toolchain.places import Places

if TYPE_CHECKING:
    from rich.console import Console


def ensure(names: Sequence[str], *, console: "Console | None" = None, places: Places | None = None) -> dict[str, Path]:
    """The paths of the tools `names`, building those that cannot be found; progress goes to `console` (stderr).

    Blocks for minutes on the first call. Raises ToolchainError with a text for the user. From another thread than
    the main one Ctrl-C stops the build, but SIGTERM only after the tool at hand is done.
    """
    places = places or Places.of_user()
    searches = {tool: search(tool, places) for tool in _known(names)}
    if any(outcome.found is None or outcome.notes for outcome in searches.values()):
        searches |= _build_missing(searches, console, places)
    return {tool.name: outcome.found.path for tool, outcome in searches.items() if outcome.found}


def locate(name: str, *, places: Places | None = None) -> Found | None:
    """Where `name` would be taken from now, or None if it would have to be built. Raises ToolchainError."""
    (tool,) = _known([name])
    return search(tool, places or Places.of_user()).found


def _known(names: Iterable[str]) -> list[Tool]:
    unknown = [name for name in names if name not in TOOLS]
    if unknown:
        raise ToolchainError(f"Unknown tool: {', '.join(unknown)}. There are: {', '.join(TOOLS)}.")
    return [TOOLS[name] for name in dict.fromkeys(names)]


def _build_missing(searches: dict[Tool, Search], console: "Console | None", places: Places) -> dict[Tool, Search]:
    from rich.console import Console

    from understudy.cluster.toolchain.build import Work, build
    from understudy.cluster.toolchain.progress import display_for

    missing = [tool for tool, outcome in searches.items() if outcome.found is None]
    with display_for(console or Console(stderr=True)) as display:
        for note in dict.fromkeys(note for outcome in searches.values() for note in outcome.notes):
            display.say(note)
        if missing:
            build(missing, Work(places, display))
    return {tool: search(tool, places) for tool in missing}
