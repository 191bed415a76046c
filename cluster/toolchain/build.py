"""Building what is missing: `go build` into the cache's tmp folder, sealed, then renamed into place in one step.

One process builds at a time (`lock`). A Ctrl-C or a kill -9 leaves nothing half-made: only finished folders have a
final name, and whoever builds next empties tmp. Go's own build cache makes the second try go on where the first
ended. Called by `ensure`.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster.toolchain.errors import DISK_FULL, ToolchainError, diagnose
from understudy.cluster.toolchain.find import in_cache, probe
from understudy.cluster.toolchain.golang import Go, build_env, find_go
from understudy.cluster.toolchain.lock import held
from understudy.cluster.toolchain.pins import Tool
from understudy.cluster.toolchain.places import Places
from understudy.cluster.toolchain.process import Failed, lines, sigterm_unwinds
from understudy.cluster.toolchain.progress import STALE, BuildState, Display, clock
from understudy.cluster.toolchain.seal import write_seal
from understudy.cluster.toolchain.space import BYTES_A_BINARY, Need, check_space, disk_full, needs_of

BUILD_FLAGS = ("-mod=readonly", "-buildvcs=false", "-trimpath")
LIST_STALE = f"{{{{if .Stale}}}}{STALE}{{{{.ImportPath}}}}{{{{end}}}}"


@dataclass(frozen=True, slots=True)
class Work:
    """What every step of a build needs."""

    places: Places
    display: Display
    now: Callable[[], float] = time.monotonic


def build(tools: Sequence[Tool], work: Work) -> None:
    """Build those of `tools` that the cache lacks. Raises ToolchainError."""
    purpose = "building " + ", ".join(tool.name for tool in tools)
    with _told_plainly(work), sigterm_unwinds(), held(work.places.lock, purpose, work.display.say):
        work.places.empty_tmp()
        try:
            for number, tool in enumerate(tools, 1):
                if in_cache(tool, work.places).found is None:  # the process we waited for may have built it
                    _build_one(tool, f"[{number}/{len(tools)}]", work)
        finally:
            shutil.rmtree(work.places.tmp, ignore_errors=True)


@contextmanager
def _told_plainly(work: Work) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        work.display.say("Stopped. What is compiled so far is kept: the next run goes on from there.")
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ToolchainError(disk_full([Need(work.places.root, BYTES_A_BINARY)])) from error
        raise ToolchainError(f"The cache {work.places.root} cannot be used: {error}") from error


def _build_one(tool: Tool, count: str, work: Work) -> None:
    go = find_go(tool.module_dir, work.places, work.display.say)
    state = BuildState(f"{count} {tool.name} {tool.version}", tool.package, work.now())
    draft = work.places.tmp / tool.name / tool.name
    draft.parent.mkdir()
    work.places.log(tool.name).unlink(missing_ok=True)
    listing, making = (["-deps", "-test"], ["test", "-c"]) if tool.test else (["-deps"], ["build"])
    _go(go, ["list", *BUILD_FLAGS, *listing, "-f", LIST_STALE, tool.package], tool, state, work)
    check_space(needs_of(go, state.total, work.places))
    state.compile(work.now())
    ldflags = " ".join(("-s", "-w", *tool.ldflags))
    _go(go, [*making, *BUILD_FLAGS, "-v", "-ldflags", ldflags, "-o", str(draft), tool.package], tool, state, work)
    size = _publish(tool, draft, work.places)
    spent = clock(work.now() - state.started)
    work.display.say(f"{state.what}: built in {spent} with {go.version}, {size / 1e6:.0f} MB")


def _go(go: Go, arguments: Sequence[str], tool: Tool, state: BuildState, work: Work) -> None:
    """Run Go in the tool's module, feeding `state` and the log; raises ToolchainError with the cause it failed."""
    log = work.places.log(tool.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    work.display.show(state, work.now())
    with log.open("a") as file:
        try:
            command = [str(go.path), *arguments]
            with closing(lines(command, env=build_env(work.places), cwd=tool.module_dir)) as output:
                for line in output:
                    if line is not None:
                        file.write(line + "\n")
                        state.feed(line)
                    work.display.show(state, work.now())
        except Failed as failed:
            raise ToolchainError(_cause(failed, go, state, log, work.places)) from failed


def _cause(failed: Failed, go: Go, state: BuildState, log: Path, places: Places) -> str:
    if any(DISK_FULL.search(line) for line in state.output):
        return disk_full(needs_of(go, max(state.total - state.done, 1), places))
    return diagnose(state.what, failed.returncode, state.output, log)


def _publish(tool: Tool, draft: Path, places: Places) -> int:
    """Check, seal and publish a finished binary; its size in bytes."""
    version = probe(draft, tool, places) if tool.version_args else tool.version
    if version != tool.version:
        raise ToolchainError(f"{tool.name} was built but says its version is {version}, not {tool.version}.")
    _fsync(draft)
    write_seal(draft)
    _fsync(draft.parent)
    final = places.binary(tool).parent
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():  # damaged: out of the way first, since a folder cannot be renamed onto another
        final.rename(places.tmp / f"{tool.name}.damaged")
    draft.parent.rename(final)
    _fsync(final.parent)
    return places.binary(tool).stat().st_size


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems refuse it for folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
