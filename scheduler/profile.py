"""A profile: which plugins decide about the pods of one schedulerName, in which order, and how much each score counts.

`assemble` sorts plugins into the extension points they take part in; `registry` says which plugins there are and makes
them from their arguments. The order is that of upstream's default plugins
(pkg/scheduler/apis/config/v1/default_plugins.go): the first filter that turns a node down is the one that is named.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from understudy.scheduler.extenders import Extender
from understudy.scheduler.framework import (
    Asking,
    Bind,
    Filter,
    Named,
    Permit,
    PostBind,
    PostFilter,
    PreBind,
    PreEnqueue,
    PreFilter,
    Reserve,
    Versioned,
    Watching,
    Weighted,
    WeightedWide,
    Wide,
    Writing,
)
from understudy.scheduler.gated import Gate
from understudy.scheduler.kinds import Pod
from understudy.scheduler.plain import CheckedScore, as_filter, as_score
from understudy.scheduler.plugins.default_preemption import DefaultPreemption
from understudy.scheduler.plugins.topology_spread import PodTopologySpread
from understudy.scheduler.terms import NO_SPREAD, Spread

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Compared by identity: a profile that is configured anew is another one, and its pods have other shapes.

    `spread` are the constraints of pods that have none; without `preemption` nobody has to leave for its pods.
    `foreign`: there are plugins of a user's own in it, which may fail.
    """

    name: str
    pre_enqueue: tuple[PreEnqueue, ...] = ()
    asking: tuple[Asking, ...] = ()
    pre_filters: tuple[PreFilter, ...] = ()
    filters: tuple[Filter, ...] = ()
    scores: tuple[Weighted, ...] = ()
    wide: tuple[WeightedWide, ...] = ()
    post_filters: tuple[PostFilter, ...] = ()
    reserve: tuple[Reserve, ...] = ()
    permit: tuple[Permit, ...] = ()
    pre_bind: tuple[PreBind, ...] = ()
    bind: tuple[Bind, ...] = ()
    post_bind: tuple[PostBind, ...] = ()
    versioned: tuple[Versioned, ...] = ()
    watching: tuple[Watching, ...] = ()
    writing: tuple[Writing, ...] = ()
    spread: Spread = NO_SPREAD
    preemption: DefaultPreemption | None = None
    extenders: tuple[Extender, ...] = ()
    foreign: bool = False

    def asks(self, kind: str) -> bool:
        """Whether what pods wish may be otherwise after a change of an object of that kind, by its id."""
        watched = (each for each in self.asking if isinstance(each, Watching))
        return any(read.id == kind for each in watched for read in getattr(each, "WISHES_READ", each.READS))

    def gate(self, pod: Pod) -> Gate | None:
        """What keeps the pod from waiting for its turn; None if it may."""
        said = ((plugin, plugin.pre_enqueue(pod)) for plugin in self.pre_enqueue)
        return next((Gate(plugin, why) for plugin, why in said if why), None)


def assemble(
    name: str,
    plugins: Iterable[tuple[Named, int]],
    *,
    extenders: tuple[Extender, ...] = (),
    foreign: Collection[str] = (),
) -> Profile:
    """A profile of these plugins, asked in this order; the numbers are what their scores count, 0 for not at all.

    `foreign` are the names of those that are a user's own: their scores are checked.
    """
    given = list(plugins)
    every = [plugin for plugin, _ in given]
    scores = [Weighted(score, weight) for plugin, weight in given if weight and (score := as_score(plugin)) is not None]
    scores = [
        Weighted(CheckedScore(score), weight) if score.NAME in foreign else Weighted(score, weight)
        for score, weight in scores
    ]
    return Profile(
        name,
        pre_enqueue=_those(every, PreEnqueue),  # type: ignore[type-abstract]
        asking=_those(every, Asking),  # type: ignore[type-abstract]
        pre_filters=_those(every, PreFilter),  # type: ignore[type-abstract]
        filters=tuple(found for each in every if (found := as_filter(each)) is not None),
        scores=tuple(scores),
        wide=tuple(WeightedWide(each, weight) for each, weight in given if isinstance(each, Wide)),
        post_filters=_those(every, PostFilter),  # type: ignore[type-abstract]
        reserve=_those(every, Reserve),  # type: ignore[type-abstract]
        permit=_those(every, Permit),  # type: ignore[type-abstract]
        pre_bind=_those(every, PreBind),  # type: ignore[type-abstract]
        bind=_those(every, Bind),  # type: ignore[type-abstract]
        post_bind=_those(every, PostBind),  # type: ignore[type-abstract]
        versioned=_those(every, Versioned),  # type: ignore[type-abstract]
        watching=_those(every, Watching),  # type: ignore[type-abstract]
        writing=_those(every, Writing),  # type: ignore[type-abstract]
        spread=next((each.spread for each in every if isinstance(each, PodTopologySpread)), NO_SPREAD),
        extenders=extenders,
        foreign=bool(foreign),
        preemption=next((each for each in every if isinstance(each, DefaultPreemption)), None),
    )


def _those(plugins: Iterable[Named], point: type[T]) -> tuple[T, ...]:
    return tuple(each for each in plugins if isinstance(each, point))


ProfileOf = Callable[[str], Profile]
"""From a pod's schedulerName to its profile."""
