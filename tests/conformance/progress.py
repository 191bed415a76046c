"""How far a run is, read from what ginkgo prints.

Pure: `Progress` is fed lines and says what has just ended. In parallel ginkgo prints a test when it is over, first
how it went and then its name; alone it prints the name when it begins. Called by `suite`.
"""

import re
from dataclasses import dataclass, field

_RULE = re.compile(r"^-{30}$")
_ENDED = re.compile(r"^(?:•|[SP]) (?:\[([A-Z ]+)\] )?\[(\d+\.\d+) seconds\]$")
_LABELS = re.compile(r" \[[^][]*\bsig-[^][]*\]$")


@dataclass(frozen=True, slots=True)
class Ended:
    """A test that is over; `how` is "passed", or what ginkgo says in its own word, in small letters."""

    name: str
    how: str
    seconds: float


@dataclass(slots=True)
class Progress:
    """Counts tests as they end."""

    done: int = 0
    failed: int = 0
    running: str = ""
    """The test that has begun and not ended, when they run one by one."""
    said: list[str] = field(default_factory=list)
    """What came before the first test: where ginkgo itself failed, the reason."""
    _ended: tuple[str, float] | None = None
    _after_rule: bool = False

    def feed(self, line: str) -> Ended | None:
        """Take in one line; the test that it completes."""
        if self._ended is not None:
            return self._complete(line)
        match = _ENDED.match(line)
        if match:
            self._ended = ((match[1] or "passed").lower(), float(match[2]))
        elif self._after_rule and line.startswith("[sig-"):
            self.running = plain(line)
        elif not self.done and not self.running and line.strip():
            self.said.append(line)
        self._after_rule = bool(_RULE.match(line))
        return None

    def _complete(self, line: str) -> Ended | None:
        """The line after a result: its name, or a rule if the name was told before."""
        if not line.strip():
            return None
        assert self._ended is not None, "only called then"
        (how, seconds), self._ended = self._ended, None
        name = plain(line) if line.startswith("[sig-") else self.running
        self._after_rule = bool(_RULE.match(line))
        self.running = ""
        self.done += 1
        self.failed += how not in ("passed", "skipped", "pending")
        return Ended(name, how, seconds)


def plain(line: str) -> str:
    """A test's name as a report has it: without labels and without the mark before the node that failed."""
    name = _LABELS.sub("", line.strip())
    return re.sub(r" \[(?:It|BeforeEach|AfterEach|DeferCleanup \(Each\)|JustBeforeEach|JustAfterEach)\](?= )", "", name)
