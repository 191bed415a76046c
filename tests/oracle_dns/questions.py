"""What is asked of both servers: about what is there, what nearly is, and what never was. Pure.

Called by `__main__` with the Services as the API server holds them, so that their addresses are known.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.oracle_dns.drawn import NAMESPACES, OUTSIDE, Drawn, Object, addresses
from tests.unit.dns.decoder import ask, edns
from understudy.dns.names import AAAA, ANY, CNAME, MX, NS, PTR, SOA, SRV, TXT, A, reverse

ORIGIN = "cluster.local"
CAA, HTTPS, DS = 257, 65, 43
KINDS = (A, A, A, AAAA, AAAA, SRV, SRV, PTR, CNAME, TXT, SOA, NS, MX, ANY, CAA, HTTPS, DS)
RD, AD, CD = 0x0100, 0x0020, 0x0010
NUMBER = 4711


class Question(NamedTuple):
    """One question; `size`: what an OPT record offers, 0 for none."""

    name: str
    kind: int
    flags: int = RD
    size: int = 0
    tcp: bool = False

    def wire(self) -> bytes:
        opt = edns(self.size) if self.size else None
        return ask(self.name, self.kind, number=NUMBER, flags=self.flags, opt=opt)


def draw(seed: int, count: int, drawn: Drawn, services: Sequence[Object]) -> list[Question]:
    """That many questions about these objects."""
    rng = random.Random(seed)
    endpoints = addresses(drawn) or ["10.1.2.3"]
    of_service: list[Callable[[Object], str]] = [
        _own,
        _own,
        lambda each: f"{_port(rng, each)}.{_own(each)}",
        lambda each: f"{_port(rng, each)}.{_own(each)}",
        lambda each: f"host-{rng.randrange(7)}.{_own(each)}",
        lambda each: f"{_dashed(rng.choice(endpoints))}.{_own(each)}",
        lambda each: f"_{rng.choice(('tcp', 'udp', 'sctp', 'http'))}.{_own(each)}",
        lambda each: f"nothing.{_own(each)}",
        lambda each: f"a.b.c.{_own(each)}",
        lambda each: reverse(_address(rng, each) or rng.choice(endpoints)),
    ]
    others: list[Callable[[], str]] = [
        lambda: rng.choice(_fixed()),
        lambda: f"{_dashed(rng.choice([*endpoints, '10.1.2.3', '1.2.3.256']))}.{_namespace(rng)}.pod.{ORIGIN}",
        lambda: reverse(rng.choice(endpoints)),
        lambda: f"{_odd(rng)}.{_namespace(rng)}.svc.{ORIGIN}",
        lambda: f"{rng.choice(services)['metadata']['name']}.{_namespace(rng)}.svc.{ORIGIN}",
        lambda: f"host-{rng.randrange(50)}.{OUTSIDE}",
    ]
    return [
        _dressed(rng, rng.choice(of_service)(rng.choice(services)) if rng.random() < 0.75 else rng.choice(others)())
        for _ in range(count)
    ]


def _dressed(rng: random.Random, name: str) -> Question:
    kind = PTR if name.endswith(".arpa") and rng.random() < 0.8 else rng.choice(KINDS)
    if rng.random() < 0.3:
        name = "".join(rng.choice((sign, sign.upper())) for sign in name)
    flags = RD * (rng.random() < 0.8) | AD * (rng.random() < 0.1) | CD * (rng.random() < 0.1)
    return Question(name, kind, flags, rng.choice((0, 0, 512, 1232)), rng.random() < 0.3)


def _own(service: Object) -> str:
    metadata = service["metadata"]
    return f"{metadata['name']}.{metadata['namespace']}.svc.{ORIGIN}"


def _port(rng: random.Random, service: Object) -> str:
    """The label of one of its ports, or nearly."""
    ports = service["spec"].get("ports") or [{}]
    port = rng.choice(ports)
    name, protocol = port.get("name", "none"), port.get("protocol", "TCP")
    if rng.random() < 0.2:
        protocol = rng.choice(("tcp", "udp", "sctp", "quic"))
    return f"_{name}._{protocol}".lower()


def _address(rng: random.Random, service: Object) -> str:
    found = [each for each in service["spec"].get("clusterIPs", ()) if each != "None"]
    return rng.choice(found) if found else ""


def _dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")


def _namespace(rng: random.Random) -> str:
    return rng.choice((*NAMESPACES, "default", "not-there"))


def _odd(rng: random.Random) -> str:
    return rng.choice(("*", "any", "_", "web", "web_1", "-", "xn--a", "a" * 63, "kubernetes"))


def _fixed() -> tuple[str, ...]:
    below = ("", "svc", "pod", "ns.dns", "dns", "dns-version", "default.svc", "default.pod", "not-there.svc", "nope")
    return (
        *(f"{each}.{ORIGIN}".removeprefix(".") for each in below),
        f"kubernetes.default.svc.{ORIGIN}",
        f"_https._tcp.kubernetes.default.svc.{ORIGIN}",
        f"kube-dns.kube-system.svc.{ORIGIN}",
        "1.0.96.10.in-addr.arpa",
        "not.an.address.in-addr.arpa",
        "local",
    )
