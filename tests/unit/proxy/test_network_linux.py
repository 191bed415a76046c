"""What the kernel and nft say, without asking them; that they do as told is for tests/netns."""

import struct
import subprocess
from pathlib import Path

import pytest

from understudy.proxy.network import linux
from understudy.proxy.network.host import HostError
from understudy.proxy.network.linux import LinuxHost, tells_of_loss

NEW, REMOVED, OURS, KERNEL = 24, 25, 117, 2


def message(kind: int, protocol: int, extra: bytes = b"") -> bytes:
    """A netlink message about a route, padded to its length."""
    route = bytes([2, 24, 0, 0, 254, protocol, 0, 1]) + bytes(4) + extra
    return (struct.pack("=IHHII", 16 + len(route), kind, 0, 0, 0) + route).ljust((16 + len(route) + 3) & ~3, b"\0")


@pytest.mark.parametrize(
    ("data", "lost"),
    [
        (message(REMOVED, OURS), True),
        (message(NEW, OURS), False),
        (message(REMOVED, KERNEL), False),
        (message(NEW, OURS, b"odd") + message(REMOVED, OURS), True),
        (message(REMOVED, OURS)[:20], False),
        (b"", False),
        (bytes(64), False),
    ],
)
def test_a_route_of_ours_that_was_removed(data: bytes, lost: bool) -> None:
    assert tells_of_loss(data) is lost


def nft(monkeypatch: pytest.MonkeyPatch, code: int, out: str = "", error: str = "") -> None:
    def answer(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, code, out, error)

    monkeypatch.setattr(subprocess, "run", answer)


async def test_rules_are_listed_and_none_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    nft(monkeypatch, 0, "table inet x {\n}\n")
    assert await LinuxHost().rules("x") == "table inet x {\n}\n"
    nft(monkeypatch, 1, error="Error: No such file or directory\nlist table inet x\n")
    assert await LinuxHost().rules("x") == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("Error: syntax error", "nft refused the rules for masquerading: Error: syntax error"),
        ("Error: Could not process rule: Operation not permitted", "needs the capability NET_ADMIN"),
    ],
)
async def test_what_nft_refuses_is_said(monkeypatch: pytest.MonkeyPatch, error: str, said: str) -> None:
    nft(monkeypatch, 1, error=error)
    with pytest.raises(HostError, match=said):
        await LinuxHost().load("x")


async def test_a_missing_nft_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="install the package nftables"):
        await LinuxHost().load("x")


async def test_a_stuck_nft_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stuck = tmp_path / "nft"
    stuck.write_text("#!/bin/sh\nexec sleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setattr(linux, "PATIENCE", 0.1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(HostError, match=r"did not end within 0\.1 s"):
        await LinuxHost().load("x")


async def test_forwarding_is_switched_on_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sysctl = tmp_path / "ip_forward"
    sysctl.write_text("0\n")
    monkeypatch.setitem(linux.SYSCTLS, False, sysctl)
    assert await LinuxHost().forward(ipv6=False) is True
    assert await LinuxHost().forward(ipv6=False) is False
    assert sysctl.read_text() == "1\n"


async def test_forwarding_that_is_locked_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(linux.SYSCTLS, True, Path("/proc/sys/net/ipv6/conf/nowhere/forwarding"))
    with pytest.raises(HostError, match=r"run `sysctl -w net\.ipv6\.conf\.nowhere\.forwarding=1` on the node"):
        await LinuxHost().forward(ipv6=True)
