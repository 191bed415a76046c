"""What cluster DNS can be told, and how it says that something cannot be."""

from pathlib import Path

import pytest

from understudy.api.config import ConfigError
from understudy.dns.settings import Settings, read


def test_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 10.0.0.9\n")
    it = read({"dns-forward": str(tmp_path / "resolv.conf")})
    assert (it.host, it.port, it.domain, it.processes, it.pods) == ("0.0.0.0", 5353, "cluster.local", 1, "insecure")
    assert (it.metrics, it.lame_duck, asked_of(it)) == ("understudy", 5.0, ("10.0.0.9:53",))


@pytest.mark.parametrize(
    ("text", "upstreams"),
    [
        ("none", ()),
        ("1.1.1.1", ("1.1.1.1:53",)),
        ("1.1.1.1:5300, 8.8.8.8", ("1.1.1.1:5300", "8.8.8.8:53")),
        ("fd00::1,[fd00::2],[fd00::3]:5300", ("[fd00::1]:53", "[fd00::2]:53", "[fd00::3]:5300")),
        ("tls://1.1.1.1%one.example", ("tls://1.1.1.1:853%one.example",)),
    ],
)
def test_whom_to_ask(text: str, upstreams: tuple[str, ...]) -> None:
    assert asked_of(read({"dns-forward": text})) == upstreams


def asked_of(it: Settings) -> tuple[str, ...]:
    """Whom it asks about any name."""
    root = it.config.zone("")
    assert root is not None
    assert root.forward is not None
    return root.forward.to


def test_where_to_listen_and_for_what() -> None:
    it = read({"dns-forward": "none", "dns-address": "[::]:53", "cluster-domain": "Example.ORG."})
    assert (it.host, it.port, it.domain) == ("::", 53, "example.org")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dns-address", "5353"),
        ("dns-address", "localhost:53"),
        ("dns-address", "10.0.0.1"),
        ("dns-address", "10.0.0.1:99999"),
        ("dns-address", "10.0.0.1:"),
        ("dns-forward", "one.one.one.one"),
        ("dns-forward", "/nowhere/resolv.conf"),
        ("dns-forward", "1.1.1.1%name.without.tls"),
        ("dns-config", "/nowhere/dns.yaml"),
        ("cluster-domain", "a..b"),
        ("cluster-domain", "."),
        ("cluster-domain", ".".join(["abcdefghi"] * 10)),
        ("dns-processes", "0"),
        ("dns-processes", "many"),
        ("dns-pods", "maybe"),
        ("dns-metrics", "statsd"),
        ("dns-lame-duck", "-1"),
    ],
)
def test_what_cannot_be(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"--{name}"):
        read({"dns-forward": "none", name: text})
