"""The cache on a node, in a network namespace: its address, whom it asks, and that it leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = "169.254.20.10"
PATIENCE = 30.0
CLUSTER = """
import asyncio
from tests.unit.dns.wires import Other, record, reply_to

async def main():
    it = Other(lambda data, tcp: reply_to(data, record(b"\\xc0\\0\\2\\x07")) if tcp else None)
    async with await asyncio.start_server(it.serve, "127.0.0.1", 53) as server:
        print("ready", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""
"""A cluster's DNS that answers everything with 192.0.2.7, over TCP only."""


@pytest.fixture
def node() -> Iterator[list[str]]:
    """The beginning of a command that runs on the node."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root: run `sudo make netns`")
    assert shutil.which("ip"), "install iproute2 first"
    name = f"dns-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, timeout=10)
    yield ["ip", "netns", "exec", name]
    subprocess.run(["ip", "netns", "del", name], check=True, timeout=10)


def asked(node: list[str], name: str) -> subprocess.CompletedProcess[str]:
    query = [sys.executable, "-m", "understudy", "dns", "query", name, "--server", f"{ADDRESS}:53", "--timeout", "3"]
    return subprocess.run([*node, *query], capture_output=True, text=True, check=False, timeout=30, cwd=ROOT)


def links(node: list[str]) -> str:
    return subprocess.run([*node, "ip", "address"], capture_output=True, text=True, check=True, timeout=10).stdout


def test_it_answers_at_an_address_of_its_own_and_takes_it_along(node: list[str]) -> None:
    cluster = subprocess.Popen([*node, sys.executable, "-c", CLUSTER], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert cluster.stdout is not None
    serve = [sys.executable, "-m", "understudy.dns.nodelocal", "--cluster-dns", "127.0.0.1", "--forward", "none"]
    cache = subprocess.Popen([*node, *serve, "--lame-duck", "0.1"], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert cluster.stdout.readline() == "ready\n"
        end = time.monotonic() + PATIENCE
        while (said := asked(node, "web.default.svc.cluster.local")).returncode == 2 and time.monotonic() < end:
            assert cache.poll() is None, cache.communicate()
        assert "192.0.2.7" in said.stdout, said
        assert "REFUSED" in asked(node, "example.com").stdout, "all else is asked of the node's own servers, here none"
        assert f"{ADDRESS}/32" in links(node)
        cluster.kill()
        assert "192.0.2.7" in asked(node, "web.default.svc.cluster.local").stdout, "it is kept"
        cache.send_signal(signal.SIGTERM)
        assert cache.wait(PATIENCE) == 0
        assert ADDRESS not in links(node)
    finally:
        for process in (cluster, cache):
            process.kill()
            process.communicate(timeout=10)
