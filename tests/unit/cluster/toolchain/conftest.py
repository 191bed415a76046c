"""A machine of our own for the toolchain: an empty cache, a PATH with only scripts in it, and a `go` that pretends.

The pretended `go` writes down how it was called and what it was given, so that tests can say what was *not* run.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.cluster.toolchain import Places, Tool
from understudy.cluster.toolchain.seal import write_seal

Script = Callable[..., Path]
FakeGo = Callable[..., Path]
Calls = Callable[[str], list[str]]
PutInCache = Callable[[Tool], Path]

GO = """\
echo "go $*" >> "$CALLS"
out=
previous=
for argument in "$@"; do
  [ "$previous" = -o ] && out=$argument
  previous=$argument
done
case "$1" in
env) {env} ;;
list) {listing} ;;
build | test) {building} ;;
esac
"""
ENV = """echo '{"GOVERSION": "go1.26.6", "GOCACHE": "/tmp", "GOTMPDIR": ""}'"""
LISTING = """echo 'go: downloading example.org/raft v1.0.0'
echo 'stale: example.org/raft'; echo 'stale: go.etcd.io/etcd/server/v3'
"""
BUILDING = """echo example.org/raft; echo go.etcd.io/etcd/server/v3
printf '#!/bin/sh\\necho etcd Version: 3.6.16\\n' > "$out"; chmod +x "$out"
"""


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """The only folder on the PATH of `places`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def places(tmp_path: Path, bin_dir: Path) -> Places:
    """A user with an empty cache; processes append to the file `calls`."""
    env = {"PATH": str(bin_dir), "CALLS": str(tmp_path / "calls"), "GOPROXY": "as the user set it"}
    return Places(env=env, root=tmp_path / "cache")


@pytest.fixture
def script(bin_dir: Path) -> Script:
    """`script(name, body, folder=bin)` writes an executable shell script."""

    def write(name: str, body: str, folder: Path = bin_dir) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def fake_go(script: Script) -> FakeGo:
    """`fake_go(env=..., listing=..., building=...)`: shell code for each subcommand; by default etcd is built."""

    def write(env: str = ENV, listing: str = LISTING, building: str = BUILDING) -> Path:
        body = GO.replace("{env}", env).replace("{listing}", listing).replace("{building}", building)
        return script("go", body)

    return write


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """`calls("go build")`: the calls so far that begin like this."""

    def read(beginning: str = "") -> list[str]:
        path = tmp_path / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(beginning)]

    return read


@pytest.fixture
def put_in_cache(places: Places) -> PutInCache:
    """`put_in_cache(tool)`: a sealed binary of `tool` where our cache keeps it."""

    def put(tool: Tool) -> Path:
        path = places.binary(tool)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a finished binary")
        path.chmod(0o755)
        write_seal(path)
        return path

    return put
