"""Writing a file whole or not at all, readable by its owner only: keys, kubeconfigs and the cluster's own
records.

Called by everything in cluster/ that keeps state on disk. A reader, or a command that was killed half-way,
meets either the old file or the new one.
"""

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by `content` with mode 0600, through a temporary file beside it; missing folders are
    made with 0700.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
