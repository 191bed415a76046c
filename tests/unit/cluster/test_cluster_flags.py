"""Command lines and simulated nodes, as data: what must hold for every cluster."""

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from understudy.cluster import flags, nodes, pki
from understudy.cluster.layout import Layout

AT = Layout(Path("/state"), "x")
STAGES = Path(flags.__file__).parent / "kwok"


def names(argv: list[str]) -> list[str]:
    return [argument.partition("=")[0] for argument in argv[1:]]


def value(argv: list[str], flag: str) -> str:
    return next(argument.partition("=")[2] for argument in argv if argument.partition("=")[0] == flag)


def files(argv: list[str]) -> set[Path]:
    return {Path(argument.partition("=")[2]) for argument in argv if f"={AT.pki}/" in argument}


def test_every_file_named_is_one_that_is_made() -> None:
    made = {AT.pki / f"{name}.{end}" for name in (*pki.LEAVES, *pki.AUTHORITIES) for end in ("crt", "key")}
    made |= {AT.pki / "sa.pub", AT.pki / "sa.key"}
    both = flags.apiserver("a", AT, 1, 2) + flags.etcd("e", AT, 2, 3, fast=True)
    assert len(files(both)) > 10
    assert files(both) <= made


@pytest.mark.parametrize("argv", [flags.apiserver("a", AT, 1, 2), flags.etcd("e", AT, 2, 3, fast=True)])
def test_no_flag_is_given_twice(argv: list[str]) -> None:
    assert max(Counter(names(argv)).values()) == 1


def test_nothing_listens_beyond_loopback() -> None:
    etcd = flags.etcd("e", AT, 2, 3, fast=True)
    assert value(etcd, "--listen-client-urls") == "https://127.0.0.1:2"
    assert value(etcd, "--listen-peer-urls") == "https://127.0.0.1:3"
    assert value(flags.apiserver("a", AT, 1, 2), "--bind-address") == "127.0.0.1"
    assert "--server-address" not in names(flags.kwok("k", AT, [], 0))


def test_etcd_asks_everybody_for_a_certificate() -> None:
    etcd = flags.etcd("e", AT, 2, 3, fast=True)
    assert value(etcd, "--client-cert-auth") == value(etcd, "--peer-client-cert-auth") == "true"
    assert value(etcd, "--trusted-ca-file") == str(AT.pki / "etcd-ca.crt")


def test_only_fast_gives_fsync_up() -> None:
    assert "--unsafe-no-fsync" in flags.etcd("e", AT, 2, 3, fast=True)
    assert "--unsafe-no-fsync" not in flags.etcd("e", AT, 2, 3, fast=False)


def test_the_users_arguments_come_last_and_so_win() -> None:
    assert flags.apiserver("a", AT, 1, 2, ["--v=4", "--profiling=true"])[-2:] == ["--v=4", "--profiling=true"]


def test_the_first_service_address_is_in_the_servers_certificate() -> None:
    assert ip_address(pki.SERVICE_IP) == next(ip_network(flags.SERVICE_CIDR).hosts())


def test_strangers_may_only_ask_for_health() -> None:
    anonymous = flags.authentication()["anonymous"]
    assert {condition["path"] for condition in anonymous["conditions"]} == {"/livez", "/readyz", "/healthz"}


@given(st.integers(0, 10**6), st.integers(0, 300_000))
def test_pods_nodes_and_services_have_networks_apart(starts: int, number: int) -> None:
    pods = ip_network(flags.pod_network(starts))
    node = ip_address(nodes.node(number)["status"]["addresses"][0]["address"])
    services = ip_network(flags.SERVICE_CIDR)
    assert node not in pods
    assert node not in services
    assert not pods.overlaps(services)


def test_kwoks_next_start_gives_other_addresses() -> None:
    assert flags.pod_network(0) != flags.pod_network(1)


def test_nodes_differ_in_name_and_address_and_take_turns_in_zones() -> None:
    made = [nodes.node(number) for number in range(1200)]
    assert len({node["metadata"]["name"] for node in made}) == 1200
    assert len({node["status"]["addresses"][0]["address"] for node in made}) == 1200
    zones = Counter(node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in made)
    assert zones == {"zone-a": 400, "zone-b": 400, "zone-c": 400}


def test_a_node_has_the_resources_asked_for() -> None:
    status = nodes.node(0, cpu="64", memory="1Ti", pods=250)["status"]
    assert status["allocatable"] == status["capacity"] == {"cpu": "64", "memory": "1Ti", "pods": "250"}


def test_a_node_is_kwoks() -> None:
    meta = nodes.node(7)["metadata"]
    assert meta["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert meta["labels"]["kubernetes.io/hostname"] == meta["name"] == "node-7"


def test_the_stages_are_stages() -> None:
    stages = [stage for file in ("node.yaml", "pod.yaml") for stage in yaml.safe_load_all((STAGES / file).read_text())]
    assert {stage["kind"] for stage in stages} == {"Stage"}
    described = Counter(stage["spec"]["resourceRef"]["kind"] for stage in stages)
    assert described == {"Node": 2, "Pod": 3}
