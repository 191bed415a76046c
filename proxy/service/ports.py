"""A Service port as one IP family sees it: its addresses and its policies. Pure.

Used by `elements` and `model`. Answers to newBaseServiceInfo and shouldSkipService in pkg/proxy/serviceport.go and
util.go.
"""

from collections.abc import Collection

from msgspec import Struct

from understudy.proxy.network.desired import parsed
from understudy.proxy.service import packed
from understudy.proxy.service.kinds import PortSpec, ProxyService
from understudy.proxy.service.statements import IPV6, Family

PROXY_NAME = "service.kubernetes.io/service-proxy-name"
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
AFFINITY = 10800
"""Seconds, where the Service does not say (core/v1 DefaultClientIPServiceAffinitySeconds)."""


class ServicePort(Struct, frozen=True, gc=False):
    """Addresses are in their shortest form. `ranges` may send to `balancers`, if there are any; else anybody may."""

    name: str
    protocol: int
    port: int
    cluster_ip: str
    node_port: int
    externals: tuple[str, ...]
    balancers: tuple[str, ...]
    ranges: tuple[str, ...]
    affinity: int
    internal_local: bool
    external_local: bool

    @property
    def open_to_outside(self) -> bool:
        return bool(self.node_port or self.externals or self.balancers)

    @property
    def uses_cluster(self) -> bool:
        """With policy Local too, pods and the node itself reach any endpoint by external addresses."""
        return not self.internal_local or self.open_to_outside

    @property
    def uses_local(self) -> bool:
        return self.internal_local or (self.external_local and self.open_to_outside)


def is_ours(service: ProxyService) -> bool:
    """Not headless, not a name of something outside, not another proxy's."""
    spec = service.spec
    headless = not spec.clusterIP or spec.clusterIP == "None" or spec.type == "ExternalName"
    return not headless and PROXY_NAME not in service.metadata.labels


def is_in(service: ProxyService, family: Family) -> bool:
    """Whether it is ours and has a cluster IP of the family."""
    spec, ipv6 = service.spec, family is IPV6
    return is_ours(service) and ipv6 in [":" in ip for ip in spec.clusterIPs or (spec.clusterIP,)]


def ports_of(service: ProxyService, family: Family) -> tuple[ServicePort, ...]:
    """Its ports; none if it has no cluster IP of the family."""
    if not is_in(service, family):
        return ()
    cluster_ips = addresses(service.spec.clusterIPs or [service.spec.clusterIP], family)
    if not cluster_ips:
        return ()
    known = [port for port in service.spec.ports if port.protocol in PROTOCOLS]
    return tuple([_port(service, port, cluster_ips[0], family) for port in known])


def _port(service: ProxyService, port: PortSpec, cluster_ip: str, family: Family) -> ServicePort:
    spec = service.spec
    vips = [each.ip for each in service.status.loadBalancer.ingress if each.ipMode in (None, "VIP")]
    return ServicePort(
        name=port.name,
        protocol=PROTOCOLS[port.protocol],
        port=port.port,
        cluster_ip=cluster_ip,
        node_port=port.nodePort,
        externals=addresses(spec.externalIPs, family),
        balancers=addresses(vips, family),
        ranges=_ranges(spec.loadBalancerSourceRanges, family),
        affinity=_affinity(service),
        internal_local=spec.internalTrafficPolicy == "Local",
        external_local=is_external_local(service),
    )


def _affinity(service: ProxyService) -> int:
    if service.spec.sessionAffinity != "ClientIP":
        return 0
    config = service.spec.sessionAffinityConfig
    seconds = config.clientIP.timeoutSeconds if config and config.clientIP else None
    return seconds or AFFINITY


def is_external_local(service: ProxyService) -> bool:
    spec = service.spec
    outside = spec.type in ("NodePort", "LoadBalancer") or (spec.type == "ClusterIP" and bool(spec.externalIPs))
    return outside and spec.externalTrafficPolicy == "Local"


def health_port(service: ProxyService) -> int:
    """Where load balancers ask whether this node has endpoints; 0: nowhere."""
    if not is_ours(service) or service.spec.type != "LoadBalancer" or not is_external_local(service):
        return 0
    return service.spec.healthCheckNodePort


def addresses(given: Collection[str], family: Family) -> tuple[str, ...]:
    """Those of the family, shortest form, each once."""
    if not given:
        return ()
    ipv6 = family is IPV6
    return tuple(dict.fromkeys([short for short in map(shortest, given) if short and (":" in short) == ipv6]))


def _ranges(given: Collection[str], family: Family) -> tuple[str, ...]:
    """Those of the family; a range of everything is no restriction."""
    if not given:
        return ()
    networks = [network for network in (parsed(each.strip()) for each in given) if network is not None]
    mine = [network for network in networks if network.max_prefixlen == family.bits]
    return () if any(network.prefixlen == 0 for network in mine) else tuple(map(str, mine))


def shortest(address: str) -> str:
    """ "" if it is none; leading zeros of IPv4 numbers are dropped, as upstream does."""
    if packed.is_plain(address):
        return address
    data = packed.read_address(address)
    return packed.text(data) if data else ""
