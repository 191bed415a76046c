"""Questions over TLS: many on one connection, in any order; only a server that shows who it is is believed."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.wires import HOST, framed, record, reply_to
from understudy.dns import upstream as upstream_module
from understudy.dns.config import Target
from understudy.dns.link import context
from understudy.dns.upstream import Unanswered, Upstream, ask_for, exchange

NAME = "dns.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A file with a certificate for dns.example, and a server's context that shows it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("192.0.2.9"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(1))
        .not_valid_after(now + dt.timedelta(1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    both = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = made.public_bytes(serialization.Encoding.PEM)
    both.write_bytes(private + shown)
    (folder / "ca.pem").write_bytes(shown)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    return folder / "ca.pem", server


class Tls:
    """A server that answers two questions at a time, the second first, or hangs up after `last`."""

    def __init__(self) -> None:
        self.connections = 0
        self.at_once = 1
        self.last = 100
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for _ in range(self.last):
                asked = [await framed(reader) for _ in range(self.at_once)]
                for each in reversed(asked):
                    answer = reply_to(each, record(b"\xc0\0\2" + each[13:14]))
                    writer.write(len(answer).to_bytes(2, "big") + answer)
        except (EOFError, OSError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def tls(certificate: tuple[Path, ssl.SSLContext], expire: float = 10.0) -> AsyncIterator[tuple[Tls, Upstream]]:
    it = Tls()
    listening = await asyncio.start_server(it.serve, HOST, 0, ssl=certificate[1])
    it.port = listening.sockets[0].getsockname()[1]
    upstream = Upstream.make(Target(HOST, it.port, True, NAME), ca=str(certificate[0]), expire=expire)
    try:
        yield it, upstream
    finally:
        assert upstream.link is not None
        await upstream.link.close()
        listening.close()
        await asyncio.sleep(0.01)


def question(name: str) -> bytes:
    return ask_for(ask(name)[12:], dnssec=False, unchecked=False)


Certificate = tuple[Path, ssl.SSLContext]


async def test_many_questions_on_one_connection_answered_in_any_order(certificate: Certificate) -> None:
    async with tls(certificate) as (it, upstream):
        it.at_once = 2
        same = question("a.example")
        answers = await asyncio.gather(exchange(upstream, same), exchange(upstream, same))
        assert it.connections == 1
        assert {each[:2] for each in answers} == {same[:2]}, "their ids are their own, whatever was sent"
        assert decode(answers[0]).data() == decode(answers[1]).data()


async def test_a_connection_that_ends_is_made_anew(certificate: Certificate) -> None:
    async with tls(certificate) as (it, upstream):
        it.last = 1
        await exchange(upstream, question("a.example"))
        await until(lambda: upstream.link is not None and upstream.link._writer is None)
        await exchange(upstream, question("b.example"))
        assert it.connections == 2


async def test_an_idle_connection_is_closed(certificate: Certificate) -> None:
    async with tls(certificate, expire=0.02) as (it, upstream):
        await exchange(upstream, question("a.example"))
        await until(lambda: upstream.link is not None and upstream.link._writer is None)
        await exchange(upstream, question("a.example"))
        assert it.connections == 2


async def test_a_connection_on_which_nothing_is_answered_any_more_is_given_up(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls(certificate, expire=3600) as (it, upstream):
        await exchange(upstream, question("a.example"))
        it.at_once = 100  # it waits for more, as one that is gone does for ever; the next one it still takes
        await exchange(upstream, question("a.example"))
        monkeypatch.setattr(upstream_module, "TCP_SECONDS", 0.05)
        with pytest.raises(Unanswered):
            await exchange(upstream, question("b.example"))
        monkeypatch.setattr(upstream_module, "TCP_SECONDS", 10)
        it.at_once = 1
        await exchange(upstream, question("c.example"))
        assert it.connections == 2


async def test_who_waits_is_told_that_it_ended(certificate: Certificate) -> None:
    async with tls(certificate) as (it, upstream):
        it.last = 0
        with pytest.raises(Unanswered):
            await exchange(upstream, question("a.example"))


async def test_a_server_that_cannot_show_who_it_is_is_not_believed(certificate: Certificate) -> None:
    async with tls(certificate) as (it, upstream):
        other = Upstream.make(Target(HOST, it.port, True, "other.example"), ca=str(certificate[0]))
        with pytest.raises(Unanswered, match="certificate"):
            await exchange(other, question("a.example"))
        unknown = Upstream.make(Target(HOST, it.port, True, NAME))
        with pytest.raises(Unanswered, match="certificate"):
            await exchange(unknown, question("a.example"))
        assert upstream.failures == 0


def test_a_file_without_certificates(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        context(str(tmp_path / "none.pem"))


async def until(right: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not right():
            await asyncio.sleep(0.005)
