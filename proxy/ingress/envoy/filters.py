"""HTTP filters: the chain that every request passes, and what a policy sets in it for one route. Pure.

Each filter stands in the chain without effect and is set route by route. Called by `routing` and `listeners`. Answers
to envoy extensions.filters.http.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.core.v3.base_pb2 import RuntimeFractionalPercent
from envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Principal
from envoy.config.rbac.v3.rbac_pb2 import Policy as RbacPolicy
from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors, CorsPolicy
from envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as access
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from envoy.type.v3.percent_pb2 import FractionalPercent
from envoy.type.v3.token_bucket_pb2 import TokenBucket
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from understudy.proxy.ingress.envoy.clusters import packed
from understudy.proxy.ingress.policy import Policy

ACCESS, RATE, CORS, ROUTER = (
    "envoy.filters.http.rbac",
    "envoy.filters.http.local_ratelimit",
    "envoy.filters.http.cors",
    "envoy.filters.http.router",
)
BURST = 5
"""Times the rate that may come at once, as ingress-nginx's limit-burst-multiplier."""
_ALL = RuntimeFractionalPercent(default_value=FractionalPercent(numerator=100, denominator=FractionalPercent.HUNDRED))


def chain() -> list[HttpFilter]:
    """In the order in which a request passes them."""
    limit = LocalRateLimit(stat_prefix="rate")
    each: tuple[tuple[str, Message], ...] = ((ACCESS, access.RBAC()), (RATE, limit), (CORS, Cors()), (ROUTER, Router()))
    return [HttpFilter(name=name, typed_config=packed(settings)) for name, settings in each]


def of_policy(policy: Policy) -> Mapping[str, Packed]:
    """What a route says to the filters, by their names."""
    return {name: packed(settings) for name, settings in _settings(policy)}


def _settings(policy: Policy) -> Iterator[tuple[str, Message]]:
    if policy.whitelist_source_range or policy.denylist_source_range:
        yield ACCESS, access.RBACPerRoute(rbac=access.RBAC(rules=_access(policy)))
    if policy.limit_rps:
        yield RATE, _rate(policy.limit_rps)
    if policy.enable_cors:
        yield CORS, _cors(policy)


def _access(policy: Policy) -> RBAC:
    """Allowed are those of the one list, if there is one, who are not of the other."""
    wanted = [_from(policy.whitelist_source_range)] if policy.whitelist_source_range else [Principal(any=True)]
    if policy.denylist_source_range:
        wanted.append(Principal(not_id=_from(policy.denylist_source_range)))
    who = Principal(and_ids=Principal.Set(ids=wanted))
    rule = RbacPolicy(permissions=[Permission(any=True)], principals=[who])
    return RBAC(action=RBAC.ALLOW, policies={"source": rule})


def _from(networks: tuple[str, ...]) -> Principal:
    ranges = [ip_network(each) for each in networks]
    ids = [
        Principal(
            remote_ip=CidrRange(address_prefix=str(each.network_address), prefix_len=UInt32Value(value=each.prefixlen))
        )
        for each in ranges
    ]
    return Principal(or_ids=Principal.Set(ids=ids))


def _rate(a_second: int) -> LocalRateLimit:
    """Of this proxy: another replica counts for itself."""
    bucket = TokenBucket(
        max_tokens=a_second * BURST, tokens_per_fill=UInt32Value(value=a_second), fill_interval=Duration(seconds=1)
    )
    return LocalRateLimit(stat_prefix="rate", token_bucket=bucket, filter_enabled=_ALL, filter_enforced=_ALL)


def _cors(policy: Policy) -> CorsPolicy:
    return CorsPolicy(
        allow_origin_string_match=[_origin(each) for each in policy.cors_allow_origin],
        allow_methods=", ".join(policy.cors_allow_methods),
        allow_headers=", ".join(policy.cors_allow_headers),
        expose_headers=", ".join(policy.cors_expose_headers),
        max_age=str(policy.cors_max_age),
        allow_credentials=BoolValue(value=policy.cors_allow_credentials),
    )


def _origin(text: str) -> StringMatcher:
    """`https://*.example.com` covers one label; `*` is everybody."""
    if "*" not in text:
        return StringMatcher(exact=text)
    pattern = ".*" if text == "*" else r"[^.:/]+".join(_quoted(each) for each in text.split("*"))
    return StringMatcher(safe_regex=RegexMatcher(regex=pattern))


def _quoted(text: str) -> str:
    return "".join(f"\\{sign}" if not sign.isalnum() else sign for sign in text)
