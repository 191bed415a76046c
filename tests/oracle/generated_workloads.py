"""What users do with Deployments, ReplicaSets, StatefulSets and DaemonSets, and with their Services and budgets.

Called by `generated`. A workload is known as far as it decides which steps the API server and kubectl accept, and
which have one outcome only: rollouts go one pod at a time or all at once, a budget is never without a pod, a Service's
dates do not depend on which of two pods was faster.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tests.oracle.acts import Body, Create, Kubectl, Patch, PatchSome
from tests.oracle.bodies import LABELS, deployment, replica_set, service, template
from tests.oracle.generated_moves import CASCADES, MOST_PODS, MOST_TEXTS, Move, deletion
from tests.oracle.sequences_daemonset import daemon_set
from tests.oracle.sequences_disruption import budget
from tests.oracle.sequences_statefulset import stateful_set

_IMAGES = ("1", "2", "3", "4")
_LIMITS = (10, 2, 1, 0)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A way to update: its spec; is a pod left at any time; one at a time, or all at once."""

    spec: Body
    gentle: bool = False
    single: bool = True


def _rolling(surge: int | str, unavailable: int | str, gentle: bool = False, single: bool = True) -> Rollout:
    numbers = {"maxSurge": surge, "maxUnavailable": unavailable}
    return Rollout({"type": "RollingUpdate", "rollingUpdate": numbers}, gentle, single)


def _ordinals(partition: int) -> Rollout:
    return Rollout({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}, gentle=True)


ON_DELETE = Rollout({"type": "OnDelete", "rollingUpdate": None}, gentle=True)
ROLLOUTS: Mapping[str, tuple[Rollout, ...]] = {
    "Deployment": (
        _rolling(1, 0, gentle=True),
        _rolling("25%", "0%", gentle=True),
        _rolling(0, 1),
        _rolling(0, "1%"),
        _rolling(0, "100%", single=False),
        _rolling(2, "100%", single=False),
        _rolling("100%", 9, single=False),
        Rollout({"type": "Recreate", "rollingUpdate": None}, single=False),
    ),
    "ReplicaSet": (Rollout({}, gentle=True),),
    "StatefulSet": (_ordinals(0), _ordinals(1), _ordinals(2), ON_DELETE),
    "DaemonSet": (
        *(_rolling(0, unavailable) for unavailable in (1, "1%", "50%")),
        *(_rolling(0, unavailable, single=False) for unavailable in (2, "100%")),
        *(_rolling(surge, 0) for surge in (1, "50%", "100%")),
        ON_DELETE,
    ),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """A set of pods called web. `images` by revision, the last is current; `wanted` waits for a paused Deployment."""

    kind: str
    replicas: int
    rollout: Rollout
    limit: int = 10
    images: tuple[str, ...] = ("1",)
    wanted: str = "1"
    paused: bool = False
    there: bool = True
    released: int = 0
    adoptable: bool = False
    service: str = ""
    budget: bool = False
    pods: int = 0
    texts: int = 0

    @property
    def at(self) -> str:
        return f"{self.kind.lower()}/web"

    @property
    def surges(self) -> bool:
        """A DaemonSet whose new pods begin before the old ones end."""
        return self.kind == "DaemonSet" and (self.rollout.spec["rollingUpdate"] or {}).get("maxSurge", 0) != 0

    @property
    def settled(self) -> bool:
        """No pod may be of an older revision."""
        return self.rollout != ON_DELETE and not (self.rollout.spec.get("rollingUpdate") or {}).get("partition")

    @property
    def quiet(self) -> bool:
        """No Event was joined with others or dropped."""
        return self.pods <= MOST_PODS and self.texts <= MOST_TEXTS

    @property
    def previous(self) -> str:
        """What `kubectl rollout undo` goes back to; "" if to nothing."""
        return self.images[-2] if len(self.images) > 1 else ""

    def created(self) -> Create:
        pods = template(f"app:{self.images[-1]}")
        rollout = {key: each for key, each in self.rollout.spec.items() if each is not None}
        match self.kind:
            case "Deployment":
                return deployment(self.replicas, pods, strategy=rollout, revisionHistoryLimit=self.limit)
            case "ReplicaSet":
                return replica_set(self.replicas, pods)
            case "StatefulSet":
                return stateful_set(self.replicas, pods, updateStrategy=rollout, revisionHistoryLimit=self.limit)
            case _:
                return daemon_set(pods, updateStrategy=rollout, revisionHistoryLimit=self.limit)

    def offers(self) -> Iterator[list[Move]]:
        if not self.there:
            yield [_again(self)] if _may_begin(self, self.replicas) else []
            yield [*_service(self)]
            return
        for offer in OFFERS[self.kind]:
            yield [each for each in offer(self) if isinstance(each.then, Workload) and each.then.quiet]


def _patch(kind: str, **spec: object) -> Patch:
    return Patch(kind, "web", {"spec": spec})


def _again(have: Workload) -> Move:
    made = replace(have, there=True, pods=have.replicas, texts=1)
    return Move("create again", (have.created(),), made)


def _scale(have: Workload) -> Iterator[Move]:
    least = (2 if have.kind == "StatefulSet" else 1) if have.budget else 0
    for count in range(least, 5):
        if count != have.replicas and _may_begin(have, count - have.replicas):
            words = Kubectl(f"scale {have.at} --replicas={count}")
            pods = have.pods + abs(count - have.replicas)
            yield Move(f"scale to {count}", (words,), replace(have, replicas=count, pods=pods, texts=have.texts + 1))


def _rolled(have: Workload, image: str) -> Workload:
    """After a rollout to the image: the revision moves to the end, and old ones go."""
    if image == have.images[-1]:
        return replace(have, wanted=image)
    images = (*(each for each in have.images if each != image), image)[-have.limit - 1 :]
    texts = have.texts + (2 * have.replicas if have.rollout.single else 3)
    pods = have.pods + 2 * have.replicas
    return replace(have, images=images, wanted=image, texts=texts, pods=pods, adoptable=False)


def _may_begin(have: Workload, count: int) -> bool:
    """Whether so many pods may begin together.

    With a Service no two: upstream dates Endpoints once, and writes them without if its cache was late the first time.
    """
    return not have.service or count < 2 or have.kind == "StatefulSet"


def _may_roll(have: Workload) -> bool:
    """With a Service pods begin one by one, and the last that happens is no pod's end close to another's beginning."""
    return not have.service or (have.kind != "Deployment" and have.rollout.single and not have.surges)


def _update(have: Workload) -> Iterator[Move]:
    if not have.paused and not _may_roll(have):
        return
    for image in _IMAGES:
        if image != have.wanted:
            then = _waiting(have, image) if have.paused else _rolled(have, image)
            yield Move(f"image {image}", (Kubectl(f"set image {have.at} main=app:{image}"),), then)


def _waiting(have: Workload, image: str) -> Workload:
    """While the new template has no ReplicaSet yet, that in use counts as an old one."""
    return replace(have, wanted=image, images=have.images[-max(have.limit, 1) :])


def _undo(have: Workload) -> Iterator[Move]:
    if have.previous and not have.paused and _may_roll(have):
        yield Move("undo", (Kubectl(f"rollout undo {have.at}"),), _rolled(have, have.previous))


def _pause(have: Workload) -> Iterator[Move]:
    if not have.paused:
        yield Move("pause", (Kubectl(f"rollout pause {have.at}"),), replace(have, paused=True))
    elif have.wanted == have.images[-1] or _may_roll(have):
        then = _rolled(replace(have, paused=False), have.wanted)
        yield Move("resume", (Kubectl(f"rollout resume {have.at}"),), then)


def _history(have: Workload) -> Iterator[Move]:
    if have.paused:
        return
    for limit in _LIMITS:
        if limit != have.limit:
            then = replace(have, limit=limit, images=have.images[-limit - 1 :])
            yield Move(f"history of {limit}", (_patch(have.kind, revisionHistoryLimit=limit),), then)


def _strategy(have: Workload) -> Iterator[Move]:
    """What waited for a deletion or behind a partition may roll on now."""
    field = "strategy" if have.kind == "Deployment" else "updateStrategy"
    waited = 0 if have.kind == "Deployment" else 2 * have.replicas
    for rollout in ROLLOUTS[have.kind]:
        then = replace(have, rollout=rollout, pods=have.pods + waited)
        if rollout != have.rollout and (rollout.gentle or not have.budget) and _may_roll(then):
            yield Move(f"strategy {_told(rollout)}", (_patch(have.kind, **{field: rollout.spec}),), then)


def _told(rollout: Rollout) -> str:
    numbers = rollout.spec["rollingUpdate"] or {}
    return " ".join(map(str, (rollout.spec["type"], *numbers.values())))


def _delete_pods(have: Workload) -> Iterator[Move]:
    """Another pod begins before the old one ends, unless it has its name."""
    if have.replicas and not have.budget and (not have.service or have.kind == "StatefulSet"):
        words = Kubectl("delete pods --selector=app=web --wait=false")
        yield Move("all pods deleted", (words,), replace(have, pods=have.pods + have.replicas))


def _delete_pod(have: Workload) -> Iterator[Move]:
    if have.replicas == 1 and have.budget:
        return
    for number in range(have.replicas):
        words = Kubectl(f"delete pod web-{number} --wait=false")
        yield Move(f"pod {number} deleted", (words,), replace(have, pods=have.pods + 1))


def _relabelled(old: str, new: str, count: int) -> PatchSome:
    return PatchSome("Pod", f"app={old}", {"metadata": {"labels": {"app": new}}}, count)


def _release(have: Workload) -> Iterator[Move]:
    if have.budget or have.released:
        return
    fewest = have.replicas if have.kind == "DaemonSet" else 1
    for count in range(fewest, min(have.replicas, 1 if have.service else 4) + 1):
        then = replace(have, released=count, adoptable=have.kind != "DaemonSet", pods=have.pods + count)
        yield Move(f"{count} pods released", (_relabelled("web", "other", count),), then)


def _released(have: Workload) -> Iterator[Move]:
    """They go, or come back where one more is one too many."""
    if not have.released:
        return
    then = replace(have, released=0, adoptable=False)
    yield Move("released pods deleted", (Kubectl("delete pods --selector=app=other --wait=false"),), then)
    if have.adoptable and not have.budget and not have.service:
        then = replace(then, pods=have.pods + have.released)
        yield Move("released pods adopted", (_relabelled("other", "web", have.released),), then)


def _delete(have: Workload) -> Iterator[Move]:
    if have.budget or have.paused or have.pods == have.replicas:  # what was only created is deleted in written ones
        return
    for cascade in CASCADES:
        gone = replace(have, there=False, wanted=have.images[-1])
        then = gone if cascade == "orphan" else replace(gone, images=have.images[-1:], adoptable=False)
        if cascade != "orphan" or have.settled:
            yield Move(f"delete, {cascade}", deletion(have.at, cascade), then, still=4.0)


_NAMED = [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "admin", "port": 81, "targetPort": 8081}]
SERVICES: tuple[Body, ...] = (
    {},
    {"ports": [{"port": 80, "targetPort": 8080}]},
    {"ports": _NAMED},
    {"ports": [{"name": "d", "port": 53, "protocol": "UDP"}]},
    {"clusterIP": "None"},
    {"publishNotReadyAddresses": True},
    {"trafficDistribution": "PreferClose"},
)
SELECTORS: tuple[str, ...] = (LABELS["app"], "other", "none")


def _service(have: Workload) -> Iterator[Move]:
    if have.service:
        yield Move("service deleted", (Kubectl("delete service web"),), replace(have, service=""))
        return
    for number, spec in enumerate(SERVICES):
        yield Move(f"service {number}", (service(**spec),), replace(have, service=LABELS["app"]))


def _service_changes(have: Workload) -> Iterator[Move]:
    if not have.service:
        return
    for app in SELECTORS:
        if app != have.service:
            chosen = _patch("Service", selector={"app": app})
            yield Move(f"service selects {app}", (chosen,), replace(have, service=app))
    if have.service == "none":
        for number in (1, 2, 3):
            yield Move(f"service ports {number}", (_patch("Service", ports=SERVICES[number]["ports"]),), have)
    for value in ("a", "b"):
        yield Move(f"service labelled {value}", (Kubectl(f"label --overwrite service web own={value}"),), have)


_LEAST = ({"minAvailable": each, "maxUnavailable": None} for each in (0, 1, 3, "1%", "50%", "100%"))
_MOST = ({"minAvailable": None, "maxUnavailable": each} for each in (0, 1, 4, "1%", "34%", "100%"))
BUDGETS: tuple[Body, ...] = (*_LEAST, *_MOST)


def _budget(have: Workload) -> Iterator[Move]:
    """Never without a pod: how often that is told depends on the moment."""
    if have.replicas < 1 + (have.kind == "StatefulSet") or not have.rollout.gentle:
        return
    for spec in BUDGETS:
        says = " ".join(f"{key} {each}" for key, each in spec.items() if each is not None)
        given = {key: each for key, each in spec.items() if each is not None}
        act = _patch("PodDisruptionBudget", **spec) if have.budget else budget(**given)
        yield Move(f"budget {says}", (act,), replace(have, budget=True))


def _no_budget(have: Workload) -> Iterator[Move]:
    if have.budget:
        yield Move("budget deleted", (Kubectl("delete poddisruptionbudget web"),), replace(have, budget=False))


Offer = Callable[[Workload], Iterable[Move]]
_ROUND: tuple[Offer, ...] = (_delete, _service, _service_changes)
_BUDGETED: tuple[Offer, ...] = (_budget, _no_budget)
_REVISIONS: tuple[Offer, ...] = (_update, _update, _undo, _undo, _history, _strategy)
_LOOSE: tuple[Offer, ...] = (_delete_pods, _release, _released)
OFFERS: Mapping[str, tuple[Offer, ...]] = {
    "Deployment": (_scale, _pause, _pause, *_REVISIONS, *_LOOSE, *_BUDGETED, *_ROUND),
    "ReplicaSet": (_scale, _scale, *_LOOSE, *_BUDGETED, *_ROUND),
    "StatefulSet": (_scale, *_REVISIONS, _delete_pods, _delete_pod, *_BUDGETED, *_ROUND),
    "DaemonSet": (*_REVISIONS, *_LOOSE, *_ROUND),
}


def workloads(kind: str) -> Iterator[Workload]:
    """All that a sequence may begin with."""
    for replicas in (2,) if kind == "DaemonSet" else range(5):
        for rollout in ROLLOUTS[kind]:
            for limit in _LIMITS:
                yield Workload(kind, replicas, rollout, limit, pods=replicas, texts=1)
