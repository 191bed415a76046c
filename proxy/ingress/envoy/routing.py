"""Virtual hosts and their routes. Called by `render`; pure. Answers to envoy config.route.v3.

Envoy's `*.example.com` covers any number of labels, an Ingress' exactly one: the routes of such a host look at the name
again, and names of more labels go where names of no rule go.
"""

import re
from collections.abc import Iterable, Iterator

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.config.route.v3.route_components_pb2 import (
    DirectResponseAction,
    HeaderMatcher,
    RedirectAction,
    RetryPolicy,
    RouteAction,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from envoy.config.route.v3.route_components_pb2 import Route as EnvoyRoute
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute, RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import UInt32Value

from understudy.proxy.ingress.envoy.filters import of_policy
from understudy.proxy.ingress.model import ANY_HOST, Condition, Match, PathType, Route, RouteTable
from understudy.proxy.ingress.policy import Policy

HTTP, HTTPS = "http", "https"
READ_SECONDS = 60
"""Of silence of a backend, as ingress-nginx; a stream may take as long as it likes."""
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
"""Only what the backend cannot have seen: a request is never served twice."""
RETRIES = 2
NOBODY = 503


def configuration(table: RouteTable, name: str) -> RouteConfiguration:
    """All hosts, as seen by those who come over plain HTTP or over HTTPS."""
    hosts = [
        VirtualHost(name=host or "*", domains=[host or "*"], routes=list(_routes(table, host, secure=name == HTTPS)))
        for host in sorted(table.hosts)
    ]
    return RouteConfiguration(name=name, virtual_hosts=hosts)


def _routes(table: RouteTable, host: str, *, secure: bool) -> Iterator[EnvoyRoute]:
    """In the order in which they are tried."""
    own = table.hosts[host]
    redirected = not secure and host in table.tls
    names = _one_label(host) if host.startswith("*.") else None
    for route in own:
        yield from _of(route, names, secure=secure, has_tls=redirected)
    if names is not None:
        yield EnvoyRoute(
            match=RouteMatch(prefix="/", headers=[names]), direct_response=DirectResponseAction(status=404)
        )
        for route in table.hosts.get(ANY_HOST, ()):
            yield from _of(route, None, secure=secure, has_tls=False)


def _one_label(host: str) -> HeaderMatcher:
    pattern = r"[^.]+" + re.escape(host.removeprefix("*"))
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=RegexMatcher(regex=f"(?i){pattern}")))


def _of(route: Route, names: HeaderMatcher | None, *, secure: bool, has_tls: bool) -> Iterator[EnvoyRoute]:
    policy = route.policy
    found = EnvoyRoute(match=_match(route.match, names))
    if not secure and (policy.force_ssl_redirect or (has_tls and policy.ssl_redirect)):
        found.redirect.CopyFrom(RedirectAction(https_redirect=True, response_code=RedirectAction.PERMANENT_REDIRECT))
        yield found
        return
    if policy.app_root and route.match.path == "/":
        root = EnvoyRoute(match=_match(Match(PathType.EXACT, "/", route.match.condition), names))
        root.redirect.CopyFrom(RedirectAction(path_redirect=policy.app_root, response_code=RedirectAction.FOUND))
        yield root
    _act(found, route)
    if secure and policy.hsts_max_age is not None:
        found.response_headers_to_add.append(_hsts(policy))
    for name, settings in of_policy(policy).items():
        found.typed_per_filter_config[name].CopyFrom(settings)
    yield found


def _act(found: EnvoyRoute, route: Route) -> None:
    """Redirect, send on, or say that there is nobody."""
    policy = route.policy
    elsewhere = policy.permanent_redirect or policy.temporal_redirect
    if elsewhere:
        code = RedirectAction.MOVED_PERMANENTLY if policy.permanent_redirect else RedirectAction.FOUND
        scheme, _, rest = elsewhere.partition("://")
        host, slash, path = rest.partition("/")
        action = RedirectAction(scheme_redirect=scheme, host_redirect=host, path_redirect=slash + path)
        action.response_code = code
        found.redirect.CopyFrom(action)
    elif route.to:
        found.route.CopyFrom(_send(route))
    else:
        found.direct_response.CopyFrom(DirectResponseAction(status=NOBODY))


def _match(match: Match, names: HeaderMatcher | None) -> RouteMatch:
    found = RouteMatch(headers=[*_headers(match.condition), *([names] if names else [])])
    match match.type:
        case PathType.EXACT:
            found.path = match.path
        case PathType.REGEX:
            found.safe_regex.CopyFrom(RegexMatcher(regex=f"{match.path}.*"))
        case PathType.PREFIX if match.path == "/":
            found.prefix = "/"
        case PathType.PREFIX:
            found.path_separated_prefix = match.path
    return found


def _headers(condition: Condition | None) -> Iterable[HeaderMatcher]:
    if condition is None:
        return ()
    if condition.cookie:
        pattern = rf"(.*;\s*)?{re.escape(condition.name)}={re.escape(condition.value)}(;.*)?"
        return (HeaderMatcher(name="cookie", string_match=StringMatcher(safe_regex=RegexMatcher(regex=pattern))),)
    return (HeaderMatcher(name=condition.name, string_match=StringMatcher(exact=condition.value)),)


def _send(route: Route) -> RouteAction:
    policy = route.policy
    action = RouteAction(
        timeout=Duration(seconds=0),
        idle_timeout=Duration(seconds=int(policy.proxy_read_timeout or READ_SECONDS)),
        retry_policy=_retries(policy),
        hash_policy=_hash(policy),
    )
    if len(route.to) == 1:
        action.cluster = str(route.to[0].upstream)
    else:
        shares = [
            WeightedCluster.ClusterWeight(name=str(each.upstream), weight=_number(each.weight)) for each in route.to
        ]
        action.weighted_clusters.CopyFrom(WeightedCluster(clusters=shares))
    if policy.rewrite_target is not None:
        action.regex_rewrite.CopyFrom(_rewrite(route.match, policy.rewrite_target))
    return action


def _rewrite(match: Match, target: str) -> RegexMatchAndSubstitute:
    """With a regular expression, $1 is its first group; without, the target takes the place of what matched."""
    if match.type is PathType.REGEX:
        pattern, substitution = f"^{match.path}.*$", re.sub(r"\$(\d)", r"\\\1", target)
    else:
        pattern, substitution = f"^{re.escape(match.path)}(/|$)?", target if target.endswith("/") else f"{target}\\1"
    return RegexMatchAndSubstitute(pattern=RegexMatcher(regex=pattern), substitution=substitution)


def _retries(policy: Policy) -> RetryPolicy:
    tries = policy.proxy_next_upstream_tries
    return RetryPolicy(retry_on=RETRY_ON, num_retries=_number(RETRIES if tries is None else max(tries - 1, 0)))


def _hash(policy: Policy) -> list[RouteAction.HashPolicy]:
    if policy.affinity == "cookie":
        cookie = RouteAction.HashPolicy.Cookie(name=policy.session_cookie_name, path=policy.session_cookie_path)
        cookie.ttl.CopyFrom(Duration(seconds=policy.session_cookie_max_age or 0))
        return [RouteAction.HashPolicy(cookie=cookie)]
    if policy.upstream_hash_by is None:
        return []
    return [_keyed(policy.upstream_hash_by)]


def _keyed(by: str) -> RouteAction.HashPolicy:
    """$remote_addr, $http_NAME, $arg_NAME, as ingress-nginx; anything else is the path."""
    if by == "$remote_addr":
        properties = RouteAction.HashPolicy.ConnectionProperties(source_ip=True)
        return RouteAction.HashPolicy(connection_properties=properties)
    if by.startswith("$arg_"):
        return RouteAction.HashPolicy(query_parameter=RouteAction.HashPolicy.QueryParameter(name=by[5:]))
    header = by[6:].replace("_", "-") if by.startswith("$http_") else ":path"
    return RouteAction.HashPolicy(header=RouteAction.HashPolicy.Header(header_name=header))


def _hsts(policy: Policy) -> HeaderValueOption:
    value = f"max-age={policy.hsts_max_age}" + ("; includeSubDomains" if policy.hsts_include_subdomains else "")
    return HeaderValueOption(
        header=HeaderValue(key="strict-transport-security", value=value),
        append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _number(value: int) -> UInt32Value:
    return UInt32Value(value=value)
