"""`make bench-proxy`: our service proxy and kube-proxy (nftables) in turn, in one namespace, on one API server.

Run as `python -m tests.bench.proxy`, as root. Of each size: from the start of the process until its rules are written,
from the change of an EndpointSlice until a connection follows it, connections a second through the rules, CPU (programs
it calls among it) and memory. Everything is removed in the end, after Ctrl-C too.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console

from tests.bench.access import ADMIN, Access
from tests.bench.count import Stuck
from tests.bench.measure import machine, peak_bytes
from tests.bench.proxy import contenders
from tests.bench.proxy.contenders import KUBE_PROXY, OURS, Contender, Running, running
from tests.bench.proxy.crowd import Crowd
from tests.bench.proxy.lab import BACKENDS, PORT, Lab, NoRoot, lab
from tests.bench.proxy.report import HEADINGS, MARKERS, Row, as_data, cells, markdown
from tests.bench.report import write_between_markers
from tests.bench.stage import Stage
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.components import CORE
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.toolchain import TOOLS, ToolchainError, ensure

CAP = 10_000
"""kube-proxy takes 24 s to write the rules of that many, and 100 times as long for five times as many."""
KNOCK_SECONDS, KNOCKS = 2.0, 3
SETTLE = 2.0
CHANGE_SECONDS = 60.0
"""At most so long for all changes of one contender."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for."""

    sizes: Sequence[int]
    only: str
    changes: int


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--size", "sizes", multiple=True, default=(100, 1000, 10_000), show_default=True, help="Services.")
@click.option("--only", default="", type=click.Choice(["", OURS, KUBE_PROXY]), help="One of the two.")
@click.option("--changes", default=50, show_default=True, type=click.IntRange(2), help="Of an EndpointSlice, at most.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures there.")
@click.option(
    "--write", "page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Put the table there."
)
def main(json_file: Path | None, page: Path | None, **given: object) -> None:
    """Compare our service proxy with kube-proxy."""
    wish = Wish(**given)  # type: ignore[arg-type]
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    found = machine()
    try:
        rows = compare(wish, console)
    except (ClusterError, ToolchainError, Stuck, NoRoot) as error:
        raise click.ClickException(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; everything is removed")
        sys.exit(130)
    title = (
        f"{found['cores']} cores ({found['processor']}, {found['memory_gb']} GB, Linux {found['kernel']}), shared with "
        f"the API server, etcd and both ends of the connections; load before: {found['load']}. "
        f"kube-proxy {TOOLS[KUBE_PROXY].version} in its mode nftables, three endpoints a Service."
    )
    text = markdown(rows, title)
    click.echo(text)
    if json_file is not None:
        json_file.write_text(json.dumps(as_data(rows), indent=1))
    if page is not None:
        write_between_markers(page, text, MARKERS)


def compare(wish: Wish, console: Console) -> list[Row]:
    """All sizes, each contender in turn."""
    binaries = ensure([*CORE, KUBE_PROXY], console=console)
    every = [contenders.ours(), contenders.kube_proxy(binaries[KUBE_PROXY])]
    with TemporaryDirectory(prefix="understudy-bench-") as folder, lab() as made:
        access = Access(Path(folder))
        access.write_tokens()
        cluster = EmbeddedCluster(f"bench-{os.getpid()}", binaries=binaries, say=console.print)
        try:
            cluster.up(apiserver_args=[f"--token-auth-file={access.token_file}"], die_with_parent=True)
            access.write_kubeconfigs(cluster)
            return asyncio.run(_compare(wish, made, access.kubeconfig(ADMIN), every, console))
        finally:
            cluster.down()


async def _compare(wish: Wish, made: Lab, kubeconfig: Path, every: Sequence[Contender], console: Console) -> list[Row]:
    client = Client(connect(load(kubeconfig)))
    places = [part for number, ip in enumerate(BACKENDS) for part in (ip, str(PORT), str(number))]
    server = made.end(made.backend, "serve", *places)
    rows = []
    try:
        stage = Stage(client)
        await stage.prepare()
        crowd = Crowd(stage)
        bench = Bench(made, crowd, kubeconfig, await crowd.begin())
        console.print("  ".join(HEADINGS))
        for size in sorted(wish.sizes):
            with console.status(f"making {size:,} Services"):
                await crowd.grow(size)
            for contender in every:
                if wish.only in ("", contender.name) and (contender.name == OURS or size <= CAP):
                    rows.append(await bench.measure(contender, wish.changes))
                    console.print("  ".join(cells(rows[-1])))
    finally:
        server.kill()
        server.communicate()
        await client.close()
    return rows


class Bench:
    """`ip` is the cluster IP of the Service that is asked."""

    def __init__(self, made: Lab, crowd: Crowd, kubeconfig: Path, ip: str) -> None:
        self._lab, self._crowd, self._kubeconfig, self._ip = made, crowd, kubeconfig, ip

    async def measure(self, contender: Contender, changes: int) -> Row:
        """One contender, the crowd being what it is."""
        await self._crowd.move(0)
        with running(contender, self._kubeconfig, self._kubeconfig.parent) as run:
            first = await asyncio.to_thread(run.synced)
            await asyncio.sleep(SETTLE)
            cpu, full = cpu_with_children(run.process.pid), run.full_sync()
            seen = await self._changes(changes)
            await asyncio.sleep(SETTLE)
            each = (cpu_with_children(run.process.pid) - cpu) / max(len(seen), 1)
            rate = max([await asyncio.to_thread(self._knock) for _ in range(KNOCKS)])
            peak = peak_bytes(run.process.pid)
            self._check(run, rate)
        return Row(self._crowd.size, contender.name, first - run.since, full, cpu, peak, seen, each, rate)

    async def _changes(self, count: int) -> tuple[float, ...]:
        """The seconds each took. The first goes by: nothing is known before it."""
        watcher = self._lab.end(self._lab.client, "watch", self._ip, "80")
        assert watcher.stdout is not None
        try:
            await asyncio.to_thread(watcher.stdout.readline)
            seen, end = [], time.monotonic() + CHANGE_SECONDS
            for number in range(1, count + 1):
                if time.monotonic() > end:
                    break
                before = time.monotonic()
                await self._crowd.move(number % 2)
                at = await asyncio.to_thread(_until, watcher, str(number % 2))
                seen.append(at - before)
            return tuple(seen)
        finally:
            watcher.communicate("")

    def _knock(self) -> float:
        knocking = self._lab.end(self._lab.client, "knock", self._ip, "80", str(KNOCK_SECONDS))
        said, _ = knocking.communicate()
        return int(said.split()[0]) / KNOCK_SECONDS

    def _check(self, run: Running, rate: float) -> None:
        if not rate:
            raise Stuck(f"{run.name}: no connection to {self._ip} was answered")


def _until(watcher: "subprocess.Popen[str]", answer: str) -> float:
    """The monotonic time at which that answer came for the first time. Raises Stuck."""
    assert watcher.stdout is not None
    for line in watcher.stdout:
        at, said = line.split()
        if said == answer:
            return float(at)
    raise Stuck("the watcher has ended")


def cpu_with_children(pid: int) -> float:
    """Seconds, of the programs it called and that have ended too (proc_pid_stat(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
