"""What one Envoy is told and when: the delta protocol of xDS as a state machine, without any I/O.

`ads` has one `Stream` for each connection. Told is only what differs from what Envoy has, by a hash of the bytes; after
a reconnect Envoy says what it has. Routes and listeners wait until the clusters they may name have their endpoints:
else requests would find a cluster that is still warming, and fail. Answers to envoy docs xds_protocol (incremental).
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from understudy.proxy.ingress.envoy.render import CLUSTERS, ENDPOINTS, LISTENERS, MAKE_BEFORE_BREAK, ROUTES, Resources

WILDCARD = "*"
_ALWAYS_ALL = (CLUSTERS, LISTENERS)
"""Types that Envoy asks for without names."""


@dataclass(frozen=True, slots=True)
class Request:
    """What Envoy says: an acknowledgement of `nonce`, a refusal if there is an `error`, or what it wants to know."""

    kind: str
    nonce: str = ""
    error: str = ""
    subscribe: Collection[str] = ()
    unsubscribe: Collection[str] = ()
    has: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """What it is told: `resources` with version and bytes by name."""

    kind: str
    nonce: str
    resources: Mapping[str, tuple[str, bytes]]
    removed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Type:
    """What this Envoy wants of a type and what it was told. `sent` is the version by name, "" of what is not there."""

    begun: bool = False
    everything: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    def wants(self, name: str) -> bool:
        return self.everything or name in self.names


def version(content: bytes) -> str:
    """Of a resource: the same for the same bytes."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


class Stream:
    """One connection. `errors` are refusals by type, until something of that type is accepted again."""

    def __init__(self) -> None:
        self._types = {kind: _Type() for kind in MAKE_BEFORE_BREAK}
        self._nonces = 0
        self.errors: dict[str, str] = {}

    def asked(self, request: Request, resources: Resources) -> list[Response]:
        """Envoy has said something; what it is told now."""
        of = self._types.get(request.kind)
        if of is None:
            return []
        if request.nonce:
            self._acknowledged(of, request)
        if not of.begun:
            of.begun = True
            of.sent.update(request.has)
            of.everything = request.kind in _ALWAYS_ALL and not request.subscribe
        of.everything |= WILDCARD in request.subscribe
        of.names.update(set(request.subscribe) - {WILDCARD})
        for name in request.subscribe:
            of.sent.pop(name, None)
        for name in request.unsubscribe:
            of.names.discard(name)
            of.sent.pop(name, None)
        return self.changed(resources)

    def changed(self, resources: Resources) -> list[Response]:
        """The resources are these now; what of that is told."""
        return [*self._new(resources), *self._gone(resources)]

    def _acknowledged(self, of: _Type, request: Request) -> None:
        of.waiting.discard(request.nonce)
        if request.error:
            self.errors[request.kind] = request.error
        else:
            self.errors.pop(request.kind, None)

    def _new(self, resources: Resources) -> Iterator[Response]:
        for kind in MAKE_BEFORE_BREAK:
            if kind in (LISTENERS, ROUTES) and not self._warm(resources):
                return
            of, held = self._types[kind], resources.get(kind, {})
            due = {name: (version(content), content) for name, content in held.items() if of.begun and of.wants(name)}
            due = {name: each for name, each in due.items() if of.sent.get(name) != each[0]}
            missing = tuple(sorted(name for name in of.names if name not in held and name not in of.sent))
            if due or missing:
                of.sent.update({name: each[0] for name, each in due.items()})
                of.sent.update(dict.fromkeys(missing, ""))
                yield self._response(kind, due, missing)

    def _gone(self, resources: Resources) -> Iterator[Response]:
        if not self._warm(resources):
            return
        for kind in reversed(MAKE_BEFORE_BREAK):
            of, held = self._types[kind], resources.get(kind, {})
            gone = tuple(sorted(name for name, has in of.sent.items() if has and name not in held))
            if gone:
                _forget(of, gone)
                yield self._response(kind, {}, gone)

    def _warm(self, resources: Resources) -> bool:
        """Whether every cluster Envoy knows of has its endpoints, or there is one it would not take."""
        clusters, endpoints = self._types[CLUSTERS], self._types[ENDPOINTS]
        if CLUSTERS in self.errors or ENDPOINTS in self.errors:
            return True
        if clusters.waiting or endpoints.waiting:
            return False
        return all(name in endpoints.sent for name in clusters.sent if name in resources.get(CLUSTERS, {}))

    def _response(self, kind: str, due: Mapping[str, tuple[str, bytes]], removed: Iterable[str]) -> Response:
        self._nonces += 1
        nonce = str(self._nonces)
        self._types[kind].waiting.add(nonce)
        return Response(kind, nonce, due, tuple(removed))


def _forget(of: _Type, names: Iterable[str]) -> None:
    """Of what is asked for by name it stays known that it is not there."""
    for name in names:
        if name in of.names:
            of.sent[name] = ""
        else:
            del of.sent[name]
