"""The container engine as images need it: what it has, and loading an archive. Talks to the `docker` command.

Called by `make`, and by the conformance harness for the nodes of a kind cluster.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understudy.cluster.images.errors import ImageError
from understudy.cluster.images.run import run

ASK_SECONDS = 60
LOAD_HINT = "Does the engine run (`docker version`), and has it room (`docker system df`)?"


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine, reached by `command` in the environment `env` (DOCKER_HOST counts)."""

    command: str = "docker"
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def ids(self, tags: Sequence[str]) -> dict[str, str]:
        """The id of each of `tags` that the engine has. Raises ImageError if it does not answer."""
        self.check()
        answers = {tag: self._ask("image", "inspect", "--format", "{{.Id}}", tag) for tag in tags}
        return {tag: done.stdout.strip() for tag, done in answers.items() if done.returncode == 0}

    def check(self) -> None:
        """Raise ImageError if no engine answers."""
        done = self._ask("version", "--format", "{{.Server.Version}}")
        if done.returncode != 0:
            raise ImageError(f"the container engine does not answer: {done.stderr.strip() or done.stdout.strip()}")

    def load(self, archive: Path) -> None:
        """Load all images of an archive. Raises ImageError."""
        run([self.command, "load", "--quiet", "--input", str(archive)], env=self.env, hint=LOAD_HINT)

    def can_pull(self, tag: str, seconds: float) -> bool:
        """Whether a registry serves `tag` within `seconds`."""
        try:
            return self._ask("pull", "--quiet", tag, seconds=seconds).returncode == 0
        except ImageError:
            return False

    def _ask(self, *arguments: str, seconds: float = ASK_SECONDS) -> subprocess.CompletedProcess[str]:
        command = [self.command, *arguments]
        try:
            return subprocess.run(
                command, env=dict(self.env), capture_output=True, text=True, timeout=seconds, check=False
            )
        except FileNotFoundError as error:
            raise ImageError(f"there is no {self.command} on this machine") from error
        except subprocess.TimeoutExpired as error:
            raise ImageError(f"`{' '.join(command[:3])}` gave no answer within {seconds:g} s") from error
