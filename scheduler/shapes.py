"""Finds the Shape of a pod: one for all pods of a profile that want the same of a node and of each other.

`loop` asks for every pod it sees, and again when what surrounds the pod has changed. Answers, with `shape`, to what
upstream's plugins work out for each pod in PreFilter and PreScore.
"""

from understudy.scheduler.asked import Asked
from understudy.scheduler.crowd import Crowd
from understudy.scheduler.kinds import Pod
from understudy.scheduler.profile import Profile, ProfileOf
from understudy.scheduler.registry import DEFAULT
from understudy.scheduler.shape import PodInfo, Shape, Wish, Wishes, wish_of
from understudy.scheduler.surroundings import Surroundings
from understudy.scheduler.terms import ALONE, badge_of


class Shapes:
    """Forgets the oldest beyond `limit`, which costs only time. `profile_of` tells whose plugins a pod's are."""

    def __init__(
        self,
        surroundings: Surroundings | None = None,
        limit: int = 10_000,
        profile_of: ProfileOf = lambda _: DEFAULT,
    ) -> None:
        self._surroundings = surroundings or Surroundings(Crowd(0))
        self._profile_of = profile_of
        self._known: dict[tuple[Profile, Wish], Shape] = {}
        self._limit = limit
        self._changes = 0

    def changed(self) -> None:
        """What pods wish of plugins, or a profile, is not what it was: `refresh` is to look at every pod again."""
        self._changes += 1

    def describe(self, pod: Pod) -> PodInfo:
        """The pod with its shape."""
        badge, profile = badge_of(pod), self._profile_of(pod.spec.schedulerName)
        social = self._surroundings.social(pod, badge, profile.spread)
        asked = profile, wish_of(pod, social, _wishes(profile, pod))
        shape = self._known.get(asked)
        if shape is None:
            shape = self._known[asked] = Shape(asked[1])
            shape.asked = Asked(profile, shape)
            if len(self._known) > self._limit:
                del self._known[next(iter(self._known))]
        return PodInfo(pod, shape, badge, self._version)

    def refresh(self, info: PodInfo) -> PodInfo:
        """The pod described anew if what surrounds it has changed what it wants, else as it was."""
        version = self._version
        if info.version == version:
            return info
        profile, shape = self._profile_of(info.pod.spec.schedulerName), info.shape
        if (
            profile is not shape.asked.profile
            or self._surroundings.social(info.pod, info.badge, profile.spread) != (shape.social or ALONE)
            or dict(_wishes(profile, info.pod)) != shape.wishes
        ):
            return self.describe(info.pod)
        info.version = version
        return info

    @property
    def _version(self) -> int:
        return self._surroundings.version + self._changes


def _wishes(profile: Profile, pod: Pod) -> Wishes:
    found = ((plugin.NAME, plugin.wish(pod)) for plugin in profile.asking)
    return tuple((name, wish) for name, wish in found if wish is not None)
