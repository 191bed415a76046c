"""`make bench-dns`: our DNS server and CoreDNS, each pinned to one core, asked by dnsperf from another.

Run as `python -m tests.bench.dns.perf`. Both watch the same API server, in an embedded cluster of its own; CoreDNS has
the plugins of kubeadm's Corefile. What counts is processor time a question: the load generator, the API server and the
other server share two cores, so the wall's figures are noisy. A ratio above 1 is in our favour.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from tests.bench.measure import cpu_seconds, peak_bytes
from tests.oracle_dns import servers
from tests.oracle_dns.servers import Served
from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.wires import other, udp
from understudy.api.client import MERGE, Client
from understudy.api.config import connect, load
from understudy.cluster.components import CORE
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.toolchain import ToolchainError, ensure
from understudy.cluster.toolchain.pins import DNS
from understudy.kinds.discovery import SERVICE_NAME

GENERATOR, SERVER = 0, 1
"""The cores they are pinned to."""
KUBEADM = """
    prometheus 127.0.0.1:0
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    reload"""
IN_FLIGHT = 64
STEADY_QPS = 2000
UPDATES = 20
SUFFIX = "default.svc.cluster.local"
PROTOCOLS = ("udp", "tcp")
HITS, MIXED = "hits", "search path"


@dataclass(frozen=True, slots=True)
class Result:
    """One server at one load: µs of processor a question; seconds of answers at 2,000 a second; bytes."""

    server: str
    services: int
    load: str
    protocol: str
    cpu: float
    qps: float
    p50: float
    p99: float
    rss: int


@dataclass(frozen=True, slots=True)
class Wish:
    services: Sequence[int]
    rounds: int
    seconds: int


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--services", default=(100, 10_000), show_default=True, multiple=True, help="Services; may be repeated.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=4, show_default=True, type=click.IntRange(1), help="Of load, each time.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures there.")
def main(services: Sequence[int], rounds: int, seconds: int, json_file: Path | None) -> None:
    """Compare our DNS server with CoreDNS."""
    console = Console(highlight=False)
    if shutil.which("dnsperf") is None:
        raise click.ClickException("there is no dnsperf: it is in Debian's package dnsperf")
    try:
        results, updates = asyncio.run(_bench(Wish(services, rounds, seconds), console))
    except (ClusterError, ToolchainError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("interrupted; the cluster is removed")
        sys.exit(130)
    for table in (loads(results), changes(updates)):
        console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in results], indent=2) + "\n")


def loads(results: Sequence[Result]) -> Table:
    """Medians, ours / CoreDNS's."""
    columns = ("Services", "load", "", "CPU µs a question", "ratio", "questions/s", "p50 ms", "p99 ms", "peak MB")
    table = Table(*columns, box=None, title="pairs are ours / CoreDNS", title_justify="left")
    cases = dict.fromkeys((each.services, each.load, each.protocol) for each in results)
    for case in cases:
        of = {
            name: [r for r in results if r.server == name and (r.services, r.load, r.protocol) == case]
            for name in ("ours", "coredns")
        }
        pairs = [
            [median(read(each) for each in of[name]) for name in ("ours", "coredns")]
            for read in (_cpu, _qps, _p50, _p99, _rss)
        ]
        cells = [f"{mine:,.1f} / {its:,.1f}" for mine, its in pairs]
        ratio = pairs[0][1] / pairs[0][0]
        table.add_row(f"{case[0]:,}", case[1], case[2], cells[0], f"{ratio:.2f}×", *cells[1:])
    return table


def _cpu(each: Result) -> float:
    return each.cpu


def _qps(each: Result) -> float:
    return each.qps


def _p50(each: Result) -> float:
    return each.p50 * 1e3


def _p99(each: Result) -> float:
    return each.p99 * 1e3


def _rss(each: Result) -> float:
    return each.rss / 1e6


def changes(updates: dict[tuple[int, str], list[float]]) -> Table:
    """From the API server's answer to the change until the new answer, under load."""
    table = Table("Services", "server", "update p50 ms", "max ms", box=None)
    for (services, name), found in updates.items():
        table.add_row(f"{services:,}", name, f"{median(found) * 1e3:.1f}", f"{max(found) * 1e3:.1f}")
    return table


async def _bench(wish: Wish, console: Console) -> tuple[list[Result], dict[tuple[int, str], list[float]]]:
    binaries = ensure([*CORE, *DNS], console=console)
    results: list[Result] = []
    updates: dict[tuple[int, str], list[float]] = {}
    with TemporaryDirectory(prefix="understudy-bench-dns-") as name, _cluster(binaries) as cluster:
        client = Client(connect(load(cluster.kubeconfig())))
        made = 0
        async with other(servers.elsewhere) as it:
            upstream = it.upstream.target.port
            for count in sorted(wish.services):
                await _create(client, range(made, count))
                made = count
                for number in range(wish.rounds):
                    for server, start in _contenders(binaries["coredns"], Path(name), cluster.kubeconfig(), upstream):
                        console.print(f"{count:,} Services, round {number + 1}: {server}")
                        with start() as served:
                            await _warm(served, count, Path(name) / f"{server}.log")
                            results += await _loads(server, served, count, wish.seconds, Path(name))
                            updates.setdefault((count, server), []).extend(await _updates(client, served, count))
        await client.close()
    return results, updates


@contextmanager
def _cluster(binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(f"bench-dns-{os.getpid()}", binaries=binaries)
    try:
        cluster.up(nodes=0, die_with_parent=True)
        yield cluster
    finally:
        cluster.down()


def _contenders(
    binary: Path, folder: Path, config: Path, upstream: int
) -> Iterable[tuple[str, Callable[[], AbstractContextManager[Served]]]]:
    before = ("taskset", "-c", str(SERVER))
    yield "ours", lambda: servers.ours(config, folder, upstream, before=before)
    content = servers.corefile(config, upstream, more=KUBEADM)
    yield "coredns", lambda: servers.coredns(binary, folder, content, before=before)


async def _create(client: Client, numbers: range) -> None:
    """Services with an address, each with one endpoint; and one without an address, whose endpoint will change."""
    queue = iter(numbers)

    async def work() -> None:
        for number in queue:
            name, ports = f"svc-{number}", [{"name": "http", "port": 80}]
            await client.call("POST", _path("services"), {"metadata": {"name": name}, "spec": {"ports": ports}})

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    if numbers.start == 0:
        body = {"metadata": {"name": "moving"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}
        await client.call("POST", _path("services"), body)
        moving = {"name": "moving-1", "labels": {SERVICE_NAME: "moving"}}
        held = {"metadata": moving, "addressType": "IPv4", "endpoints": [], "ports": [{"port": 80}]}
        await client.call("POST", _path("endpointslices"), held)


def _path(resource: str, name: str = "") -> str:
    api = "/apis/discovery.k8s.io/v1" if resource == "endpointslices" else "/api/v1"
    return f"{api}/namespaces/default/{resource}" + (f"/{name}" if name else "")


async def _warm(served: Served, count: int, log: Path) -> None:
    await servers.synced(served.port, f"svc-{count - 1}.{SUFFIX}", log)


async def _loads(server: str, served: Served, count: int, seconds: int, folder: Path) -> list[Result]:
    results = []
    for load_name in (HITS, MIXED):
        data = folder / f"{load_name.replace(' ', '-')}-{count}"
        data.write_text("\n".join(_questions(load_name, count)) + "\n")
        for protocol in PROTOCOLS:
            cpu, qps = await _flat_out(served, data, protocol, seconds)
            steady = await _steady(served, data, protocol, seconds)
            p50, p99 = steady
            results.append(Result(server, count, load_name, protocol, cpu, qps, p50, p99, peak_bytes(served.pid)))
    return results


def _questions(name: str, count: int) -> Iterator[str]:
    """A of names that are there; or all that a resolver with a search path asks for a name outside."""
    for number in range(count):
        own = f"svc-{number}.{SUFFIX}"
        yield f"{own} A"
        if name == MIXED:
            yield from (f"{own} AAAA", f"{own}.{SUFFIX} A", f"{own}.svc.cluster.local A")


async def _flat_out(served: Served, data: Path, protocol: str, seconds: int) -> tuple[float, float]:
    """µs of processor a question, and questions a second, as fast as it goes; the first run makes the answers."""
    await _dnsperf(served, data, protocol, 1)
    before = cpu_seconds(served.pid)
    said = await _dnsperf(served, data, protocol, seconds)
    spent = cpu_seconds(served.pid) - before
    done = _figure(said, r"Queries completed:\s+(\d+)")
    return spent / max(done, 1) * 1e6, _figure(said, r"Queries per second:\s+([\d.]+)")


async def _steady(served: Served, data: Path, protocol: str, seconds: int) -> tuple[float, float]:
    """Median and 99th percentile, in seconds, of the time of an answer at 2,000 questions a second."""
    said = await _dnsperf(served, data, protocol, seconds, "-Q", str(STEADY_QPS), "-v")
    times = [float(each) for each in re.findall(r"^> \S+ .* ([\d.]+)$", said, re.MULTILINE)]
    cut = quantiles(times, n=100)
    return median(times), cut[98]


async def _dnsperf(served: Served, data: Path, protocol: str, seconds: int, *more: str) -> str:
    argv = ["taskset", "-c", str(GENERATOR), "dnsperf", "-s", "127.0.0.1", "-p", str(served.port), "-d", str(data)]
    argv += ["-m", protocol, "-c", "8", "-q", "100", "-l", str(seconds), *more]
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise ClusterError(f"dnsperf failed: {said.strip()}")
    return said


def _figure(said: str, pattern: str) -> float:
    found = re.search(pattern, said)
    if found is None:
        raise ClusterError(f"dnsperf did not say {pattern}:\n{said}")
    return float(found.group(1))


async def _updates(client: Client, served: Served, count: int) -> list[float]:
    """Seconds from the API server's answer to a new endpoint until the name has its address, while others ask."""
    found = []
    async with _background(served, count):
        for number in range(UPDATES):
            address = f"10.244.{number}.{os.getpid() % 200 + 1}"
            body = {"endpoints": [{"addresses": [address], "conditions": {"ready": True}}]}
            await client.call("PATCH", _path("endpointslices", "moving-1"), body, content_type=MERGE)
            found.append(await _until(served.port, address))
            await asyncio.sleep(0.1)
    return found


@asynccontextmanager
async def _background(served: Served, count: int) -> AsyncIterator[None]:
    """Somebody else asks 2,000 questions a second meanwhile."""
    with TemporaryDirectory(prefix="understudy-bench-dns-") as name:
        data = Path(name) / "asked"
        await asyncio.to_thread(data.write_text, "\n".join(_questions(HITS, count)) + "\n")
        task = asyncio.create_task(_dnsperf(served, data, "udp", 60, "-Q", str(STEADY_QPS)))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _until(port: int, address: str) -> float:
    began = time.monotonic()
    async with udp(port) as (transport, client), asyncio.timeout(10):
        while True:
            transport.sendto(ask(f"moving.{SUFFIX}"))
            if decode(await client.got.get()).data() == [address]:
                return time.monotonic() - began


if __name__ == "__main__":
    main()
