"""The CNI configuration on the disk: replaced whole, and only when it differs. Used by `keeper`."""

from contextlib import suppress
from pathlib import Path

from understudy.proxy.network.host import HostError

_READ_BY_RUNTIME = {".conf", ".conflist", ".json"}


def write(path: Path, text: str) -> bool:
    """Let `path` hold `text`, readable by all; whether it had to be written. Raises HostError.

    The runtime reads the folder at every change: the file appears under a name it does not know, then in one step
    under its own.
    """
    if read(path) == text:
        return False
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_text(text)
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise HostError(f"the CNI configuration {path} cannot be written: {error.strerror}") from error
    return True


def remove(path: Path) -> bool:
    """Whether it was there. Raises HostError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise HostError(f"the CNI configuration {path} cannot be removed: {error.strerror}") from error
    return True


def read(path: Path) -> str | None:
    """Its text; None if there is none that can be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def before(path: Path) -> list[str]:
    """The names of other configurations the runtime prefers to `path`: it takes the first by name."""
    try:
        names = [each.name for each in path.parent.iterdir() if each.suffix in _READ_BY_RUNTIME]
    except OSError:
        return []
    return sorted(name for name in names if name < path.name and not name.startswith("."))
