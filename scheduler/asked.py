"""Which plugins of a profile a shape is the business of: worked out once a shape, read by every look at nodes.

`shapes` makes one for each Shape it makes; `standing`, `cycle`, `trial` and `diagnosis` go by it. Answers to the sets
of plugins to skip in upstream's CycleState.
"""

from collections import defaultdict
from collections.abc import Hashable
from typing import Any, NamedTuple, TypeVar

from understudy.scheduler.framework import Hint, Named, Verdict, Wide
from understudy.scheduler.profile import Profile
from understudy.scheduler.shape import Shape

P = TypeVar("P", bound=Named)


class Narrowed(NamedTuple):
    """What the PreFilter plugins leave: nothing for a `reason` of `plugins`, or the nodes of `names`."""

    plugins: tuple[str, ...]
    reason: str = ""
    names: frozenset[str] = frozenset()
    hopeful: bool = False


class Asked:
    """`node_filters` look at node objects alone, `pod_filters` at more. `wide_scores` have a weight.

    `direct`: a decided pod may be bound at once, nobody has a say between decision and binding.
    """

    __slots__ = (
        "_shape",
        "bind",
        "binder",
        "direct",
        "extenders",
        "filters",
        "hints",
        "node_filters",
        "permit",
        "pod_filters",
        "post_bind",
        "post_filters",
        "pre_bind",
        "pre_filters",
        "profile",
        "reserve",
        "scores",
        "versioned",
        "wide",
        "wide_scores",
    )

    def __init__(self, profile: Profile, shape: Shape) -> None:
        self.profile = profile
        self._shape = shape
        self.pre_filters = [each for each in profile.pre_filters if each.applies(shape)]
        self.filters = [each for each in profile.filters if each.applies(shape)]
        self.node_filters = [each for each in self.filters if each.OF_NODE]
        self.pod_filters = [each for each in self.filters if not each.OF_NODE]
        self.scores = [each for each in profile.scores if each.plugin.applies(shape)]
        wide = [each for each in profile.wide if each.plugin.applies(shape)]
        self.wide: list[Wide] = [each.plugin for each in wide]
        self.wide_scores = [each for each in wide if each.weight]
        concerned = {each.NAME for each in self.filters} | {each.NAME for each in self.wide}
        concerned |= {each.plugin.NAME for each in self.scores}
        concerned |= {each.NAME for each in self.pre_filters}
        self.hints: dict[str, list[Hint]] = defaultdict(list)
        for watcher in profile.watching:
            for hint in watcher.HINTS if watcher.NAME in concerned else ():
                self.hints[hint.kind.id].append(hint)
        self.versioned = [each for each in profile.versioned if each.NAME in concerned]
        self.post_filters = _concerned(profile.post_filters, shape)
        self.reserve = _concerned(profile.reserve, shape)
        self.permit = _concerned(profile.permit, shape)
        self.pre_bind = _concerned(profile.pre_bind, shape)
        self.bind = _concerned(profile.bind, shape)
        self.post_bind = _concerned(profile.post_bind, shape)
        self.extenders = [each for each in profile.extenders if each.concerned(shape)]
        self.binder = next((each for each in self.extenders if each.bindVerb), None)
        said = self.reserve or self.permit or self.pre_bind or self.bind or self.post_bind or self.binder
        self.direct = not said

    def version(self) -> tuple[Hashable, ...]:
        """Another one if what plugins say may be otherwise although no pod and no node has changed."""
        return tuple(each.version(self._shape) for each in self.versioned)

    def hinted(self, kind: str, new: Any, old: Any) -> bool:
        """Whether a plugin says that this change of an object of that kind may let such pods fit."""
        return any(hint.helps(self._shape, new, old) for hint in self.hints.get(kind, ()))

    def narrowed(self) -> Narrowed | None:
        """What the PreFilter plugins have to say; None, as for nearly all pods, if nothing."""
        if not self.pre_filters:
            return None
        names: frozenset[str] | None = None
        plugins = []
        for plugin in self.pre_filters:
            said = plugin.pre_filter(self._shape) or Verdict()
            if said.reason:
                return Narrowed((plugin.NAME,), said.reason, hopeful=said.hopeful)
            if said.names is not None:
                plugins.append(plugin.NAME)
                names = said.names if names is None else names & said.names
        return None if names is None else _left(tuple(plugins), names)


def _concerned(plugins: tuple[P, ...], shape: Shape) -> list[P]:
    """The plugins whose business such pods are: all that do not say whose they are by `applies`."""
    return [each for each in plugins if not hasattr(each, "applies") or each.applies(shape)]


def _left(plugins: tuple[str, ...], names: frozenset[str]) -> Narrowed:
    if names:
        return Narrowed(plugins, names=names)
    if len(plugins) == 1:
        return Narrowed(plugins, f"node(s) didn't satisfy plugin {plugins[0]}")
    together = " ".join(sorted(plugins))
    return Narrowed(plugins, f"node(s) didn't satisfy plugin(s) [{together}] simultaneously")
