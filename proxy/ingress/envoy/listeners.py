"""The two listeners, for HTTP and HTTPS, and the certificates. Called by `render`; pure.

One connection manager for all hosts; over TLS one chain a Secret, chosen by the name the client asks for (SNI), its
certificate by SDS, so that it is changed without a connection being touched. Answers to envoy config.listener.v3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.config.core.v3.address_pb2 import Address, SocketAddress
from envoy.config.core.v3.base_pb2 import DataSource, TransportSocket
from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions, HttpProtocolOptions
from envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, FilterChainMatch, ListenerFilter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog
from envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol_pb2 import ProxyProtocol
from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    Rds,
)
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsCertificate, TlsParameters
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig, Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from understudy.kinds.meta import Key
from understudy.proxy.ingress.envoy.clusters import ADS, packed
from understudy.proxy.ingress.envoy.filters import chain
from understudy.proxy.ingress.envoy.routing import HTTP, HTTPS
from understudy.proxy.ingress.model import ANY_HOST, Certificate

FALLBACK = "fallback"
"""The certificate for names that have none of their own."""
HEADER_SECONDS, IDLE_SECONDS, STREAM_SECONDS, DRAIN_SECONDS = 60, 3600, 300, 5
HEADER_KILOBYTES, STREAMS = 60, 128
BUFFER = 1 << 20
_LOGGED: Mapping[str, str] = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
    "milliseconds": "%DURATION%",
    "upstream": "%UPSTREAM_CLUSTER_RAW%",
    "endpoint": "%UPSTREAM_HOST%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "user_agent": "%REQ(USER-AGENT)%",
}


@dataclass(frozen=True, slots=True)
class Front:
    """Where clients come in. `trusted`: proxies before this one whose X-Forwarded-For counts; port 0: not at all."""

    address: str = "0.0.0.0"  # noqa: S104 - clients are everywhere
    http_port: int = 80
    https_port: int = 443
    trusted: int = 0
    proxy_protocol: bool = False
    access_log: bool = True


def plain(front: Front) -> Listener:
    """The listener for HTTP."""
    return Listener(
        name=HTTP,
        address=_address(front.address, front.http_port),
        listener_filters=_before(front),
        filter_chains=[FilterChain(filters=[_manager(front, HTTP)])],
        per_connection_buffer_limit_bytes=UInt32Value(value=BUFFER),
    )


def secure(front: Front, tls: Mapping[str, Key]) -> Listener:
    """The listener for HTTPS; who asks for a name without a certificate gets the fallback's."""
    by_secret: dict[Key, list[str]] = {}
    for host, key in sorted(tls.items()):
        by_secret.setdefault(key, []).append(host)
    chains = [_chain(front, str(key), [host for host in hosts if host != ANY_HOST]) for key, hosts in by_secret.items()]
    own = tls.get(ANY_HOST)
    return Listener(
        name=HTTPS,
        address=_address(front.address, front.https_port),
        listener_filters=[*_before(front), ListenerFilter(name="tls", typed_config=packed(TlsInspector()))],
        filter_chains=[each for each in chains if each.filter_chain_match.server_names],
        default_filter_chain=_chain(front, str(own) if own else FALLBACK, []),
        per_connection_buffer_limit_bytes=UInt32Value(value=BUFFER),
    )


def secret(name: str, certificate: Certificate) -> Secret:
    """One certificate, as SDS hands it out."""
    chain_, key = (DataSource(inline_bytes=part) for part in (certificate.chain, certificate.key))
    return Secret(name=name, tls_certificate=TlsCertificate(certificate_chain=chain_, private_key=key))


def _address(host: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=host, port_value=port))


def _before(front: Front) -> list[ListenerFilter]:
    if not front.proxy_protocol:
        return []
    return [ListenerFilter(name="proxy_protocol", typed_config=packed(ProxyProtocol()))]


def _chain(front: Front, name: str, hosts: Sequence[str]) -> FilterChain:
    context = CommonTlsContext(
        tls_params=TlsParameters(tls_minimum_protocol_version=TlsParameters.TLSv1_2),
        alpn_protocols=["h2", "http/1.1"],
        tls_certificate_sds_secret_configs=[SdsSecretConfig(name=name, sds_config=ADS)],
    )
    socket = TransportSocket(
        name="envoy.transport_sockets.tls", typed_config=packed(DownstreamTlsContext(common_tls_context=context))
    )
    return FilterChain(
        name=name,
        filter_chain_match=FilterChainMatch(server_names=hosts),
        filters=[_manager(front, HTTPS)],
        transport_socket=socket,
    )


def _manager(front: Front, name: str) -> Filter:
    """Bounded in what a client may send and how slowly; paths are made plain before anything looks at them."""
    manager = HttpConnectionManager(
        stat_prefix=name,
        rds=Rds(config_source=ADS, route_config_name=name),
        http_filters=chain(),
        server_name="understudy",
        use_remote_address=BoolValue(value=True),
        xff_num_trusted_hops=front.trusted,
        strip_any_host_port=True,
        normalize_path=BoolValue(value=True),
        path_with_escaped_slashes_action=HttpConnectionManager.KEEP_UNCHANGED,
        common_http_protocol_options=HttpProtocolOptions(
            idle_timeout=Duration(seconds=IDLE_SECONDS),
            headers_with_underscores_action=HttpProtocolOptions.DROP_HEADER,
        ),
        http2_protocol_options=Http2ProtocolOptions(max_concurrent_streams=UInt32Value(value=STREAMS)),
        max_request_headers_kb=UInt32Value(value=HEADER_KILOBYTES),
        request_headers_timeout=Duration(seconds=HEADER_SECONDS),
        stream_idle_timeout=Duration(seconds=STREAM_SECONDS),
        drain_timeout=Duration(seconds=DRAIN_SECONDS),
        upgrade_configs=[HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        access_log=[_log()] if front.access_log else [],
    )
    return Filter(name="envoy.filters.network.http_connection_manager", typed_config=packed(manager))


def _log() -> AccessLog:
    fields = Struct()
    fields.update(_LOGGED)
    form = SubstitutionFormatString(json_format=fields, omit_empty_values=True)
    return AccessLog(name="stdout", typed_config=packed(StdoutAccessLog(log_format=form)))
