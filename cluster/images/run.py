"""One command, its output and its end: what every program that images are made with is started through.

A failure becomes an `ImageError` with the last lines of what the program printed. Ctrl-C ends the program with us.
Called by `debian`, `sources` and `engine`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from understudy.cluster.images.errors import ImageError
from understudy.cluster.toolchain.process import Failed, lines

TAIL_LINES = 12
_HERE = Path("/")


def run(
    command: Sequence[str],
    *,
    cwd: Path = _HERE,
    env: Mapping[str, str] | None = None,
    hint: str = "",
    heard: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """The lines that `command` printed, each told to `heard` as it comes. Raises ImageError, with `hint` added."""
    said: list[str] = []
    try:
        with closing(lines(command, env=os.environ if env is None else env, cwd=cwd)) as output:
            for line in output:
                if line is not None:
                    said.append(line)
                    heard(line)
    except FileNotFoundError as error:
        raise ImageError(_told(f"there is no {command[0]} on this machine", [], hint)) from error
    except Failed as failed:
        raise ImageError(_told(f"`{_short(command)}` failed ({failed})", said, hint)) from failed
    return said


def _short(command: Sequence[str]) -> str:
    return " ".join(command[:4]) + (" …" if len(command) > 4 else "")


def _told(what: str, said: Sequence[str], hint: str) -> str:
    return "\n".join([what, *(f"  {line}" for line in said[-TAIL_LINES:]), *([hint] if hint else [])])
