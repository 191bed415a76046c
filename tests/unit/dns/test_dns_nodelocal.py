"""The cache on a node: whom it asks about what, and that it knows no names itself."""

import asyncio

import pytest
from click.testing import CliRunner

from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.wires import HOST, other, over_udp, record, reply_to
from understudy.dns import nodelocal as module
from understudy.dns.config import Cache, Forward
from understudy.dns.nodelocal import NodeDns, config_of, main
from understudy.dns.settings import Settings


def test_whom_it_asks() -> None:
    config = config_of("10.96.0.10", "corp.local", ("10.0.0.1:53",))
    for name in ("corp.local", "in-addr.arpa", "ip6.arpa"):
        zone = config.zone(name)
        assert zone is not None
        assert zone.forward == Forward(to=("10.96.0.10",), forceTCP=True)
        assert zone.cache == Cache(negativeSeconds=5)
    root = config.zone("")
    assert root is not None
    assert root.forward == Forward(to=("10.0.0.1:53",))


async def test_it_knows_no_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    up: list[str] = []
    monkeypatch.setattr(module, "put_up", up.append)
    monkeypatch.setattr(module, "take_down", up.remove)
    async with other(lambda data, tcp: reply_to(data, record(b"\xc0\0\2\2")) if tcp else None) as cluster:
        config = config_of(str(cluster.upstream.target), "cluster.local", ())
        it = NodeDns(Settings(HOST, 0, "cluster.local", config, "", (), 1, "disabled", "understudy", 0.0))
        port = await it.start()
        assert (up, it.unready()) == ([HOST], None)
        for name in ("web.default.svc.cluster.local", "dns-version.cluster.local", "1.0.0.10.in-addr.arpa"):
            assert decode(await over_udp(port, ask(name))).data() == ["192.0.2.2"]
        assert all(tcp for _, tcp in cluster.asked)
        stopping = asyncio.ensure_future(it.stop())
        await asyncio.sleep(0)
        assert it.unready() == "stopping: still answering"
        await stopping
        assert up == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "--cluster-dns"),
        (["--cluster-dns", "kube-dns"], "kube-dns is no address"),
        (["--cluster-dns", "10.0.0.1", "--health-address", "9153"], "9153 is not HOST:PORT"),
        (["--cluster-dns", "10.0.0.1", "--forward", "/nowhere"], "cannot read /nowhere"),
        (["--cluster-dns", "10.0.0.1", "--forward", "none", "--cluster-domain", "a..b"], "label"),
    ],
)
def test_what_cannot_be(args: list[str], said: str) -> None:
    result = CliRunner().invoke(main, args)
    assert result.exit_code
    assert said in result.output
