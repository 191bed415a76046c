"""What cluster DNS can be told, read from the settings of the process and from files they name.

Read once by `component.make_dns`, its configuration file again by `reload`. Defaults are those of kubeadm's Corefile
for CoreDNS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from understudy.api.config import ConfigError
from understudy.dns.config import (
    RESOLV_CONF,
    Config,
    ConfigProblem,
    Forward,
    address,
    parse,
    servers_of,
    target,
)
from understudy.dns.names import DOMAIN, Malformed, to_wire
from understudy.dns.records import Pods

MetricNames = Literal["understudy", "coredns"]
ADDRESS = "0.0.0.0:5353"
DOMAIN_BYTES = 100
"""With a longer one not even every Service could have its name."""
LAME_DUCK = "5"


@dataclass(frozen=True, slots=True)
class Settings:
    """`lame_duck`: seconds of answering after being told to stop. `config` has addresses in place of resolv.confs.

    `file` is where it was read, "" for nowhere; `root`: whom to ask where it does not say. `outside`: where the
    external view is answered, if it is.
    """

    host: str
    port: int
    domain: str
    config: Config
    file: str
    root: tuple[str, ...]
    processes: int
    pods: Pods
    metrics: MetricNames
    lame_duck: float
    outside: tuple[str, int] | None = None


def read(settings: Mapping[str, str]) -> Settings:
    """Raises ConfigError, which names what is wrong."""
    host, port = _address(settings.get("dns-address") or ADDRESS, "dns-address")
    root = servers(settings.get("dns-forward") or RESOLV_CONF)
    file, outside = settings.get("dns-config") or "", settings.get("dns-external-address")
    return Settings(
        host,
        port,
        _domain(settings.get("cluster-domain") or DOMAIN),
        read_config(file, root),
        file,
        root,
        int(_number(settings.get("dns-processes") or "1", "dns-processes", 1, 64)),
        cast("Pods", _choice(settings.get("dns-pods") or "insecure", "dns-pods", get_args(Pods))),
        cast("MetricNames", _choice(settings.get("dns-metrics") or "understudy", "dns-metrics", get_args(MetricNames))),
        _number(settings.get("dns-lame-duck") or LAME_DUCK, "dns-lame-duck", 0, 3600),
        _address(outside, "dns-external-address") if outside else None,
    )


def read_config(file: str, root: tuple[str, ...]) -> Config:
    """The configuration in a file, every resolv.conf in it replaced by its servers. Raises ConfigError."""
    try:
        text = Path(file).read_text() if file else ""
        config = parse(text, Forward(to=root))
        zones = tuple(
            msgspec.structs.replace(zone, forward=_resolved(zone.forward)) if zone.forward else zone
            for zone in config.zones
        )
    except OSError as error:
        raise ConfigError(f"--dns-config: cannot read {error.filename}: {error.strerror}") from None
    except (ConfigProblem, UnicodeDecodeError) as error:
        raise ConfigError(f"--dns-config {file}: {error}") from None
    return Config(zones, config.rewrite)


def _resolved(forward: Forward) -> Forward:
    """Raises OSError, ConfigProblem."""
    to = tuple(server for each in forward.to for server in _servers(each))
    return msgspec.structs.replace(forward, to=to)


def _servers(text: str) -> tuple[str, ...]:
    if text.startswith("/"):
        return tuple(map(str, servers_of(Path(text).read_text())))
    return (str(target(text)),)


def servers(text: str, setting: str = "dns-forward") -> tuple[str, ...]:
    """Servers, or those in a file, or "none", in the form of `config.target`. Raises ConfigError, names the setting."""
    if text == "none":
        return ()
    try:
        return tuple(server for each in text.split(",") if each.strip() for server in _servers(each.strip()))
    except OSError as error:
        raise ConfigError(f"--{setting}: cannot read {text}: {error.strerror}") from None
    except ConfigProblem as error:
        raise ConfigError(f"--{setting} {error}") from None


def _address(text: str, setting: str) -> tuple[str, int]:
    found = address(f"127.0.0.1{text}" if text.startswith(":") else text)
    if found is not None and text.startswith(":"):
        return "", found[1]
    if found is None:
        raise ConfigError(f"--{setting} {text}: give an address and a port, 10.0.0.1:53, [fd00::1]:53 or :53")
    return found


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
