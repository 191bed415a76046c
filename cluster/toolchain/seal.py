"""The SHA-256 beside a cached binary: written when it is finished, checked before it is used.

The file is what `sha256sum -c` reads, plus a comment line with size and time. As long as those two are unchanged,
the check costs one `stat`; otherwise, or when asked, the whole file is read. Called by `build` (write) and `find`.
"""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

_STAT = re.compile(r"^# size=(\d+) mtime_ns=(\d+)$", re.MULTILINE)
_SUM = re.compile(r"^([0-9a-f]{64}) [ *]", re.MULTILINE)


def seal_path(binary: Path) -> Path:
    """`kubectl` -> `kubectl.sha256`."""
    return binary.with_name(f"{binary.name}.sha256")


def write_seal(binary: Path, digest: str | None = None) -> None:
    """Seal `binary` as it is now. Durable: the seal is fsynced and renamed into place."""
    stat = binary.stat()
    text = f"# size={stat.st_size} mtime_ns={stat.st_mtime_ns}\n{digest or sha256_of(binary)}  {binary.name}\n"
    draft = binary.with_name(f".{binary.name}.sha256.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(seal_path(binary))


def is_intact(binary: Path, *, thorough: bool = False) -> bool:
    """Whether `binary` is what was sealed. `thorough` reads it whole even if size and time are unchanged."""
    try:
        seal = seal_path(binary).read_text()
        stat = binary.stat()
    except OSError:
        return False
    recorded, digest = _STAT.search(seal), _SUM.search(seal)
    if recorded is None or digest is None or int(recorded[1]) != stat.st_size:
        return False
    if not thorough and int(recorded[2]) == stat.st_mtime_ns:
        return True
    intact = sha256_of(binary) == digest[1]
    if intact:
        with suppress(OSError):  # a read-only cache only means that the next check is as slow as this one
            write_seal(binary, digest[1])
    return intact


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
