"""Which request goes where: a pure function of Ingresses, their classes, Services, EndpointSlices and Secrets.

Called by `keeper` when any of them has changed, and by `understudy route`. Answers to networking/v1 types.go. Where two
Ingresses want the same host and path the older one has it, and the other is told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from understudy.kinds.meta import Key
from understudy.proxy.ingress.certificates import Unusable, certificate
from understudy.proxy.ingress.kinds import (
    Backend,
    EndpointSlice,
    Ingress,
    IngressClass,
    IngressPath,
    Secret,
    Service,
    ServicePort,
)
from understudy.proxy.ingress.model import (
    ANY_HOST,
    Address,
    Certificate,
    Condition,
    Match,
    PathType,
    Problem,
    Protocol,
    Route,
    RouteTable,
    Split,
    Upstream,
)
from understudy.proxy.ingress.policy import Policy, read

CONTROLLER = "understudy.dev/ingress"
LEGACY_CLASS = "kubernetes.io/ingress.class"
EVERYTHING = Match(PathType.PREFIX, "/")
PROTOCOLS: Mapping[str, Protocol] = {
    "http": "HTTP",
    "https": "HTTPS",
    "grpc": "GRPC",
    "kubernetes.io/h2c": "H2C",
    "kubernetes.io/ws": "HTTP",
    "kubernetes.io/wss": "HTTPS",
}
"""appProtocol of a Service's port (KEP-1422, KEP-3726)."""


class World(NamedTuple):
    """What the API server has. `slices` are those of each Service; `nginx`: ingress-nginx's annotations count, too."""

    ingresses: Sequence[Ingress]
    classes: Mapping[str, IngressClass]
    services: Mapping[Key, Service]
    slices: Mapping[Key, Sequence[EndpointSlice]]
    secrets: Mapping[Key, Secret]
    nginx: bool = False


def routes(world: World) -> RouteTable:
    """The whole table."""
    mine = sorted((each for each in world.ingresses if is_ours(each, world.classes)), key=_age)
    table = _Table(world)
    read_of = {each.key: table.policy(each) for each in mine}
    for each in mine:
        if not read_of[each.key].canary:
            table.add(each, read_of[each.key])
    for each in mine:
        if read_of[each.key].canary:
            table.add_canary(each, read_of[each.key])
    return table.done()


def is_ours(ingress: Ingress, classes: Mapping[str, IngressClass]) -> bool:
    """By its class, or by the annotation that was there before classes; one that has neither is nobody's."""
    name = ingress.spec.ingressClassName or ingress.metadata.annotations.get(LEGACY_CLASS, "")
    found = classes.get(name)
    return found is not None and found.spec.controller == CONTROLLER


def _age(ingress: Ingress) -> tuple[str, Key]:
    return ingress.metadata.creationTimestamp or "", ingress.key


@dataclass(frozen=True, slots=True)
class _Target:
    """A backend that was looked up."""

    to: tuple[Split, ...]
    why: str = ""


class _Table:
    """Gathers the routes, the oldest Ingress first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hosts: dict[str, dict[Match, Route]] = {}
        self._fallbacks: dict[str, Route] = {}
        self._tls: dict[str, Key] = {}
        self._secrets: dict[Key, Certificate] = {}
        self._problems: list[Problem] = []

    def policy(self, ingress: Ingress) -> Policy:
        """What its annotations ask for; it is told of those that cannot be followed."""
        policy, wrong = read(ingress.metadata.annotations, nginx=self._world.nginx)
        for sentence in wrong:
            self._tell(ingress, "InvalidAnnotation", sentence)
        return policy

    def add(self, ingress: Ingress, policy: Policy) -> None:
        """Its routes, certificates and default backend."""
        self._certificates(ingress)
        for host, path in _paths(ingress):
            target = self._target(ingress, path.backend, policy)
            self._route(host, Route(_match(path, policy), ingress.key, target.to, target.why, policy))
        if ingress.spec.defaultBackend is not None:
            target = self._target(ingress, ingress.spec.defaultBackend, policy)
            fallback = Route(EVERYTHING, ingress.key, target.to, target.why, policy)
            for host in dict.fromkeys((*(rule.host for rule in ingress.spec.rules), ANY_HOST)):
                self._fallbacks.setdefault(host, fallback)

    def add_canary(self, ingress: Ingress, policy: Policy) -> None:
        """A share of what another Ingress' routes get; without those there is nothing to share."""
        for host, path in _paths(ingress):
            match = _match(path, policy)
            main = self._hosts.get(host, {}).get(match)
            target = self._target(ingress, path.backend, policy)
            if main is None:
                self._tell(ingress, "CanaryAlone", f"no other Ingress has {host or '*'}{match.path} to share")
            elif target.to and main.to:
                self._hosts[host].update(_shared(main, target.to[0].upstream, policy))

    def _route(self, host: str, route: Route) -> None:
        held = self._hosts.setdefault(host, {})
        other = held.get(route.match)
        if other is None:
            held[route.match] = route
        elif other.owner != route.owner:
            place = f"{host or '*'}{route.match.path} ({route.match.type.value})"
            message = f"{place} is served by the Ingress {other.owner}, which is older"
            self._problems.append(Problem(route.owner, "Conflict", message))

    def _target(self, ingress: Ingress, backend: Backend, policy: Policy) -> _Target:
        """Where a backend leads; if nowhere, its Ingress is told why."""
        if policy.closed:
            return _Target((), policy.closed)
        if backend.service is None:
            return self._nowhere(ingress, "ResourceBackend", "a backend that is no Service cannot be sent to")
        name, port = backend.service.name, backend.service.port
        service = self._world.services.get(Key(ingress.namespace, name))
        if service is None:
            return self._nowhere(ingress, "ServiceNotFound", f"there is no Service {name}")
        if service.spec.type == "ExternalName":
            return self._nowhere(ingress, "ExternalName", f"the Service {name} leads out of the cluster")
        found = _port_of(service, port.name, port.number)
        if found is None:
            return self._nowhere(ingress, "PortNotFound", f"the Service {name} has no port {port}")
        upstream = Upstream(service.namespace, service.name, found.port, _protocol(found, policy))
        return _Target((Split(upstream),))

    def _nowhere(self, ingress: Ingress, reason: str, message: str) -> _Target:
        self._tell(ingress, reason, message)
        return _Target((), message)

    def _certificates(self, ingress: Ingress) -> None:
        for tls in ingress.spec.tls:
            key = Key(ingress.namespace, tls.secretName)
            if not tls.secretName or not self._has(ingress, key):
                continue
            hosts = tls.hosts or tuple(dict.fromkeys(rule.host for rule in ingress.spec.rules)) or (ANY_HOST,)
            for host in hosts:
                if self._tls.setdefault(host, key) != key:
                    message = f"the certificate of {host or '*'} is that of the Secret {self._tls[host]}"
                    self._tell(ingress, "Conflict", message)

    def _has(self, ingress: Ingress, key: Key) -> bool:
        if key not in self._secrets:
            try:
                self._secrets[key] = certificate(self._world.secrets.get(key))
            except Unusable as error:
                self._tell(ingress, "InvalidCertificate", f"the Secret {key.name} {error}")
                return False
        return True

    def _tell(self, ingress: Ingress, reason: str, message: str) -> None:
        self._problems.append(Problem(ingress.key, reason, message))

    def done(self) -> RouteTable:
        """Everything in its order, the fallbacks last, with the endpoints that are needed."""
        hosts = {
            host: tuple(sorted(held.values(), key=lambda route: route.match.order))
            for host, held in self._hosts.items()
        }
        for host, fallback in self._fallbacks.items():
            if all(route.match != EVERYTHING for route in hosts.get(host, ())):
                hosts[host] = (*hosts.get(host, ()), fallback)
        needed = {split.upstream for held in hosts.values() for route in held for split in route.to}
        endpoints = {upstream: self._endpoints(upstream) for upstream in sorted(needed)}
        used = {key: self._secrets[key] for key in sorted(set(self._tls.values()))}
        problems = tuple(dict.fromkeys(self._problems))
        return RouteTable(hosts, endpoints, self._tls, used, problems)

    def _endpoints(self, upstream: Upstream) -> tuple[Address, ...]:
        key = Key(upstream.namespace, upstream.service)
        service = self._world.services[key]
        port = next(each for each in service.spec.ports if each.port == upstream.port)
        return endpoints(self._world.slices.get(key, ()), port.name)


def _order(route: Route) -> tuple[int, int, str, bool]:
    return route.match.order


def endpoints(slices: Iterable[EndpointSlice], port: str) -> tuple[Address, ...]:
    """Addresses of the ready ones; if there are none, of those that still serve while they end (KEP-1669)."""
    ready: dict[Address, None] = {}
    ending: dict[Address, None] = {}
    for each in slices:
        numbers = [one.port for one in each.ports or () if (one.name or "") == port and one.port is not None]
        for endpoint in each.endpoints or ():
            said = endpoint.conditions
            chosen = ready if said.ready is not False else ending if said.serving and said.terminating else None
            if chosen is not None:
                chosen.update(((address, number), None) for address in endpoint.addresses[:1] for number in numbers)
    return tuple(sorted(ready or ending))


def _paths(ingress: Ingress) -> Iterator[tuple[str, IngressPath]]:
    """Each path with its host; a rule without paths is one for everything, to the default backend."""
    for rule in ingress.spec.rules:
        if rule.http is not None:
            yield from ((rule.host.lower(), path) for path in rule.http.paths)


def _match(path: IngressPath, policy: Policy) -> Match:
    """ImplementationSpecific is Prefix here, or a regular expression if the annotation says so."""
    text = path.path or "/"
    if path.pathType == "Exact":
        return Match(PathType.EXACT, text)
    if policy.use_regex and path.pathType == "ImplementationSpecific":
        return Match(PathType.REGEX, text)
    return Match(PathType.PREFIX, text.rstrip("/") or "/")


def _port_of(service: Service, name: str, number: int) -> ServicePort | None:
    for port in service.spec.ports:
        if port.protocol == "TCP" and (port.name == name if name else port.port == number):
            return port
    return None


def _protocol(port: ServicePort, policy: Policy) -> Protocol:
    """The annotation comes before what the Service says."""
    asked: Literal["HTTP", "HTTPS", "GRPC", "GRPCS"] | str = policy.backend_protocol
    for protocol in ("HTTPS", "GRPC", "GRPCS"):
        if asked == protocol:
            return protocol
    return PROTOCOLS.get(port.appProtocol or "", "HTTP")


def _shared(main: Route, canary: Upstream, policy: Policy) -> dict[Match, Route]:
    """The routes in place of `main`: those that a header or a cookie chooses, and a share of all others."""
    match, chosen = main.match, (Split(canary),)
    found: dict[Match, Route] = {}
    for condition, to in _conditions(main, chosen, policy):
        found[replace(match, condition=condition)] = replace(main, match=replace(match, condition=condition), to=to)
    weight = policy.canary_weight
    if weight:
        whole = tuple(replace(split, weight=100 - weight) for split in main.to[:1])
        main = replace(main, to=tuple(each for each in (*whole, Split(canary, weight)) if each.weight))
    return {**found, match: main}


def _conditions(
    main: Route, canary: tuple[Split, ...], policy: Policy
) -> Iterator[tuple[Condition, tuple[Split, ...]]]:
    """As ingress-nginx: `always` and `never`, or a value of one's own."""
    header, cookie = policy.canary_by_header, policy.canary_by_cookie
    if header and policy.canary_by_header_value:
        yield Condition(header.lower(), policy.canary_by_header_value), canary
    elif header:
        yield Condition(header.lower(), "always"), canary
        yield Condition(header.lower(), "never"), main.to
    if cookie:
        yield Condition(cookie, "always", cookie=True), canary
        yield Condition(cookie, "never", cookie=True), main.to
