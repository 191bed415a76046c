"""Ports: kept while they are held, the same for the same name, and a clear word about who has a taken one."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.cluster import ports
from understudy.cluster.errors import ClusterError
from understudy.cluster.ports import Reservation


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


@pytest.fixture
def reservation() -> Iterator[Reservation]:
    made = Reservation()
    yield made
    made.release()


def test_two_reservations_never_get_the_same_port(reservation: Reservation) -> None:
    other = Reservation()
    first = reservation.near(ports.preferred("a", "etcd"))
    second = other.near(first)
    other.release()
    assert first != second


def test_a_released_port_can_be_listened_on(reservation: Reservation) -> None:
    port = reservation.near(ports.FIRST)
    reservation.release()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_near_goes_round_the_range(reservation: Reservation) -> None:
    last = ports.FIRST + ports.COUNT - 1
    got = [reservation.near(last) for _ in range(3)]
    assert len(set(got)) == 3
    assert all(ports.FIRST <= port <= last for port in got)


def test_a_port_just_used_by_a_server_with_clients_is_free_again(reservation: Reservation) -> None:
    port = reservation.near(ports.preferred("time-wait", "etcd"))
    reservation.release()
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first is left in TIME_WAIT
        client.close()
    assert reservation.exactly(port) == port


def test_a_taken_port_is_told_with_its_owner(listener: socket.socket, reservation: Reservation) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(ClusterError) as error:
        reservation.exactly(port)
    assert str(port) in str(error.value)
    assert f"(pid {os.getpid()})" in str(error.value)
    assert "--port" in str(error.value)


def test_exactly_takes_a_free_port(reservation: Reservation) -> None:
    assert reservation.exactly(ports.preferred("free", "x")) == ports.preferred("free", "x")


def test_the_owner_of_nothing_is_none() -> None:
    assert ports.owner(1) is None


def test_an_owner_we_may_not_look_at_is_left_out(tmp_path: Path) -> None:
    table = "  sl  local rem st\n   0: 0100007F:4E20 00000000:0000 0A 0 0 0 0 0 4711\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(table)
    (tmp_path / "1").mkdir()  # no fd folder: as if it were not ours
    assert ports.owner(20000, tmp_path) is None
    (tmp_path / "2" / "fd").mkdir(parents=True)
    (tmp_path / "2" / "fd" / "5").symlink_to("socket:[4711]")
    (tmp_path / "2" / "comm").write_text("nginx\n")
    assert ports.owner(20000, tmp_path) == "nginx (pid 2)"
    assert ports.owner(20001, tmp_path) is None


@given(st.text(), st.text())
def test_preferred_ports_lie_in_the_range_and_do_not_change(cluster: str, component: str) -> None:
    port = ports.preferred(cluster, component)
    assert ports.FIRST <= port < ports.FIRST + ports.COUNT
    assert port == ports.preferred(cluster, component)


def test_the_range_ends_below_the_kernels_ephemeral_ports() -> None:
    assert ports.FIRST + ports.COUNT <= 32768
