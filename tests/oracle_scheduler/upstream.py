"""kube-scheduler's own plugins behind a pipe: a process that is sent cases and says what they make of them.

`__main__` and the tests start one. The program is built by the toolchain from
cluster/toolchain/modules/kubernetes/scheduler-oracle.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.oracle_scheduler.verdict import Verdict

TOOL = "scheduler-oracle"
GROUP = "oracle"


class Ended(Exception):
    """The process has ended or says something that is no verdict."""


class Upstream:
    """Answers one case at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._decode = msgspec.json.Decoder(Verdict).decode

    def judge(self, case: dict[str, Any]) -> Verdict:
        """What upstream makes of the case. Raises Ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None, "made with pipes"
        assert stdout is not None, "made with pipes"
        try:
            stdin.write(msgspec.json.encode(case) + b"\n")
            stdin.flush()
            return self._decode(stdout.readline())
        except (BrokenPipeError, msgspec.DecodeError) as error:
            code = self._process.poll()
            raise Ended(f"{TOOL} gives no verdict (exit code {code}): {error}") from error


@contextmanager
def upstream(binary: Path) -> Iterator[Upstream]:
    """The process for as long as the block lasts."""
    with subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Upstream(process)
        finally:
            process.kill()
