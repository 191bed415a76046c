"""Free ports on the loopback address for etcd and kube-apiserver, and who sits on a port that is not free.

Called by `understudy.cluster.embedded`. A component's preferred port is a hash of the cluster's and its own
name, so that a cluster that was taken down and removed comes up again on the ports it had. The range lies
below the kernel's ephemeral one: an outgoing connection cannot take a port between our check and the
component's start.
"""

import errno
import socket
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from understudy.cluster.errors import ClusterError

FIRST, COUNT = 20000, 12000
_LISTEN = "0A"


class Reservation:
    """Ports listened on so that nobody else can have them; `release` right before their owners start."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def exactly(self, port: int) -> int:
        """Hold `port`.

        Raises `ClusterError` naming the port, and the process on it where that can be known.
        """
        try:
            return self._hold(port)
        except OSError as error:
            raise ClusterError(_taken(port, error)) from None

    def near(self, wanted: int) -> int:
        """Hold the first free port at or after `wanted`, round the range.

        Raises `ClusterError` if there is none.
        """
        for port in _round(wanted):
            try:
                return self._hold(port)
            except OSError:
                continue
        raise ClusterError(f"no free port between {FIRST} and {FIRST + COUNT - 1} on 127.0.0.1")

    def release(self) -> None:
        """Let all ports go."""
        self._held.close()

    def _hold(self, port: int) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # As Go's listeners do; without it a port whose last connections are in TIME_WAIT would look
            # taken.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            # Bound alone is not held: two sockets with SO_REUSEADDR may share a port until one of them
            # listens.
            sock.listen(1)
        except OSError:
            sock.close()
            raise
        self._held.enter_context(sock)
        return port


def preferred(cluster: str, component: str) -> int:
    """Return the port that `component` of `cluster` asks for first; the same on every machine."""
    return FIRST + zlib.crc32(f"{cluster}/{component}".encode()) % COUNT


def owner(port: int, proc: Path = Path("/proc")) -> str | None:
    """Return "name (pid N)" of the process that listens on `port`, or None if it is another user's or
    nobody's.
    """
    inodes = {f"socket:[{inode}]" for inode in _listeners(port, proc)}
    for pid in (path for path in proc.iterdir() if path.name.isdigit()):
        try:
            if any(str(fd.readlink()) in inodes for fd in (pid / "fd").iterdir()):
                return f"{(pid / 'comm').read_text().strip()} (pid {pid.name})"
        except OSError:
            continue
    return None


def _round(wanted: int) -> Iterator[int]:
    yield wanted
    for step in range(1, COUNT):
        yield FIRST + (wanted - FIRST + step) % COUNT


def _taken(port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"port {port} needs root: choose one from 1024 up"
    if error.errno != errno.EADDRINUSE:
        return f"port {port} cannot be used: {error.strerror}"
    who = owner(port)
    return f"port {port} is taken" + (f" by {who}" if who else " by another process") + ": choose another with --port"


def _listeners(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        path = proc / "net" / table
        for row in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
