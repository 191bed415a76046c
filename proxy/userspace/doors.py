"""Where on the loopback network each address of a Service is reached: 10.96.0.7 at 127.96.0.7. Pure.

All of 127.0.0.0/8 is this machine's own on Linux, so nothing has to be configured. Node ports are on 127.0.0.1. Where
two addresses would meet the cluster IP goes first, then who comes first. Used by `forwarder`.
"""

from collections.abc import Container, Iterable
from typing import NamedTuple

from understudy.kinds.meta import Key
from understudy.proxy.service import packed
from understudy.proxy.service.elements import Facts, Front, fronts
from understudy.proxy.service.kinds import ProxyService
from understudy.proxy.service.ports import PROTOCOLS, ports_of
from understudy.proxy.service.statements import Family

LOCALHOST = "127.0.0.1"
CARRIED = frozenset({PROTOCOLS["TCP"], PROTOCOLS["UDP"]})
FREE = 8000
"""Added to ports that only root may listen at: 80 is 8080, 443 is 8443."""


class Door(NamedTuple):
    """Where somebody knocks; `protocol` is IP's number."""

    ip: str
    port: int
    protocol: int


class Behind(NamedTuple):
    """The address of a Service that stands behind a door. `affinity` in seconds, 0: none."""

    service: Key
    ip: str
    port: int
    affinity: int


def doors(services: Iterable[ProxyService], facts: Facts, served: Container[bytes]) -> dict[Door, Behind]:
    """All that somebody serves; `served` knows addresses by `packed.target`."""
    found: dict[Door, Behind] = {}
    outer: dict[Door, Behind] = {}
    for service in services:
        for port in ports_of(service, Family.IPV4):
            for front in fronts(port, facts) if port.protocol in CARRIED else ():
                if packed.target(front.ip, port.protocol, front.port) in served:
                    door = Door(loopback(front), front.port, port.protocol)
                    behind = Behind(service.key, front.ip, front.port, port.affinity)
                    (outer if front.external else found).setdefault(door, behind)
    return outer | found


def loopback(front: Front) -> str:
    """Its last three numbers behind 127; where the first of them is 0 it is 255, since 127.0.0.1 is everybody's."""
    if front.ip == LOCALHOST:
        return LOCALHOST
    _, second, third, last = front.ip.split(".")
    return f"127.{second if second != '0' else '255'}.{third}.{last}"


def unprivileged(door: Door) -> Door:
    """The door beside it at which anybody may listen."""
    return door._replace(port=door.port + FREE)
