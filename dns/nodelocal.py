"""`python -m understudy.dns.nodelocal`: a cache of DNS on a node, at an address that exists on no other machine.

The chart runs it on every node (`dns.nodeLocal`). It watches nothing and needs no API server: the cluster's names it
asks the cluster's DNS for, over TCP, which no connection tracking loses, everything else the node's own servers. Its
address is on the loopback interface while it runs. Answers to kubernetes/dns cmd/node-cache.
"""

import asyncio
import logging
import signal
from typing import cast

import click
import uvloop
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from understudy.api.config import ConfigError
from understudy.dns.answering import Answering
from understudy.dns.config import RESOLV_CONF, Cache, Config, Forward, ZonePart, completed
from understudy.dns.metrics import DnsMetrics
from understudy.dns.names import DOMAIN, is_address
from understudy.dns.settings import MetricNames, Settings, servers
from understudy.obs.health import HealthServer
from understudy.obs.log import Format, configure
from understudy.obs.metrics import METRICS

log = logging.getLogger(__name__)

LINK = "lo"
"""Every kernel has it, and what is on it is on this machine alone."""
NEGATIVE = 5.0
"""Seconds that no such name is believed: what has just been made is to be found soon (upstream: 5)."""
LAME_DUCK = 5.0


def config_of(cluster_dns: str, domain: str, others: tuple[str, ...]) -> Config:
    """Whom to ask for what. Raises ConfigProblem."""
    cluster = Forward(to=(cluster_dns,), forceTCP=True)
    cache = Cache(negativeSeconds=NEGATIVE)
    zones = (ZonePart(name, cluster, cache) for name in (domain, "in-addr.arpa", "ip6.arpa"))
    return completed(Config(tuple(zones)), Forward(to=others))


def put_up(address: str) -> None:
    """Have the address; one that was left behind is as good. Raises OSError: no rights to."""
    _change("replace", address)


def take_down(address: str) -> None:
    """Have it no more. Raises OSError."""
    _change("del", address)


def _change(what: str, address: str) -> None:
    try:
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=LINK)
            netlink.addr(what, index=index, address=address, prefixlen=128 if ":" in address else 32)
    except NetlinkError as error:
        raise OSError(error.code, f"{address} on {LINK}: {error} (root or NET_ADMIN is needed)") from None


class NodeDns:
    """From `start` to `stop`; ready as soon as it listens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = False
        self._shown = False
        self.answering = Answering(settings, cache_only=True)
        self._metrics = DnsMetrics(lambda: [self.answering.sample()], settings.metrics, f"dns://:{settings.port}")

    async def start(self) -> int:
        """Listen; the port. Raises OSError."""
        await asyncio.to_thread(put_up, self._settings.host)
        METRICS.register(self._metrics)
        self._shown = True
        port = await self.answering.start()
        log.info("answering on %s port %d, UDP and TCP", self._settings.host, port)
        return port

    async def stop(self) -> None:
        """Answer on for a moment, not ready; then close, and take the address away."""
        self._stopping = True
        if self._shown:
            await asyncio.sleep(self._settings.lame_duck)
            METRICS.unregister(self._metrics)
            await asyncio.to_thread(take_down, self._settings.host)
        await self.answering.stop()

    def unready(self) -> str | None:
        """Why it is not ready."""
        return "stopping: still answering" if self._stopping else None


async def serve(settings: Settings, health: tuple[str, int]) -> None:
    """Until SIGTERM or SIGINT. Raises OSError."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    it = NodeDns(settings)
    shows = HealthServer({"dns": it.unready}, METRICS, {})
    try:
        await it.start()
        await shows.start(*health)
        await asked.wait()
    finally:
        await it.stop()
        await shows.stop()


def _pair(_: click.Context, __: click.Parameter, text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{text} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _ip(_: click.Context, __: click.Parameter, text: str) -> str:
    if not is_address(text):
        raise click.BadParameter(f"{text} is no address")
    return text


@click.command()
@click.option("--address", default="169.254.20.10", show_default=True, callback=_ip, help="Where to answer.")
@click.option("--port", default=53, show_default=True, help="UDP and TCP.")
@click.option("--cluster-dns", required=True, callback=_ip, help="The address of Service kube-dns.")
@click.option("--cluster-domain", default=DOMAIN, show_default=True, help="Whose names are asked there.")
@click.option("--forward", default=RESOLV_CONF, show_default=True, help="Who is asked for all else.")
@click.option("--metrics", default="understudy", type=click.Choice(["understudy", "coredns"]), help="Their names.")
@click.option("--lame-duck", default=LAME_DUCK, show_default=True, help="Seconds it goes on answering.")
@click.option("--health-address", default="127.0.0.1:10366", show_default=True, callback=_pair, help="/readyz, …")
@click.option("--log-format", default="json", type=click.Choice(["json", "text"]))
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
def main(**given: str) -> None:
    """A cache of DNS on this node (root, or NET_ADMIN and NET_BIND_SERVICE)."""
    configure(cast("Format", given["log_format"]), given["log_level"])
    try:
        others = servers(given["forward"], "forward")
        config = config_of(given["cluster_dns"], given["cluster_domain"], others)
        metrics = cast("MetricNames", given["metrics"])
        port, lame_duck = int(given["port"]), float(given["lame_duck"])
        domain = given["cluster_domain"]
        settings = Settings(given["address"], port, domain, config, "", others, 1, "disabled", metrics, lame_duck)
        uvloop.run(serve(settings, cast("tuple[str, int]", given["health_address"])))
    except (ConfigError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main(prog_name="python -m understudy.dns.nodelocal")
