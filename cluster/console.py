"""Where commands print tables: as wide as the terminal, and unbroken when a file or another program reads them.

Called by `understudy status`, `understudy toolchain` and `understudy controllers`.
"""

from rich.console import Console

PIPE_COLUMNS = 400
"""Wide enough that no path and no identity is broken."""


def for_output() -> Console:
    """The console for stdout."""
    return Console(highlight=False) if Console().is_terminal else Console(highlight=False, width=PIPE_COLUMNS)
