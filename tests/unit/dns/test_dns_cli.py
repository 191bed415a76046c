"""`understudy dns query`: what is printed, and how it ends."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from tests.unit.dns.decoder import ask, edns
from tests.unit.dns.objects import endpoint, port, service, slice_of, table_of
from tests.unit.dns.wires import HOST, record, reply_to
from understudy.dns.cli import dns
from understudy.dns.forward import Forwarder
from understudy.dns.names import Malformed
from understudy.dns.query import show
from understudy.dns.server import Server, Service

WORLD = (
    service("web", "10.96.0.10", ports=[port(80, "http")]),
    service("big", "None"),
    slice_of("big", *(endpoint(f"10.244.0.{n}") for n in range(1, 250))),
)


@contextmanager
def server() -> Iterator[str]:
    """One on the loopback, in a thread: the command has a loop of its own."""
    loop, ready, at = asyncio.new_event_loop(), threading.Event(), [0]

    async def serve(done: asyncio.Event) -> None:
        it = Server(Service(table_of(*WORLD), Forwarder([], loop.time)))
        at[0] = await it.start(HOST, 0)
        ready.set()
        await done.wait()
        await it.stop()
        await asyncio.sleep(0)

    done = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(done)))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"{HOST}:{at[0]}"
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["web.default.svc.cluster.local"], 0, "web.default.svc.cluster.local. 30 IN A 10.96.0.10\n"),
        (["web.default.svc.cluster.local", "--tcp"], 0, "10.96.0.10"),
        (["web.default.svc.cluster.local", "--type", "srv"], 0, "SRV 0 100 80 web.default.svc.cluster.local."),
        (["10.96.0.10"], 0, "10.0.96.10.in-addr.arpa. 30 IN PTR web.default.svc.cluster.local."),
        (["big.default.svc.cluster.local"], 0, "10.244.0.249"),
        (["none.default.svc.cluster.local"], 1, ";; NXDOMAIN, flags: aa rd ra"),
        (["web.default.svc.cluster.local", "--type", "TYPE65280"], 1, "SOA ns.dns.cluster.local. hostmaster"),
        (["cluster.local", "--type", "ANY"], 1, 'HINFO "RFC8482" ""'),
        (["dns-version.cluster.local", "--type", "TXT"], 0, 'TXT "1.1.0"'),
        (["example.com"], 1, ";; REFUSED"),
    ],
)
def test_what_is_printed(args: list[str], code: int, said: str) -> None:
    with server() as at:
        result = CliRunner().invoke(dns, ["query", *args, "--server", at])
    assert said in result.output
    assert result.exit_code == code


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a", "--server", "localhost"], "--server localhost"),
        (["a", "--type", "B", "--server", HOST], "--type B"),
        (["a", "--type", "TYPE99999", "--server", HOST], "--type TYPE99999"),
        (["a..b", "--server", HOST], "label"),
        (["a", "--server", "none"], "no server"),
        (["a", "--server", "tls://9.9.9.9"], "UDP and TCP only"),
    ],
)
def test_what_cannot_be_asked(args: list[str], said: str) -> None:
    result = CliRunner().invoke(dns, ["query", *args])
    assert result.exit_code == 2
    assert said in result.output


def test_nobody_answers() -> None:
    with server() as at:
        pass
    result = CliRunner().invoke(dns, ["query", "a", "--server", at, "--timeout", "0.5"])
    assert result.exit_code == 2
    assert f"no answer from {HOST}" in result.output


def test_what_one_does_not_know_is_shown_all_the_same() -> None:
    message = reply_to(ask("a", 65280, opt=edns()), record(b"\1\2", 65280))
    assert show(message)[-1] == "a. 300 IN TYPE65280 \\# 2 0102"


@pytest.mark.parametrize("kind", [1, 6, 15, 28, 33])
def test_a_record_that_cannot_be_read(kind: int) -> None:
    with pytest.raises(Malformed):
        show(reply_to(ask("a", kind), record(b"\1", kind)))
