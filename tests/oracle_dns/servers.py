"""The two servers on one API server, and the one both forward to; each answers on the loopback.

Called by `__main__` and by the bench. CoreDNS runs with the Corefile of kubeadm, but for the plugins that serve its own
health and for its cache of others' answers.
"""

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.oracle_dns.drawn import OUTSIDE
from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.wires import over_udp, record, reply_to, soa
from understudy.cluster.errors import ClusterError
from understudy.cluster.process import wait_until

HOST = "127.0.0.1"
SYNC_SECONDS = 60.0
TAIL = 12
NXDOMAIN, A = 3, 1


def corefile(kubeconfig: Path, upstream: int, *, pods: str = "insecure", more: str = "") -> str:
    """The configuration; `upstream` is the port of the server to forward to, `more` are further plugins."""
    return f""".:0 {{
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods {pods}
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    forward . {HOST}:{upstream}
    loadbalance{more}
}}
"""


def _port() -> int:
    """Free over UDP and TCP, and none that the kernel gives to clients meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket() as two, suppress(OSError):
            one.bind((HOST, port))
            two.bind((HOST, port))
            return port


class Served(NamedTuple):
    """A server that runs: where it answers, which process it is."""

    port: int
    pid: int


@contextmanager
def coredns(binary: Path, folder: Path, content: str, *, before: Sequence[str] = ()) -> Iterator[Served]:
    """CoreDNS. It ends with the block. `before`: a command that starts it, such as taskset."""
    port = _port()
    (folder / "Corefile").write_text(content.replace(".:0", f".:{port}"))
    with _process([*before, str(binary), "-conf", str(folder / "Corefile")], folder / "coredns.log") as pid:
        yield Served(port, pid)


@contextmanager
def ours(kubeconfig: Path, folder: Path, upstream: int, *more: str, before: Sequence[str] = ()) -> Iterator[Served]:
    """Our server with its own settings."""
    port = _port()
    argv = [*before, sys.executable, "-m", "understudy", "run", "dns", "--kubeconfig", str(kubeconfig)]
    argv += ["--dns-address", f"{HOST}:{port}", "--dns-forward", f"{HOST}:{upstream}", "--dns-lame-duck", "0", *more]
    with _process(argv, folder / "ours.log") as pid:
        yield Served(port, pid)


@contextmanager
def _process(argv: list[str], log: Path) -> Iterator[int]:
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            if not wait_until(lambda: process.poll() is not None, 15.0):
                process.kill()


async def synced(port: int, name: str, log: Path) -> None:
    """Return when the server has an address for `name`. Raises ClusterError with the end of its log."""
    try:
        async with asyncio.timeout(SYNC_SECONDS):
            while not await _knows(port, name):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise ClusterError(f"the server of {log.name} does not know {name}; it said:\n{_tail(log)}") from None


def _tail(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-TAIL:])


async def _knows(port: int, name: str) -> bool:
    try:
        return bool(decode(await over_udp(port, ask(name))).answer)
    except (OSError, TimeoutError):
        return False


def elsewhere(data: bytes, tcp: bool) -> bytes | None:
    """What the other name server says: host-N of its zone has an address, all else is not there."""
    del tcp
    end = data.index(b"\0", 12)
    name = data[12:end].lower()
    zone = b"".join(bytes((len(each),)) + each.encode() for each in OUTSIDE.split("."))
    if not name[1:].startswith(b"host-") or name[1 + name[0] :] != zone:
        return reply_to(data, rcode=NXDOMAIN, authority=(soa(300, 60),))
    if int.from_bytes(data[end + 1 : end + 3], "big") != A:
        return reply_to(data, authority=(soa(300, 60),))
    return reply_to(data, record(bytes((192, 0, 2, len(name))), A))
