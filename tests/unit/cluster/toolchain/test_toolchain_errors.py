"""From the last lines of a failed `go` to the cause and what to do about it."""

from pathlib import Path

import pytest

from understudy.cluster.toolchain.errors import DISK_FULL, TAIL_LINES, diagnose

LOG = Path("/cache/logs/etcd.log")
WHAT = "[1/1] etcd 3.6.16"


@pytest.mark.parametrize(
    "line",
    [
        'go: example.org/raft@v1.0.0: Get "https://example.org/raft": dial tcp: lookup example.org: no such host',
        "go: example.org/raft@v1.0.0: read tcp 10.0.0.1:443: i/o timeout",
        "go: example.org/raft@v1.0.0: reading https://modules.example.org/raft: 503 Service Unavailable",
        "go: example.org/raft@v1.0.0: module lookup disabled by GOPROXY=off",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
)
def test_network(line: str) -> None:
    text = diagnose(WHAT, 1, [line], LOG)
    assert text.startswith(f"{WHAT}: Go could not download what it needs.")
    assert line in text
    assert "Check the network" in text


def test_another_module_than_the_pinned_one_is_no_network_fault() -> None:
    lines = ["verifying example.org/raft@v1.0.0: checksum mismatch", "SECURITY ERROR", "see https://golang.org/x"]
    text = diagnose(WHAT, 1, lines, LOG)
    assert "not the one that was pinned" in text
    assert "go clean -modcache" in text


@pytest.mark.parametrize(("returncode", "number"), [(-9, 9), (137, 9), (-2, 2), (130, 2), (143, 15)])
def test_a_signal_is_named(returncode: int, number: int) -> None:
    text = diagnose(WHAT, returncode, [], LOG)
    assert f"stopped by signal {number}." in text
    assert ("memory" in text) is (number == 9)
    assert str(LOG) in text


def test_anything_else_shows_the_last_lines_and_the_log() -> None:
    lines = [f"raft.go:{number}: undefined: x" for number in range(40)]
    text = diagnose(WHAT, 1, lines, LOG)
    assert "Go failed (exit code 1)" in text
    assert lines[-1] in text
    assert lines[-TAIL_LINES] in text
    assert lines[-TAIL_LINES - 1] not in text
    assert text.endswith(f"Whole output: {LOG}")


@pytest.mark.parametrize(
    "line", ["write /tmp/go-build1/b001/_pkg_.a: no space left on device", "write x: Disk quota exceeded"]
)
def test_a_full_disk_is_recognised(line: str) -> None:
    assert DISK_FULL.search(line)
