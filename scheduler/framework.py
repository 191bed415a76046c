"""What a plugin is: a module with these names. Filters and scores come in two forms that must agree.

The array form serves the decision (`cycle`): many nodes in a few numpy operations. The plain form looks at one node,
says what upstream's plugin says in its own words, explains decisions to people, and is what the array form is tested
against. Plugins are pure. Answers to pkg/scheduler/framework/interface.go.
"""

from typing import NamedTuple, Protocol

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.shape import Shape

MAX_SCORE = 100


class Rejection(NamedTuple):
    """Nodes turned down for one reason; `final`: those of them that no preemption could help."""

    reason: str
    where: Mask
    final: Mask


class Filter(Protocol):
    """Turns nodes down. `OF_NODE`: it looks at the node object only, so its answer outlives pods coming and going."""

    NAME: str
    OF_NODE: bool

    def applies(self, shape: Shape) -> bool:
        """Whether such a pod is any of this plugin's business (if not, all nodes pass)."""

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """Which of the rows pass."""

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """Why the others do not; a row may be turned down for several reasons."""

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form: why this node does not pass; none if it does."""


class Score(Protocol):
    """Prefers nodes, from 0 to MAX_SCORE, or in any unit if `NORMALIZED`: then the highest becomes MAX_SCORE.

    `REVERSED`: the lowest of what is normalised is the best.
    """

    NAME: str
    OF_NODE: bool
    NORMALIZED: bool
    REVERSED: bool

    def applies(self, shape: Shape) -> bool:
        """Whether such a pod has any preference here (if not, it scores 0 everywhere)."""

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        """The score of each row, before it is normalised."""

    def score(self, shape: Shape, node: NodeView) -> int:
        """The plain form of `scores`, for one node."""


class Wide(Protocol):
    """Looks at pods wherever they are: a pod on one node may change what it says of all nodes. Arrays over rows in use.

    It has no plain form; what it says is tested against a reference that counts pods one by one.
    """

    NAME: str

    def applies(self, shape: Shape) -> bool:
        """Whether such a pod is any of this plugin's business."""

    def rejections(self, shape: Shape, columns: Columns) -> list[Rejection]:
        """Why rows do not pass; no row for two reasons. Rows without a node may be in or not."""

    def points(self, shape: Shape, columns: Columns, feasible: Mask) -> Numbers:
        """The score of each row, normalised among the feasible ones; what it says of others is not looked at."""


class Weighted(NamedTuple):
    """A score plugin and how much it counts."""

    plugin: Score
    weight: int


class WeightedWide(NamedTuple):
    """A plugin that looks wide, and how much its score counts."""

    plugin: Wide
    weight: int
