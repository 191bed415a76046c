"""Everything Envoy has to know for a route table, by type and name, as bytes. Pure; called by `keeper`.

What has not changed comes out the same byte for byte, so that a look at the bytes says what has to be told.
"""

from collections.abc import Mapping

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf.message import Message

from understudy.proxy.ingress.envoy import listeners
from understudy.proxy.ingress.envoy.clusters import assignment, cluster
from understudy.proxy.ingress.envoy.listeners import FALLBACK, Front
from understudy.proxy.ingress.envoy.routing import HTTP, HTTPS, configuration
from understudy.proxy.ingress.model import Certificate, RouteTable, Upstream

Resources = Mapping[str, Mapping[str, bytes]]
"""Serialized messages by the type's URL and their name."""


def url_of(message: type[Message]) -> str:
    """The name by which xDS calls a type."""
    return f"type.googleapis.com/{message.DESCRIPTOR.full_name}"


CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, SECRETS = map(
    url_of, (Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, Secret)
)
MAKE_BEFORE_BREAK = (CLUSTERS, ENDPOINTS, SECRETS, LISTENERS, ROUTES)
"""The order in which new things are told: nothing names what is not there yet. What goes is told in the other."""


def render(table: RouteTable, front: Front, fallback: Certificate) -> Resources:
    """`fallback` is the certificate for names without one."""
    sticky = _sticky(table)
    found: dict[str, dict[str, Message]] = {
        CLUSTERS: {str(each): cluster(each, sticky=each in sticky) for each in table.endpoints},
        ENDPOINTS: {str(each): assignment(each, where) for each, where in table.endpoints.items()},
        SECRETS: {str(key): listeners.secret(str(key), each) for key, each in table.secrets.items()},
        LISTENERS: {},
        ROUTES: {},
    }
    if front.http_port:
        found[LISTENERS][HTTP] = listeners.plain(front)
        found[ROUTES][HTTP] = configuration(table, HTTP)
    if front.https_port:
        found[LISTENERS][HTTPS] = listeners.secure(front, table.tls)
        found[ROUTES][HTTPS] = configuration(table, HTTPS)
        found[SECRETS][FALLBACK] = listeners.secret(FALLBACK, fallback)
    return {kind: {name: serialized(each) for name, each in of.items()} for kind, of in found.items()}


def serialized(message: Message) -> bytes:
    """The same bytes for the same content."""
    found: bytes = message.SerializeToString(deterministic=True)
    return found


def _sticky(table: RouteTable) -> frozenset[Upstream]:
    return frozenset(
        split.upstream
        for held in table.hosts.values()
        for route in held
        if route.policy.affinity or route.policy.upstream_hash_by
        for split in route.to
    )
