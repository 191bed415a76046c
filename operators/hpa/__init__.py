"""horizontal-pod-autoscaler-controller: as many Pods as the metrics of a workload ask for, within its bounds.

One concern a file: `target` (the workload's scale), `selection` (whose Pods), `served` (the metrics, read live),
`grouping`, `requests` and `counting` (from usage to replicas), `proposals` (one metric's), `rules` and `limits` (how
far that is followed), `memory` (what is remembered), `status` (what is written). Answers to
pkg/controller/podautoscaler/horizontal.go. Nothing wakes it but its own spec and time: metrics cannot be watched.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from understudy.errors import ApiError
from understudy.kinds.autoscaling import (
    HORIZONTAL_POD_AUTOSCALERS,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from understudy.kinds.core import PODS
from understudy.kinds.metrics import CUSTOM_METRICS, EXTERNAL_METRICS, POD_METRICS
from understudy.loop.controller import Right, controller, may
from understudy.operators.common.selected import pods_matching
from understudy.operators.hpa.counting import Scene
from understudy.operators.hpa.errors import Failed, NotComputable
from understudy.operators.hpa.limits import Bounds, Outcome, governed, plain
from understudy.operators.hpa.memory import Memory, begun
from understudy.operators.hpa.proposals import Asking, propose
from understudy.operators.hpa.rules import behavior_of
from understudy.operators.hpa.selection import Unusable, check_alone, parse
from understudy.operators.hpa.settings import Settings, settings_of
from understudy.operators.hpa.status import ABLE, ACTIVE, LIMITED, Draft
from understudy.operators.hpa.target import Target, find, rescale
from understudy.plan.steps import Decision, Event, Remember, Requeue, Step
from understudy.state.view import View

CURRENT_SCALE = "the HPA controller was {} to get the target's current scale"
DEFAULT_METRICS = (
    MetricSpec("Resource", ResourceMetricSource("cpu", MetricTarget("Utilization", averageUtilization=80))),
)
"""As the server fills them in."""
DISABLED = "scaling is disabled since the replica count of the target is zero"


@dataclass(slots=True)
class Round:
    """One decision: what it is about, and what it found out so far."""

    hpa: HorizontalPodAutoscaler
    view: View
    now: datetime
    settings: Settings
    draft: Draft
    target: Target
    memory: Memory
    metrics: list[Mapping[str, Any]]

    @property
    def current(self) -> int:
        return self.target.scale.spec.replicas

    @property
    def bounds(self) -> Bounds:
        least = self.hpa.spec.minReplicas
        return Bounds(1 if least is None else least, self.hpa.spec.maxReplicas)

    @property
    def specs(self) -> tuple[MetricSpec, ...]:
        return self.hpa.spec.metrics or DEFAULT_METRICS


@dataclass(frozen=True, slots=True)
class Wish:
    """So many replicas, and why."""

    replicas: int
    why: str


def _changed(new: HorizontalPodAutoscaler | None, old: HorizontalPodAutoscaler | None) -> bool:
    """Its own status and its conditions are no reason to look again."""
    return new is not None and (old is None or new.uid != old.uid or new.spec != old.spec)


@controller(
    "horizontal-pod-autoscaler-controller",
    of=HORIZONTAL_POD_AUTOSCALERS,
    reads=(PODS,),
    rights=(
        may("patch", HORIZONTAL_POD_AUTOSCALERS, "status"),
        Right(("get", "update"), "*", "*/scale"),
        Right(("list",), POD_METRICS.group, POD_METRICS.plural),
        Right(("get", "list"), CUSTOM_METRICS.partition("/")[0], "*"),
        Right(("get", "list"), EXTERNAL_METRICS.partition("/")[0], "*"),
    ),
    source="horizontal-pod-autoscaler",
    upstream="pkg/controller/podautoscaler",
    workers=5,
    when=_changed,
    discovers=True,
)
def decide(hpa: HorizontalPodAutoscaler, view: View, now: datetime) -> Decision:
    """A workload has as many Pods as its metrics ask for, not too often changed, within minimum and maximum."""
    settings, draft = settings_of(view.settings), Draft(hpa, now)
    yield Requeue(settings.sync_period.total_seconds(), why="metrics cannot be watched")
    try:
        target = yield from find(hpa.spec.scaleTargetRef, hpa.namespace, view)
    except NotComputable as error:
        yield _warning(hpa, "FailedGetScale", str(error))
        draft.say(ABLE, False, "FailedGetScale", f"{CURRENT_SCALE.format('unable')}: {error}")
        yield from _publish(hpa, draft, "its target has no scale")
        return
    draft.say(ABLE, True, "SucceededGetScale", CURRENT_SCALE.format("able"))
    known: Memory | None = view.remembered(HORIZONTAL_POD_AUTOSCALERS, hpa.key)
    memory = begun(known, target.scale.spec.replicas, now)
    yield from _follow(Round(hpa, view, now, settings, draft, target, memory, []))


def _follow(round_: Round) -> Decision:
    """Find out how many there should be, make it so, and say it."""
    try:
        wish = yield from _wish(round_)
    except NotComputable as error:
        yield _warning(round_.hpa, "FailedComputeMetricsReplicas", str(error))
        round_.draft.count(round_.current, None, round_.metrics)
        yield from _keep(round_)
        yield from _publish(round_.hpa, round_.draft, "the metrics give no replica count")
        return
    yield from _keep(round_)
    if wish is None:
        round_.draft.count(round_.current, round_.current, round_.metrics)
        yield from _publish(round_.hpa, round_.draft, "what was measured")
    else:
        yield from _scale(round_, wish)


def _keep(round_: Round) -> Decision:
    yield Remember(HORIZONTAL_POD_AUTOSCALERS, round_.hpa, round_.memory, why="what was recommended and changed")


# How many


def _wish(round_: Round) -> Generator[Step, Any, Wish | None]:
    """What is to be changed; None for nothing. Raises NotComputable."""
    current, bounds = round_.current, round_.bounds
    if current == 0 and bounds.minimum != 0:
        round_.draft.say(ACTIVE, False, "ScalingDisabled", DISABLED)
        return None
    if current > bounds.maximum:
        return Wish(bounds.maximum, "Current number of replicas above Spec.MaxReplicas")
    if current < bounds.minimum:
        return Wish(bounds.minimum, "Current number of replicas below Spec.MinReplicas")
    wished, metric = yield from _measure(round_)
    why = f"{metric} above target" if wished > current else "All metrics below target" if wished < current else ""
    outcome = _limited(round_, wished)
    round_.memory = outcome.memory
    round_.draft.say(ABLE, True, *outcome.stabilized)
    round_.draft.say(LIMITED, outcome.limited, *outcome.limit)
    return Wish(outcome.replicas, why) if outcome.replicas != current else None


def _limited(round_: Round, wished: int) -> Outcome:
    window, given = round_.settings.downscale_stabilization, round_.hpa.spec.behavior
    about = (round_.current, wished, round_.bounds, round_.memory)
    if given is None:
        return plain(*about, window, round_.now)
    return governed(*about, behavior_of(given, window), round_.now)


def _measure(round_: Round) -> Generator[Step, Any, tuple[int, str]]:
    """The most that a metric proposes, and its name. Raises NotComputable.

    Metrics that fail speak against scaling down: then those that are left are not enough.
    """
    asking = yield from _asking(round_)
    replicas, metric, failures = 0, "", []
    for spec in round_.specs:
        try:
            proposal = yield from propose(spec, asking)
        except Failed as failed:
            yield _warning(round_.hpa, failed.reason, failed.said)
            failures.append(failed)
            round_.metrics.append({"type": ""})
            continue
        round_.metrics.append(proposal.status)
        if replicas == 0 or proposal.replicas > replicas:
            replicas, metric = proposal.replicas, proposal.metric
    if len(failures) == len(round_.specs) or (failures and replicas < round_.current):
        _give_up(round_, failures)
    valid = f"the HPA was able to successfully calculate a replica count from {metric}"
    round_.draft.say(ACTIVE, True, "ValidMetricFound", valid)
    return replicas, metric


def _give_up(round_: Round, failures: list[Failed]) -> None:
    """Raises NotComputable."""
    first, count = failures[0], len(round_.specs)
    unable = f"the HPA was unable to compute the replica count: {first.said}"
    round_.draft.say(ACTIVE, False, first.reason, unable)
    raise NotComputable(f"invalid metrics ({len(failures)} invalid out of {count}), first error is: {first}")


def _asking(round_: Round) -> Generator[Step, Any, Asking]:
    """What every metric is asked with: the Pods, by the selector of the Scale. Raises NotComputable."""
    scale, hpa = round_.target.scale, round_.hpa
    text = scale.status.selector
    try:
        selector = parse(text)
        round_.memory = round_.memory.selecting(selector)
        pods = pods_matching(hpa.namespace, selector, round_.view)
        check_alone(hpa, text, pods, round_.view)
    except Unusable as error:
        yield _warning(hpa, error.event, str(error))
        round_.draft.say(ACTIVE, False, error.reason, error.said)
        raise NotComputable(str(error)) from error
    scene = Scene(pods, scale.spec.replicas, scale.status.replicas, round_.settings, round_.now)
    return Asking(hpa.namespace, selector, scene, round_.view)


# Making it so


def _scale(round_: Round, wish: Wish) -> Decision:
    """Write the scale. The change is remembered before: if its answer is lost, the rates still count it."""
    hpa, draft, before = round_.hpa, round_.draft, round_.memory
    if hpa.spec.behavior is not None:
        period = behavior_of(hpa.spec.behavior, round_.settings.downscale_stabilization).longest
        round_.memory = before.changing(round_.current, wish.replicas, round_.now, period)
        yield from _keep(round_)
    size = f"New size: {wish.replicas}; reason: {wish.why}"
    try:
        yield from rescale(round_.target, wish.replicas, size)
    except (ApiError, NotComputable) as error:
        if not (isinstance(error, ApiError) and error.status >= 500):  # those leave open what was done
            round_.memory = before
            yield from _keep(round_)
        yield _warning(hpa, "FailedRescale", f"{size}; error: {error}")
        unable = f"the HPA controller was unable to update the target scale: {error}"
        draft.say(ABLE, False, "FailedUpdateScale", unable)
        draft.count(round_.current, None, round_.metrics)
        yield from _publish(hpa, draft, "its target could not be scaled")
        return
    able = f"the HPA controller was able to update the target scale to {wish.replicas}"
    draft.say(ABLE, True, "SucceededRescale", able)
    yield Event(HORIZONTAL_POD_AUTOSCALERS, hpa, "SuccessfulRescale", size)
    draft.count(round_.current, wish.replicas, round_.metrics)
    draft.scaled()
    yield from _publish(hpa, draft, size)


def _publish(hpa: HorizontalPodAutoscaler, draft: Draft, why: str) -> Decision:
    patch = draft.patch(why)
    if patch is None:
        return
    try:
        yield patch
    except ApiError as error:
        yield _warning(hpa, "FailedUpdateStatus", str(error))
        raise


def _warning(hpa: HorizontalPodAutoscaler, reason: str, message: str) -> Event:
    return Event(HORIZONTAL_POD_AUTOSCALERS, hpa, reason, message, "Warning")
