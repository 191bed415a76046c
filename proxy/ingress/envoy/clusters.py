"""Clusters and their endpoints: one of each for a Service's port. Called by `render`; pure.

The endpoints come by EDS on the one ADS stream, a resource a cluster, so that a Pod that comes or goes is one small
message. Answers to envoy config.cluster.v3 and config.endpoint.v3.
"""

from collections.abc import Iterable

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import Address, SocketAddress
from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions, HttpProtocolOptions
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as UpstreamOptions
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import UInt32Value

from understudy.proxy.ingress.model import Address as Where
from understudy.proxy.ingress.model import Upstream

ADS = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
CONNECT_SECONDS = 5
KEEP_SECONDS = 55
"""How long an idle connection to a Pod is kept: less than most servers do, so that it is not closed under a request."""
PLENTY = 1_000_000
"""Instead of Envoy's 1,024 connections and requests a cluster: the limit is the Pods', not ours."""
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_OVER_TLS, _OVER_HTTP2 = ("HTTPS", "GRPCS"), ("GRPC", "GRPCS", "H2C")


def packed(message: Message) -> Packed:
    """As an Any, with its type's name."""
    any_ = Packed()
    any_.Pack(message, deterministic=True)
    return any_


def cluster(upstream: Upstream, *, sticky: bool) -> Cluster:
    """`sticky`: some route wants requests of one client, or of one key, at one endpoint."""
    options = UpstreamOptions(
        common_http_protocol_options=HttpProtocolOptions(idle_timeout=Duration(seconds=KEEP_SECONDS))
    )
    if upstream.protocol in _OVER_HTTP2:
        options.explicit_http_config.http2_protocol_options.CopyFrom(Http2ProtocolOptions())
    else:
        options.explicit_http_config.http_protocol_options.SetInParent()
    return Cluster(
        name=str(upstream),
        type=Cluster.EDS,
        eds_cluster_config=Cluster.EdsClusterConfig(eds_config=ADS),
        connect_timeout=Duration(seconds=CONNECT_SECONDS),
        lb_policy=Cluster.MAGLEV if sticky else Cluster.ROUND_ROBIN,
        circuit_breakers=_plenty(),
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(options)},
        transport_socket=_tls() if upstream.protocol in _OVER_TLS else None,
    )


def assignment(upstream: Upstream, addresses: Iterable[Where]) -> ClusterLoadAssignment:
    """Where the cluster's requests go; to nobody if there are no addresses."""
    endpoints = [
        LbEndpoint(endpoint=Endpoint(address=Address(socket_address=SocketAddress(address=ip, port_value=port))))
        for ip, port in addresses
    ]
    where = [LocalityLbEndpoints(lb_endpoints=endpoints)] if endpoints else []
    return ClusterLoadAssignment(cluster_name=str(upstream), endpoints=where)


def _plenty() -> CircuitBreakers:
    limit = UInt32Value(value=PLENTY)
    thresholds = CircuitBreakers.Thresholds(
        max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
    )
    return CircuitBreakers(thresholds=[thresholds])


def _tls() -> TransportSocket:
    """Encrypted, the certificate not looked at: Pods have none that anybody signed, as with ingress-nginx."""
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(UpstreamTlsContext()))
