"""What a scheduler makes of a case, in one form for both sides: the JSON that scheduler-oracle writes.

`upstream` decodes it, `ours` fills it in, `compare` holds the two against each other. Answers to
cluster/toolchain/modules/kubernetes/scheduler-oracle/verdict.go, where each field is explained.
"""

from msgspec import Struct


class Rejection(Struct):
    """Why a plugin turns a node down; `final`: no preemption could help."""

    reasons: list[str]
    final: bool


class Judged(Struct):
    """What is said of one node. `by`: the plugin that is named; scores only if it is feasible."""

    by: str = ""
    rejections: dict[str, Rejection] = {}
    raw: dict[str, int] = {}
    scores: dict[str, int] = {}
    total: int = 0

    @property
    def feasible(self) -> bool:
        return not self.by


class Candidate(Struct):
    """The pods that would have to leave a node, and how many budgets that breaks."""

    victims: list[str]
    violations: int


class Verdict(Struct):
    """All that is said of a case. `preFilter`: who refused the pod before any node was looked at."""

    error: str = ""
    preFilter: str = ""  # noqa: N815 - the oracle's name
    names: list[str] | None = None
    nodes: dict[str, Judged] = {}
    message: str = ""
    candidates: dict[str, Candidate] | None = None
    chosen: str = ""
