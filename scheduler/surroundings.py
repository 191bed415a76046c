"""What a pod's place depends on beside pods and nodes: namespaces' labels, Services, and the owners of pods.

`component` feeds it from watches, `shape` asks it what a pod wants of others and others of it. Answers to
plugins/helper/spread.go (`DefaultSelector`) and to the listers of plugins/interpodaffinity.
"""

from understudy.kinds.meta import controller_of
from understudy.scheduler import terms
from understudy.scheduler.crowd import Crowd
from understudy.scheduler.kinds import Labelled, PlainSelecting, Pod, Selecting
from understudy.scheduler.terms import ALONE, SYSTEM_SPREAD, Badge, Constraint, Social, Spread, Tie
from understudy.values import selector
from understudy.values.selector import Selector

PLAIN_OWNER = "replicationcontrollers"
OWNERS = {
    ("v1", "ReplicationController"): PLAIN_OWNER,
    ("apps/v1", "ReplicaSet"): "replicasets.apps",
    ("apps/v1", "StatefulSet"): "statefulsets.apps",
}
"""Whose pods are spread by default: kinds, and the ids `saw_owner` knows them by."""
KEPT = 10_000

OwnerObject = PlainSelecting | Selecting
_Owner = tuple[str, str, str]
_Constraints = tuple[Constraint, ...]
_Outside = tuple[_Constraints, _Constraints, tuple[Tie, ...]]
"""Hard and soft constraints for pods that have none, and ties."""


class Surroundings:
    """`version` moves when pods that wait may have to be described anew."""

    def __init__(self, crowd: Crowd) -> None:
        self.namespaces: dict[str, dict[str, str]] = {}
        self._crowd = crowd
        self._services: dict[str, dict[str, dict[str, str]]] = {}
        self._owners: dict[_Owner, Selector] = {}
        self._changes = 0
        self._outside: dict[tuple[object, ...], _Outside] = {}
        self._outside_of = -1

    @property
    def version(self) -> int:
        return self._changes + self._crowd.version

    # What the watches tell

    def saw_namespace(self, new: Labelled | None, old: Labelled | None) -> bool:
        """A namespace came, changed or went; whether terms that select namespaces may mean others now."""
        before = None if old is None else old.metadata.labels
        after = None if new is None else new.metadata.labels
        if new is not None:
            self.namespaces[new.name] = new.metadata.labels
        elif old is not None:
            self.namespaces.pop(old.name, None)
        self._changes += before != after
        return before != after

    def saw_service(self, new: PlainSelecting | None, old: PlainSelecting | None) -> None:
        """A Service came, changed or went."""
        one = new or old
        if one is None:
            return
        there = self._services.setdefault(one.namespace, {})
        before = there.pop(one.name, None)
        # A Service without a selector picks nothing; an empty one everything.
        after = None if new is None else new.spec.selector
        if after is not None:
            there[one.name] = after
        self._changes += before != after

    def saw_owner(
        self, kind: str, new: PlainSelecting | Selecting | None, old: PlainSelecting | Selecting | None
    ) -> None:
        """A ReplicationController, ReplicaSet or StatefulSet (by `OWNERS`) came, changed or went."""
        one = new or old
        if one is None:
            return
        owner = (kind, one.namespace, one.name)
        before = self._owners.pop(owner, None)
        after = None if new is None else _selector(new)
        if after is not None:
            self._owners[owner] = after
        self._changes += before != after

    # What is asked

    def social(self, pod: Pod, badge: Badge, spread: Spread = SYSTEM_SPREAD) -> Social:
        """What the pod wants of others, and those on nodes of it; `spread` is for pods without constraints."""
        spec = pod.spec
        if not spec.topologySpreadConstraints and not badge.ties and not self._anybody():
            return ALONE
        hard, soft, ties = self._from_outside(pod, badge, spread)
        defaulted = spread.system and bool(soft)
        if spec.topologySpreadConstraints:
            hard, soft = terms.spreading(pod, terms.HARD), terms.spreading(pod, terms.SOFT)
            defaulted = False
        elif not badge.ties:
            return Social(hard=hard, soft=soft, defaulted=defaulted, ties=ties) if hard or soft or ties else ALONE
        together, first, apart, liked = terms.bonds(pod, self.namespaces)
        return Social(
            hard=hard,
            soft=soft,
            defaulted=defaulted,
            together=together,
            first=first,
            apart=apart,
            liked=liked,
            ties=ties,
        )

    def _anybody(self) -> bool:
        """Whether there is anything by which others could matter to a pod that wants nothing of them."""
        return bool(self._owners or self._services or self._crowd.has_ties)

    def _from_outside(self, pod: Pod, badge: Badge, spread: Spread) -> _Outside:
        """Default constraints and ties: the same for all pods of one namespace, owner and labels."""
        owner = controller_of(pod)
        if self._outside_of != self.version or len(self._outside) > KEPT:
            self._outside.clear()
            self._outside_of = self.version
        asked = (badge.namespace, badge.labels, owner, spread)
        known = self._outside.get(asked)
        if known is None:
            hard, soft = self._even(pod, spread)
            of_namespace = self.namespaces.get(pod.namespace, {})
            ties = self._crowd.ties_about(pod.namespace, pod.metadata.labels, of_namespace)
            known = self._outside[asked] = (hard, soft, ties)
        return known

    def _even(self, pod: Pod, spread: Spread) -> tuple[_Constraints, _Constraints]:
        """Those constraints as they concern the pod: the hard and the soft ones."""
        picks = self._default(pod) if spread.constraints else selector.of(())
        if picks.is_everything():
            return (), ()
        hard = [each for each in spread.constraints if each.hard]
        soft = [each for each in spread.constraints if not each.hard]
        return terms.default_spreading(pod, picks, hard), terms.default_spreading(pod, picks, soft)

    def _default(self, pod: Pod) -> Selector:
        """The pods of the pod's Services and its owner, by their selectors merged."""
        labels: dict[str, str] = {}
        for wanted in self._services.get(pod.namespace, {}).values():
            if wanted.items() <= pod.metadata.labels.items():
                labels |= wanted
        merged = selector.from_map(labels).requirements
        owner = controller_of(pod)
        kind = None if owner is None else OWNERS.get((owner.apiVersion, owner.kind))
        of_owner = None if owner is None or kind is None else self._owners.get((kind, pod.namespace, owner.name))
        if of_owner is None or of_owner.nothing:
            return selector.of(merged)
        if kind == PLAIN_OWNER:
            # Its labels are merged with those of the Services, and prevail.
            own = {each.key for each in of_owner.requirements}
            merged = tuple(each for each in merged if each.key not in own)
        return selector.of(dict.fromkeys([*merged, *of_owner.requirements]))


def _selector(owner: OwnerObject) -> Selector:
    if isinstance(owner, PlainSelecting):
        return selector.from_map(owner.spec.selector)
    return terms.read(owner.spec.selector)
