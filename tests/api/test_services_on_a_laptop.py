"""`understudy up --services`: a Service of an embedded cluster reached from this machine, no root, no pods."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.api.world import Place, World, until
from understudy.cluster import loops

PORT = 9797


def own_address() -> str:
    """One of this machine's that is not a loopback address, which endpoints may not have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made, suppress(OSError):
        made.connect(("192.0.2.1", 9))
        return str(made.getsockname()[0])
    pytest.skip("this machine has no address but loopback ones")


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """Says hello at the address it answers."""
    listening = socket.create_server((own_address(), 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.send(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture
def proxied(world: World) -> Iterator[None]:
    loops.start_services(world.cluster, die_with_parent=True)
    yield
    world.cluster.stop_component("service-proxy")


def slice_of(ip: str, port: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}}],
    }


def test_a_service_is_at_a_loopback_address(place: Place, server: tuple[str, int], proxied: None) -> None:
    del proxied
    place.create("services", {"metadata": {"name": "web"}, "spec": {"ports": [{"port": PORT, "protocol": "TCP"}]}})
    place.create("endpointslices", slice_of(*server))
    service = place.get("services", "web")
    assert service
    here = "127." + service["spec"]["clusterIP"].partition(".")[2]

    def said() -> bytes:
        with suppress(OSError), socket.create_connection((here, PORT), timeout=5) as made:
            return made.recv(99)
        return b""

    until(lambda: said() == b"hello", 30)
