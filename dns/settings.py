"""What cluster DNS can be told, read from the settings of the process and from files they name.

Read once by `component.make_dns`. Defaults are those of CoreDNS's Corefile in kubeadm.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, cast, get_args

from understudy.api.config import ConfigError
from understudy.dns.forward import servers_of
from understudy.dns.names import Malformed, to_wire
from understudy.dns.records import Pods
from understudy.dns.upstream import Upstream

MetricNames = Literal["understudy", "coredns"]
ADDRESS = "0.0.0.0:5353"
DOMAIN = "cluster.local"
DOMAIN_BYTES = 100
"""With a longer one not even every Service could have its name."""
RESOLV_CONF = "/etc/resolv.conf"
LAME_DUCK = "5"

_ADDRESS = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<four>[^:]+))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Settings:
    """`upstreams` as texts: every process makes its own. `lame_duck`: seconds of answering after being told to stop."""

    host: str
    port: int
    domain: str
    upstreams: tuple[tuple[str, int], ...]
    processes: int
    pods: Pods
    metrics: MetricNames
    lame_duck: float

    def servers(self) -> list[Upstream]:
        """The upstreams, none of them asked yet."""
        return [Upstream(host, port) for host, port in self.upstreams]


def read(settings: Mapping[str, str]) -> Settings:
    """Raises ConfigError, which names what is wrong."""
    host, port = _address(settings.get("dns-address") or ADDRESS, "dns-address")
    return Settings(
        host,
        port,
        _domain(settings.get("cluster-domain") or DOMAIN),
        upstreams(settings.get("dns-forward") or RESOLV_CONF, "dns-forward"),
        int(_number(settings.get("dns-processes") or "1", "dns-processes", 1, 64)),
        cast("Pods", _choice(settings.get("dns-pods") or "insecure", "dns-pods", get_args(Pods))),
        cast("MetricNames", _choice(settings.get("dns-metrics") or "understudy", "dns-metrics", get_args(MetricNames))),
        _number(settings.get("dns-lame-duck") or LAME_DUCK, "dns-lame-duck", 0, 3600),
    )


def upstreams(text: str, setting: str) -> tuple[tuple[str, int], ...]:
    """Addresses with ports, or those in a file, or "none". Raises ConfigError, which names the setting."""
    if text == "none":
        return ()
    if text.startswith("/"):
        try:
            found = servers_of(Path(text).read_text())
        except OSError as error:
            raise ConfigError(f"--{setting}: cannot read {text}: {error.strerror}") from None
        return tuple((each.host, each.port) for each in found)
    return tuple(_address(each.strip(), setting, 53) for each in text.split(",") if each.strip())


def _address(text: str, setting: str, default: int | None = None) -> tuple[str, int]:
    """1.2.3.4:53, [::1]:53; without a port only where there is a default."""
    match = _ADDRESS.fullmatch(text)
    host, digits = (match["six"] or match["four"], match["port"]) if match else (text, None)
    port = int(digits) if digits else default
    try:
        ip_address(host)
        if port is None or port > 65535:
            raise ValueError
    except ValueError:
        raise ConfigError(f"--{setting} {text}: give an address and a port, 10.0.0.1:53 or [fd00::1]:53") from None
    return host, port


def _domain(text: str) -> str:
    try:
        if not 1 < len(to_wire(text)) <= DOMAIN_BYTES:
            raise Malformed
    except Malformed:
        raise ConfigError(f"--cluster-domain {text}: give a domain name of at most {DOMAIN_BYTES} bytes") from None
    return text.lower().removesuffix(".")


def _number(text: str, setting: str, least: float, most: float) -> float:
    try:
        if not least <= float(text) <= most:
            raise ValueError
    except ValueError:
        raise ConfigError(f"--{setting} {text}: give a number from {least:g} to {most:g}") from None
    return float(text)


def _choice(text: str, setting: str, every: tuple[str, ...]) -> str:
    if text not in every:
        raise ConfigError(f"--{setting} {text}: take one of {', '.join(every)}")
    return text
