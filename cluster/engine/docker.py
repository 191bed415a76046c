"""The `docker` command as functions: what is asked of an engine, in one place.

Called by everything in cluster/ that has to do with images and containers. Whatever goes wrong becomes a
`ClusterError` that says which command failed and what it printed.
"""

import shutil
import subprocess
from collections.abc import Sequence
from typing import IO

from understudy.cluster.errors import ClusterError

_ASK_SECONDS = 15.0
_TAIL = 12

NO_ENGINE = (
    "No container engine answers. Start Docker, or where none is installed: `make engine` "
    "(`understudy engine start --install`) installs Debian's and starts it."
)


def server_version() -> str | None:
    """The version of the engine that answers, None if there is none."""
    if shutil.which("docker") is None:
        return None
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def require() -> None:
    """Raise ClusterError if no engine answers."""
    if server_version() is None:
        raise ClusterError(NO_ENGINE)


def run(*arguments: str, stdin: IO[bytes] | None = None, text: str | None = None, timeout: float = 600.0) -> str:
    """What `docker ARGUMENTS` prints. `stdin` is a file to read from, `text` is given to it.

    Raises ClusterError with the end of its output.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdin=stdin if text is None else None,
            input=text.encode() if text is not None else None,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise ClusterError(NO_ENGINE) from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`docker {_short(arguments)}` did not end within {timeout:g} s") from None
    if done.returncode != 0:
        raise ClusterError(f"`docker {_short(arguments)}` failed:\n{_tail(done.stderr or done.stdout)}")
    return done.stdout.decode(errors="replace")


def succeeds(*arguments: str, timeout: float = 60.0) -> bool:
    """Whether `docker ARGUMENTS` ends well; what it prints does not matter."""
    try:
        run(*arguments, timeout=timeout)
    except ClusterError:
        return False
    return True


def has_image(tag: str) -> bool:
    """Whether the engine holds an image under `tag`."""
    return succeeds("image", "inspect", tag)


def image_id(tag: str) -> str:
    """The id of an image: the hash of its content. Raises ClusterError if there is none."""
    return run("image", "inspect", "--format", "{{.Id}}", tag).strip()


def _short(arguments: Sequence[str]) -> str:
    text = " ".join(arguments)
    return text if len(text) <= 120 else text[:117] + "..."


def _tail(output: bytes) -> str:
    return "\n".join(f"  {line}" for line in output.decode(errors="replace").splitlines()[-_TAIL:])
