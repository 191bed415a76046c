"""`python -m tests.bench.dns.answers`: processor time of one answer of cluster DNS, beside a loop that only echoes.

The server is this process, on one core; the questions come from a child, on another. What counts is user and system
time divided by answers: it hardly changes when the machine is busy with something else, and the echo's share of it is
what the kernel takes for a datagram in and one out.
"""

import asyncio
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import uvloop

from tests.unit.dns.decoder import ask, edns
from tests.unit.dns.objects import port, service
from understudy.dns.answering import Answering
from understudy.dns.names import AAAA, A
from understudy.dns.records import of_service
from understudy.dns.settings import read

SERVICES = 1000
SECONDS = 5.0
SOCKETS, BURST = 8, 12
HOST = "127.0.0.1"


def questions() -> list[bytes]:
    """What a pod asks that has a search path: A and AAAA, and a name that is not there."""
    names = [f"svc-{n}.default.svc.cluster.local" for n in range(SERVICES)]
    there = [ask(name, kind, opt=edns()) for name in names for kind in (A, AAAA)]
    return there + [ask(f"{name}.svc.cluster.local", opt=edns()) for name in names]


def generate(at: int, seconds: float, said: Connection) -> None:
    """Ask in bursts, wait for the answers, count them."""
    _pin(0)
    asked, count, position, end = questions(), 0, 0, time.monotonic() + seconds
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    for each in sockets:
        each.connect((HOST, at))
        each.settimeout(0.5)
    while time.monotonic() < end:
        for each in sockets:
            for _ in range(BURST):
                each.send(asked[position % len(asked)])
                position += 1
        for each in sockets:
            count += sum(_received(each) for _ in range(BURST))
    said.send(count)


def _received(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(4096))
    except TimeoutError:
        return False


def _pin(core: int) -> None:
    """To one of the machine's cores: this process and those it starts later keep to it."""
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


@contextmanager
def generator(at: int, seconds: float) -> Iterator[Connection]:
    """A child that asks; at its end its connection has the number of answers."""
    mine, its = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=generate, args=(at, seconds, its), daemon=True)
    child.start()
    try:
        yield mine
    finally:
        child.join(10)
        child.kill()


async def answering() -> float:
    """Microseconds of processor an answer."""
    it = Answering(read({"dns-address": f"{HOST}:0", "dns-forward": "none"}))
    for n in range(SERVICES):
        each = service(f"svc-{n}", f"10.96.{n // 250}.{n % 250 + 1}", ports=[port(80, "http")])
        it.copy.put(each.key, of_service(each, [], "cluster.local"))
    it.table.synced = True
    at = await it.start()
    with generator(at, SECONDS) as said:
        while not sum(it.table.counts[0].values()):
            await asyncio.sleep(0.01)
        began = time.process_time()
        while not said.poll():
            await asyncio.sleep(0.05)
        spent = time.process_time() - began
        count: int = said.recv()
    await it.stop()
    return 1e6 * spent / max(count, 1)


def echoing() -> float:
    """The same of a loop that sends back what it gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.settimeout(0.2)
        with generator(sock.getsockname()[1], SECONDS) as said:
            began, count = time.process_time(), 0
            while not said.poll():
                try:
                    data, peer = sock.recvfrom(4096)
                except TimeoutError:
                    continue
                sock.sendto(data, peer)
                count += 1
            return 1e6 * (time.process_time() - began) / max(count, 1)


def main() -> None:
    """Print both and the ratio."""
    _pin(1)
    echo, ours = echoing(), uvloop.run(answering())
    print(f"echo     {echo:6.2f} µs of processor a datagram")
    print(f"answers  {ours:6.2f} µs of processor a question, {ours / echo:.2f} of the echo")


if __name__ == "__main__":
    main()
