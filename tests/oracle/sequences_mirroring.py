"""What users do with Endpoints of their own, and with many Pods of one Service. `sequences` adds these to its own."""

from typing import Any

from tests.oracle.acts import Body, Create, Kubectl, Patch, Sequence, step
from tests.oracle.bodies import pod as bare
from tests.oracle.bodies import service

SKIP = "endpointslice.kubernetes.io/skip-mirror"


def subset(*addresses: str, ports: tuple[tuple[str, int], ...] = (("http", 80),), **more: Any) -> Body:
    """Addresses of a documentation network."""
    listed = [{"name": name, "port": port, "protocol": "TCP"} for name, port in ports]
    return {"addresses": [{"ip": each} for each in addresses], "ports": listed, **more}


def endpoints(*subsets: Body, **metadata: Any) -> Create:
    return Create("Endpoints", {"metadata": {"name": "web", **metadata}, "subsets": list(subsets)})


def to(*subsets: Body) -> Patch:
    return Patch("Endpoints", "web", {"subsets": list(subsets)})


FIRST = subset("198.51.100.1", "198.51.100.2")
SELECTORLESS = service(selector=None, ports=[{"name": "http", "port": 80}])
MANY = tuple(f"198.51.{high}.{low}" for high in range(100, 105) for low in range(1, 251))

MIRRORING = (
    Sequence(
        "mirroring",
        (
            step("objects", SELECTORLESS, endpoints(FIRST, labels={"own": "label"}, annotations={"own": "note"})),
            step("another address", to(subset("198.51.100.1", "198.51.100.3"))),
            step("another port", to(subset("198.51.100.1", ports=(("http", 8080),)))),
            step("two lists of ports", to(FIRST, subset("198.51.100.9", ports=(("http", 80), ("admin", 81))))),
            step("both families", to(subset("198.51.100.1", "2001:db8::1"))),
            step("not ready", to({"notReadyAddresses": [{"ip": "198.51.100.4"}], "ports": FIRST["ports"]})),
            step("labels", Patch("Endpoints", "web", {"metadata": {"labels": {"own": None, "another": "label"}}})),
            step("nothing", Patch("Endpoints", "web", {"subsets": None})),
            step("again", to(FIRST)),
            step("gone", Kubectl("delete endpoints web")),
        ),
    ),
    Sequence(
        "mirroring-skipped",
        (
            step("objects", SELECTORLESS, endpoints(FIRST)),
            step("skip", Patch("Endpoints", "web", {"metadata": {"labels": {SKIP: "true"}}})),
            step("do not", Patch("Endpoints", "web", {"metadata": {"labels": {SKIP: None}}})),
            step("a selector", Patch("Service", "web", {"spec": {"selector": {"app": "none"}}})),
            step("none", Patch("Service", "web", {"spec": {"selector": None}})),
            step("no Service", Kubectl("delete service web")),
        ),
    ),
    Sequence(
        "mirroring-too-many",
        (
            step("objects", SELECTORLESS, endpoints(subset(*MANY)), still=4.0),
            step("fewer", to(subset(*MANY[:900])), still=4.0),
            step("few", to(FIRST)),
        ),
    ),
)


SIZES = (120, 150, 210, 245)


def members() -> tuple[Create, ...]:
    """Pods without names of their own, the first 120 of them of one group, the first 150 of the next, and so on."""
    made = []
    for number in range(SIZES[-1]):
        body = dict(bare("x", {f"of-{size}": "true" for size in SIZES if number < size}).body)
        body["metadata"] = {"generateName": "p-", "labels": body["metadata"]["labels"]}
        made.append(Create("Pod", body))
    return tuple(made)


def selects(size: int) -> Patch:
    """All Pods of a group at once: what comes one by one fills slices as it comes."""
    others = {f"of-{each}": None for each in SIZES if each != size}
    return Patch("Service", "web", {"spec": {"selector": {**others, f"of-{size}": "true"}}})


PACKING = (
    Sequence(
        "service-packing",
        (
            step("pods", *members(), still=4.0),
            step("two slices", service(selector={"of-120": "true"}), still=4.0),
            step("more fit in", selects(150), still=4.0),
            step("more do not", selects(210), still=4.0),
            step("the fullest is filled", selects(245), still=4.0),
            step("other ports", Patch("Service", "web", {"spec": {"ports": [{"port": 81}]}}), still=4.0),
            step("none", Patch("Service", "web", {"spec": {"selector": {"of-245": "false"}}}), still=4.0),
        ),
    ),
)
