"""What a user can get wrong: one clear line on stderr, an exit code that is not 0, and never a traceback."""

import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tests.api.lookout import changed, detour
from tests.api.world import PATIENCE, Place, Said, World, run, until, workload
from understudy.cli import main
from understudy.cluster import loops

UNDERSTUDY = [sys.executable, "-m", "understudy"]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on, without ever answering."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def understudy(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Said:
    return run([*UNDERSTUDY, *arguments], env=env)


def within(*arguments: str) -> Said:
    """The same in this very process: for what ends before anything is begun."""
    done = CliRunner().invoke(main, arguments)
    return Said(done.exit_code, done.stdout, done.stderr)


def refusal(code: int, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """The one line on stderr of a command that must fail with this exit code."""
    said = understudy(*arguments, env=env)
    assert said.code == code, said
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    return lines[0]


@pytest.fixture(scope="module")
def unreachable(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Popen[str]]:
    """Controllers that were sent to a port where nobody listens; it takes them ten seconds to give up."""
    nowhere = detour(world.cluster.kubeconfig(), 9, tmp_path_factory.mktemp("nowhere") / "kubeconfig")
    argv = [*UNDERSTUDY, "run", "controllers", "--kubeconfig", str(nowhere)]
    with Popen(argv, stdout=PIPE, stderr=PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.fixture(autouse=True)
def meanwhile(unreachable: Popen[str]) -> None:
    """It waits while the other tests of this file run."""


def test_an_unknown_controller(world: World) -> None:
    chosen = ["--controllers", "*,-no-such"]
    line = refusal(2, "run", "controllers", "--kubeconfig", world.cluster.kubeconfig(), *chosen)
    assert line == "understudy: there is no controller 'no-such'; `understudy controllers` lists them"


def test_an_unknown_component() -> None:
    said = within("run", "kubelet")
    assert said.code == 2
    assert "'kubelet' is not one of 'controllers', 'dns'" in said.err


def test_a_wrong_context(world: World) -> None:
    config = world.cluster.kubeconfig()
    line = refusal(2, "run", "scheduler", "--kubeconfig", config, "--context", "elsewhere")
    assert line == f"understudy: context 'elsewhere', which is not in {config}; there are: understudy-api"


def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}
    line = refusal(2, "run", "controllers", env=env)
    assert line.startswith("understudy: no API server is configured: name a kubeconfig, set KUBECONFIG")


def test_a_kubeconfig_that_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text("apiVersion: v1\n  kind: [Config\n")
    assert str(broken) in refusal(2, "run", "controllers", "--kubeconfig", broken)


def test_an_expired_client_certificate(world: World, tmp_path: Path) -> None:
    pki, expired = world.cluster.at.pki, tmp_path / "expired.crt"
    expired.write_bytes(outdated((pki / "admin.crt").read_bytes(), (pki / "ca.key").read_bytes()))
    user = {"client-certificate": str(expired), "client-key": str(pki / "admin.key")}
    config = changed(
        world.cluster.kubeconfig(), tmp_path / "kubeconfig", lambda config: config["users"][0].update(user=user)
    )
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    line = refusal(2, "run", "controllers", "--kubeconfig", config)
    assert line == f"understudy: the client certificate in {expired} expired on {yesterday}"


def outdated(certificate: bytes, authority_key: bytes) -> bytes:
    """The same certificate, but it ran out a day ago."""
    old = x509.load_pem_x509_certificate(certificate)
    key = serialization.load_pem_private_key(authority_key, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    end = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
    made = builder.not_valid_before(end - timedelta(days=1)).not_valid_after(end).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def test_a_token_the_server_does_not_know(world: World, tmp_path: Path) -> None:
    config = changed(
        world.cluster.kubeconfig(),
        tmp_path / "kubeconfig",
        lambda config: config["users"][0].update(user={"token": "x"}),
    )
    assert refusal(2, "run", "controllers", "--kubeconfig", config) == "understudy: Unauthorized"


def test_a_health_port_that_is_taken(world: World, taken: int) -> None:
    address = ["--health-address", f"127.0.0.1:{taken}"]
    line = refusal(2, "run", "controllers", "--kubeconfig", world.cluster.kubeconfig(), *address)
    assert str(taken) in line
    assert "address already in use" in line


def test_lease_times_that_cannot_work(world: World) -> None:
    times = ["--leader-elect", "--lease-duration", "5"]
    line = refusal(2, "run", "controllers", "--kubeconfig", world.cluster.kubeconfig(), *times)
    assert "must be more than its renew_deadline" in line


def test_a_clusters_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    home = {"XDG_STATE_HOME": str(tmp_path / "state"), "KUBECONFIG": str(tmp_path / "kubeconfig")}
    said = understudy("up", "--name", "late", "--port", str(taken), "--no-loops", env=home)
    assert said.code == 1
    assert f"port {taken} is taken by" in said.err
    assert "choose another with --port" in said.err
    assert not list((tmp_path / "state").rglob("config.json")), "nothing is left behind"


@pytest.mark.parametrize("command", ["up", "demo", "status", "logs", "down", "kubeconfig", "kubectl", "explain pod/x"])
def test_a_name_no_cluster_can_have(command: str) -> None:
    rule = "use at most 40 lower case letters, digits and '-', beginning and ending with a letter or digit"
    assert within(*command.split(), "--name", "X_y") == Said(1, "", f"Error: 'X_y' cannot name a cluster: {rule}\n")


def test_explain_with_nobody_to_ask(tmp_path: Path) -> None:
    line = refusal(3, "explain", "deployment/web", env={"XDG_STATE_HOME": str(tmp_path)})
    assert line.startswith("Error: no running component of cluster 'default' is known; start one with `understudy up")


def test_explain_about_something_unknown(world: World, place: Place) -> None:
    port = (loops.ports(world.cluster) / "controllers").read_text()
    arguments = ["explain", "deployment/nothing", "-n", place.name, "--address", f"127.0.0.1:{port}"]
    answer = f"no loop has decided anything about deployment nothing in {place.name} since it started\n"
    assert within(*arguments) == Said(1, answer, "")


def test_explain_about_something_known(world: World, place: Place) -> None:
    port = (loops.ports(world.cluster) / "controllers").read_text()
    place.create("deployments", workload("web", 0))
    arguments = ["explain", "deploy/web", "-n", place.name, "--address", f"127.0.0.1:{port}"]
    until(lambda: within(*arguments).code == 0)
    said = within(*arguments)
    assert "deployment-controller" in said.out
    assert "replicaset" in said.out.lower()


def test_explain_wants_a_kind_and_a_name() -> None:
    said = within("explain", "web")
    assert said.code == 2
    assert "'web' is not KIND/NAME, such as deployment/web" in said.err


def test_a_server_that_is_not_there(unreachable: Popen[str]) -> None:
    _, err = unreachable.communicate(timeout=PATIENCE)
    assert unreachable.returncode == 2
    refused = "cannot connect to https://127.0.0.1:9: connection refused"
    assert err == f"understudy: no API server answers within 10 s: {refused}\n"
