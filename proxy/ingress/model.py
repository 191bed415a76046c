"""The route table: which request goes where. What `routes` makes and `resources` tells Envoy. Data only.

Nothing in here is Envoy's: a proxy of another make could be fed from it, and `understudy route` walks it by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from understudy.kinds.meta import Key
from understudy.proxy.ingress.policy import NO_POLICY, Policy

ANY_HOST = ""
Protocol = Literal["HTTP", "HTTPS", "GRPC", "GRPCS", "H2C"]


class PathType(Enum):
    """How a path is compared. `REGEX` only where an annotation asks for it."""

    EXACT = "Exact"
    PREFIX = "Prefix"
    REGEX = "Regex"


@dataclass(frozen=True, slots=True, order=True)
class Upstream:
    """A port of a Service: where requests are sent, and whose endpoints change without any route changing."""

    namespace: str
    service: str
    port: int
    protocol: Protocol = "HTTP"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}/{self.port}" + (f"/{self.protocol}" if self.protocol != "HTTP" else "")


@dataclass(frozen=True, slots=True)
class Split:
    """Where a share of the requests goes: `weight` of the sum of all weights."""

    upstream: Upstream
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Condition:
    """A header, or a cookie, with a value."""

    name: str
    value: str
    cookie: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A path and how it is compared; a prefix has no slash at its end unless it is all there is."""

    type: PathType
    path: str
    condition: Condition | None = None

    @property
    def order(self) -> tuple[int, int, str, bool]:
        """Exact paths first, then the longest (networking/v1 HTTPIngressPath): the first that matches wins."""
        kinds = [PathType.EXACT, PathType.REGEX, PathType.PREFIX]
        return kinds.index(self.type), -len(self.path), self.path, self.condition is None


@dataclass(frozen=True, slots=True)
class Route:
    """`owner` is the Ingress. Without `to` nobody can be sent to, and `why` says so."""

    match: Match
    owner: Key
    to: tuple[Split, ...] = ()
    why: str = ""
    policy: Policy = NO_POLICY


@dataclass(frozen=True, slots=True)
class Certificate:
    """Chain and private key in PEM."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an Ingress, as an Event says it."""

    ingress: Key
    reason: str
    message: str


Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RouteTable:
    """`hosts`: routes by host, in the order in which they are tried; `*.example.com` covers one label, ANY_HOST all.

    `endpoints` has all upstreams that any route names, `secrets` all certificates, `tls` which host has which.
    """

    hosts: Mapping[str, tuple[Route, ...]] = field(default_factory=dict)
    endpoints: Mapping[Upstream, tuple[Address, ...]] = field(default_factory=dict)
    tls: Mapping[str, Key] = field(default_factory=dict)
    secrets: Mapping[Key, Certificate] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
