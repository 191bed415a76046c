"""What a plugin is: any object (a module will do) with `NAME` and the methods of the extension points it takes part in.

The names are upstream's (pkg/scheduler/framework/interface.go); each point is a Protocol here and optional. A pod
meets them in this order:

- **PreEnqueue** `pre_enqueue(pod)`: when the pod is seen, before it may wait for a turn.
- **QueueSort** `key(info, since)`: whose turn it is. One for all profiles.
- **PreFilter** `pre_filter(shape)`: once a decision, before any node is looked at.
- **Filter** `mask` over many rows, `reasons` for one node; **Score** likewise `scores` and `score`. The array form
  serves the decision, the plain form explains it, tries a single node, and is what the array form is tested against. A
  plugin of a user's own may have the plain form only (`plain` lends it the other). **PreScore** has no method: what is
  worth working out once for many pods belongs into `applies` and the array form. **NormalizeScore** is the flags
  `NORMALIZED` and `REVERSED`, or `Wide.points`.
- **Wide**: filter and score at once, for what depends on pods anywhere.
- **PostFilter** `post_filter(info)`: no node will do; what the plugin says to that, and steps that may change it.
- **Reserve** `reserve(info, node)`: the pod is assumed on the node; taken back by `unreserve`, whatever failed since.
- **Permit** `permit(info, node)`: go on, wait, or do not.
- **PreBind** `pre_bind(info, node)` and **Bind** `bind(info, node)`: steps (`plan.steps`, and `Until` to wait) that
  `binding` plays through the one applier, as it plays a controller's.
- **PostBind** `post_bind(info, node)`: the pod is bound.

Up to Permit everything is synchronous: between a decision and its reservation nothing else happens. A plugin whose
answers depend on other objects than pods and nodes names them in `READS`, and in `HINTS` which of their changes may
help a parked pod (upstream's queueing hints); `version` tells that kept answers are out of date. Filters, scores and
steps are pure; what a plugin remembers changes in `reserve`, `unreserve` and `post_bind` only.
"""

from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from understudy.kinds.kind import Kind
from understudy.loop.controller import Right
from understudy.plan.steps import Step
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.kinds import Pod
from understudy.scheduler.shape import PodInfo, Shape
from understudy.state.view import View

T = TypeVar("T")

MAX_SCORE = 100


class Rejection(NamedTuple):
    """Nodes turned down for one reason; `final`: those of them that no preemption could help."""

    reason: str
    where: Mask
    final: Mask


class Named(Protocol):
    """All that every plugin has."""

    NAME: str


@runtime_checkable
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


@runtime_checkable
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


@runtime_checkable
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


@runtime_checkable
class PlainFilter(Protocol):
    """The least a filter is: `reasons` for one node, as in `Filter`. All else may be left out (see `plain`)."""

    NAME: str

    def reasons(self, shape: Shape, node: NodeView) -> list[str]: ...


@runtime_checkable
class PlainScore(Protocol):
    """The least a score is: `score` for one node, as in `Score`. All else may be left out (see `plain`)."""

    NAME: str

    def score(self, shape: Shape, node: NodeView) -> int: ...


# Before and after the look at nodes


@runtime_checkable
class Asking(Protocol):
    """Looks at something of the pod that no Shape has by itself: an annotation, its claims."""

    NAME: str

    # A plugin that is `Watching` too is asked again after changes of what it READS, or, if it has the attribute
    # WISHES_READ, of those kinds only.

    def wish(self, pod: Pod) -> Hashable:
        """What it is, None if nothing: from now on `shape.wishes[NAME]`. Pods of one shape wish the same."""


@runtime_checkable
class PreEnqueue(Protocol):
    """Keeps pods out of the queue."""

    NAME: str

    def pre_enqueue(self, pod: Pod) -> str:
        """Why the pod may not wait for its turn yet; "" if it may. Asked again whenever the pod changes."""


@runtime_checkable
class QueueSort(Protocol):
    """Whose turn it is."""

    NAME: str

    def key(self, info: PodInfo, since: float) -> tuple[float, float]:
        """The pod with the lowest goes first; `since` is when it was queued, in seconds."""


class Verdict(NamedTuple):
    """What a PreFilter says: no node will do for that `reason`, or only those of `names`.

    `hopeful`: somebody less important on a node may be the reason, so preemption is tried.
    """

    reason: str = ""
    names: frozenset[str] | None = None
    hopeful: bool = False


@runtime_checkable
class PreFilter(Protocol):
    """Rules out nodes, or the pod, before nodes are looked at."""

    NAME: str

    def applies(self, shape: Shape) -> bool:
        """Whether such a pod is any of this plugin's business."""

    def pre_filter(self, shape: Shape) -> Verdict | None:
        """None if it has nothing against any node."""


class Attempt(NamedTuple):
    """What a PostFilter tells the user, before what preemption says, and its steps if it can help."""

    said: str
    steps: "Steps | None" = None


@runtime_checkable
class PostFilter(Protocol):
    """Tries to make it possible that the pod fits somewhere. Asked before DefaultPreemption."""

    NAME: str

    def post_filter(self, info: PodInfo) -> "Attempt":
        """What it can do for the pod. The steps are played in the background; what they change is to wake the pod."""


@runtime_checkable
class Reserve(Protocol):
    """Keeps something for the pod that is neither the node's nor another pod's to take."""

    NAME: str

    def reserve(self, info: PodInfo, node: str) -> str:
        """Keep it; why that cannot be done, or ""."""

    def unreserve(self, info: PodInfo, node: str) -> None:
        """Give it back. Called in reverse order on every Reserve plugin when anything fails; does nothing twice."""


class Permission(NamedTuple):
    """What a Permit says: `refused` why not, or `wait` so many seconds for somebody to allow it, or neither."""

    refused: str = ""
    wait: float = 0.0


@runtime_checkable
class Permit(Protocol):
    """Lets a decided pod go on, holds it up, or stops it. Held pods are in `Handle.waiting`."""

    NAME: str

    def permit(self, info: PodInfo, node: str) -> Permission: ...


@runtime_checkable
class PreBind(Protocol):
    """Writes what has to be written before the binding."""

    NAME: str

    def pre_bind(self, info: PodInfo, node: str) -> "Steps | None":
        """The steps; None if there is nothing to do. What a step meets and they do not catch fails the binding."""


@runtime_checkable
class Bind(Protocol):
    """Binds in the place of DefaultBinder."""

    NAME: str

    def bind(self, info: PodInfo, node: str) -> "Steps | None":
        """The steps; None leaves the pod to the next Bind plugin."""


@runtime_checkable
class PostBind(Protocol):
    """Is told."""

    NAME: str

    def post_bind(self, info: PodInfo, node: str) -> None: ...


# Steps


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until `ready()`, asked whenever a watched object changes; answered with whether it was, in `timeout` s."""

    ready: Callable[[], bool]
    timeout: float
    why: str


class Refused(Exception):
    """Raised by steps: the pod must not be bound. What it says is told as "running PreBind plugin …: <it>"."""


Steps = Generator[Step | Until, Any, Any]
"""As a controller's decision: resumed with each step's answer, or with what the step met."""


# What wakes, and what a plugin is given


@dataclass(frozen=True, slots=True)
class Hint:
    """A change of a `kind` object (None: not there) that may let parked pods of a shape fit: those `helps` says yes to.

    Every node is then asked about such a shape. Pods and nodes need no hints: their rows are asked anyway. But a plugin
    that looks at volumes of pods elsewhere may have one for the pods with volumes that go.
    """

    kind: Kind[Any]
    helps: Callable[[Shape, Any, Any], bool]


@runtime_checkable
class Watching(Protocol):
    """A plugin that reads other objects. Their stores are in `Handle.view`."""

    NAME: str
    READS: tuple[Kind[Any], ...]
    HINTS: tuple[Hint, ...]


@runtime_checkable
class Writing(Protocol):
    """A plugin whose steps write: the rights it needs, which the applier holds it to."""

    NAME: str
    RIGHTS: tuple[Right, ...]


@runtime_checkable
class Versioned(Protocol):
    """A filter or score whose answers may change although no pod and no node has."""

    NAME: str

    def version(self, shape: Shape) -> Hashable:
        """Another one when answers about such pods are out of date. Asked each time, so it must be quick."""


class Waiting(Protocol):
    """The pods a Permit plugin holds up, by uid."""

    def held(self) -> Mapping[str, PodInfo]: ...
    def allow(self, uid: str, plugin: str) -> None:
        """That plugin has no objection any more."""

    def reject(self, uid: str, plugin: str, reason: str) -> None:
        """The pod is not to be bound."""


@dataclass(frozen=True, slots=True)
class Handle:
    """What a plugin is made with, to look at: nodes, the pods on them, and the stores of what it `READS`.

    `shared` holds what plugins keep together, those of all profiles: a volume is given away once.
    """

    columns: Columns
    cache: Cache
    view: View = field(default_factory=lambda: View({}))
    waiting: Waiting | None = None
    shared: dict[Any, Any] = field(default_factory=dict)

    def share(self, make: Callable[["Handle"], T]) -> T:
        """What `make` makes of this handle, the same for all who ask."""
        if make not in self.shared:
            self.shared[make] = make(self)
        found: T = self.shared[make]
        return found


Arguments = Mapping[str, Any]
Make = Callable[[Arguments, Handle], Named]
"""Makes a plugin from its arguments. Raises ValueError, saying which of them is wrong."""


def no_arguments(plugin: str, given: Arguments) -> None:
    """For plugins that take none. Raises ValueError."""
    if given:
        raise ValueError(f"{plugin} takes no arguments, but has {', '.join(given)}")


class Weighted(NamedTuple):
    """A score plugin and how much it counts."""

    plugin: Score
    weight: int


class WeightedWide(NamedTuple):
    """A plugin that looks wide, and how much its score counts."""

    plugin: Wide
    weight: int
