"""Ours and kube-proxy as processes, started alike, and what their metrics tell: both have kube-proxy's names.

Used by `__main__`. kube-proxy's flags answer to cmd/kube-proxy; it is left its defaults but for what a namespace cannot
do without rights on the real machine (conntrack's sysctls).
"""

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.count import Stuck
from tests.bench.proxy.crowd import ME
from tests.bench.proxy.lab import PODS
from understudy.proxy.service.kernel import KernelRules
from understudy.proxy.service.leftovers import KubeProxyRules
from understudy.proxy.service.statements import Family

OURS, KUBE_PROXY = "ours", "kube-proxy"
METRICS = {OURS: 10364, KUBE_PROXY: 10249}
SYNCED = re.compile(r'^kubeproxy_sync_proxy_rules_last_timestamp_seconds\{ip_family="IPv4"\} [1-9]', re.MULTILINE)
FULL = re.compile(r'^kubeproxy_sync_full_proxy_rules_duration_seconds_sum\{ip_family="IPv4"\} (\S+)', re.MULTILINE)
PATIENCE = 900.0
LOOK = 0.02
END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Contender:
    """`argv` from the kubeconfig; `clean` takes its rules away after it has ended."""

    name: str
    argv: Callable[[Path], Sequence[str]]
    clean: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Running:
    """Its process, and the monotonic time at which it was started."""

    name: str
    process: "subprocess.Popen[bytes]"
    since: float
    log: Path

    def synced(self) -> float:
        """The monotonic time at which all rules were written for the first time. Raises Stuck."""
        while not SYNCED.search(self.metrics()):
            if self.process.poll() is not None or time.monotonic() - self.since > PATIENCE:
                tail = "".join(self.log.read_text().splitlines(keepends=True)[-10:])
                raise Stuck(f"{self.name} has not written its rules; its log says:\n{tail}")
            time.sleep(LOOK)
        return time.monotonic()

    def full_sync(self) -> float:
        """Seconds of its own first pass over everything, by its own measure."""
        found = FULL.search(self.metrics())
        return float(found.group(1)) if found else 0.0

    def metrics(self) -> str:
        """What it says now; "" if it does not answer."""
        url = f"http://127.0.0.1:{METRICS[self.name]}/metrics"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
        return ""


def ours() -> Contender:
    return Contender(OURS, _our_argv, lambda: _clean(KernelRules))


def kube_proxy(binary: Path) -> Contender:
    def argv(kubeconfig: Path) -> Sequence[str]:
        return [
            str(binary),
            "--proxy-mode=nftables",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={ME}",
            f"--cluster-cidr={PODS}",
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            "--conntrack-udp-timeout=0",
            "--conntrack-udp-timeout-stream=0",
            f"--metrics-bind-address=127.0.0.1:{METRICS[KUBE_PROXY]}",
        ]

    return Contender(KUBE_PROXY, argv, lambda: _clean(KubeProxyRules))


def _our_argv(kubeconfig: Path) -> Sequence[str]:
    command = [sys.executable, "-m", "understudy", "run", "service-proxy", f"--kubeconfig={kubeconfig}"]
    return [*command, f"--node={ME}", f"--cluster-cidr={PODS}", f"--health-address=127.0.0.1:{METRICS[OURS]}"]


def _clean(rules: type[KernelRules] | type[KubeProxyRules]) -> None:
    for family in Family:
        with closing(rules(family)) as made:
            made.remove()


@contextmanager
def running(contender: Contender, kubeconfig: Path, folder: Path) -> Iterator[Running]:
    """Its process as long as this is open; then no rule of it is left."""
    log = folder / f"{contender.name}.log"
    with log.open("w") as out:
        since = time.monotonic()
        process = subprocess.Popen(contender.argv(kubeconfig), stdout=out, stderr=out)
    try:
        yield Running(contender.name, process, since, log)
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        contender.clean()
