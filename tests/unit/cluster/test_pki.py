"""Certificates: who may do what with them, and when they are made anew.

TLS itself is the judge where it can be.
"""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from understudy.cluster import pki

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    assert pki.ensure(folder, NOW)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / "pki"
    copy.mkdir()
    for path in made.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def changed(before: dict[str, bytes], folder: Path) -> set[str]:
    return {name.rpartition(".")[0] for name, content in contents(folder).items() if before.get(name) != content}


def handshake(folder: Path, server: str, server_ca: str, client: str, client_ca: str) -> str | None:
    """Let `client` connect to `server`; return the client's name as the server sees it, None if either
    refuses.
    """
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(folder / f"{server}.crt", folder / f"{server}.key")
    listening.load_verify_locations(folder / f"{client_ca}.crt")
    listening.verify_mode = ssl.CERT_REQUIRED
    listening.verify_flags |= ssl.VERIFY_X509_STRICT
    connecting = ssl.create_default_context(cafile=str(folder / f"{server_ca}.crt"))
    connecting.verify_flags |= ssl.VERIFY_X509_STRICT
    connecting.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    ours, theirs = socket.socketpair()
    seen: list[str | None] = []
    thread = threading.Thread(target=lambda: seen.append(_accept(listening, theirs)))
    thread.start()
    try:
        with connecting.wrap_socket(ours, server_hostname="127.0.0.1") as tls:
            tls.recv(1)
    except (ssl.SSLError, OSError):
        pass
    finally:
        ours.close()
        thread.join(5)
    return seen[0]


def _accept(context: ssl.SSLContext, sock: socket.socket) -> str | None:
    try:
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(b"!")
            peer = tls.getpeercert() or {}
            subject = dict(pair[0] for pair in peer["subject"])  # type: ignore[misc]
            return str(subject["commonName"])
    except (ssl.SSLError, OSError):
        return None
    finally:
        sock.close()


@pytest.mark.parametrize("client", ["admin", "scheduler", "controller-manager", "proxy", "kwok"])
def test_the_api_server_knows_its_clients_by_name(made: Path, client: str) -> None:
    assert handshake(made, "apiserver", "ca", client, "ca") == pki.LEAVES[client].name


def test_etcd_lets_the_api_server_in_and_no_client_of_the_cluster(made: Path) -> None:
    assert handshake(made, "etcd", "etcd-ca", "apiserver-etcd-client", "etcd-ca") == "kube-apiserver-etcd-client"
    assert handshake(made, "etcd", "etcd-ca", "admin", "etcd-ca") is None


def test_etcd_speaks_to_itself_as_a_client_too(made: Path) -> None:
    assert handshake(made, "etcd", "etcd-ca", "etcd", "etcd-ca") == "etcd"


def test_a_client_certificate_cannot_pose_as_the_server(made: Path) -> None:
    assert handshake(made, "admin", "ca", "kwok", "ca") is None


def test_the_api_server_is_itself_under_all_its_names(made: Path) -> None:
    names = certificate(made, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    }
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "10.96.0.1"}


def test_only_the_administrator_is_a_master(made: Path) -> None:
    groups = {
        name: [
            attribute.value for attribute in certificate(made, name).subject if attribute.rfc4514_attribute_name == "O"
        ]
        for name in pki.LEAVES
    }
    assert {name: group for name, group in groups.items() if group} == {"admin": ["system:masters"]}


def test_keys_are_private(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o600}


def test_what_is_good_stays(folder: Path) -> None:
    before = contents(folder)
    assert not pki.ensure(folder, NOW + timedelta(days=300))
    assert contents(folder) == before


def test_leaves_are_renewed_in_time_and_authorities_stay(folder: Path) -> None:
    before = contents(folder)
    later = NOW + timedelta(days=336)
    assert pki.ensure(folder, later)
    assert changed(before, folder) == set(pki.LEAVES)
    assert certificate(folder, "admin").not_valid_after_utc > later + timedelta(days=360)


def test_a_new_authority_makes_new_what_is_under_it(folder: Path) -> None:
    before = contents(folder)
    (folder / "etcd-ca.key").unlink()
    assert pki.ensure(folder, NOW)
    assert changed(before, folder) == {"etcd-ca", "etcd", "apiserver-etcd-client"}
    assert handshake(folder, "etcd", "etcd-ca", "apiserver-etcd-client", "etcd-ca")


@pytest.mark.parametrize(
    ("file", "content"),
    [("kwok.crt", None), ("kwok.key", None), ("kwok.crt", b"half a certif"), ("kwok.key", b"")],
)
def test_a_missing_or_damaged_file_is_made_anew(folder: Path, file: str, content: bytes | None) -> None:
    before = contents(folder)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    assert pki.ensure(folder, NOW)
    assert changed(before, folder) == {"kwok"}


def test_a_key_of_another_certificate_is_noticed(folder: Path) -> None:
    (folder / "kwok.key").write_bytes((folder / "admin.key").read_bytes())
    assert pki.ensure(folder, NOW)
    assert handshake(folder, "apiserver", "ca", "kwok", "ca") == "understudy:kwok"


def test_a_certificate_from_the_future_is_made_anew(folder: Path) -> None:
    assert pki.ensure(folder, NOW - timedelta(days=2))


def test_the_service_accounts_key_outlives_everything_but_its_loss(folder: Path) -> None:
    before = contents(folder)
    pki.ensure(folder, NOW + timedelta(days=5000))
    assert "sa" not in changed(before, folder)
    (folder / "sa.pub").unlink()
    assert pki.ensure(folder, NOW)
    assert "sa" in changed(before, folder)
